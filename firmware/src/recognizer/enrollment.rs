//! The gallery as it is asked for: enroll, identify, list, remove, export and import, each change kept in flash.

use deja_shared::protocol::messages::{
    self, Cleared, Decision, Enrolled, GalleryPage, Identified, IdentitySummary, Name, StoredTemplate, Threshold,
};
use deja_shared::protocol::refusal::Refusal;
use serde::{Deserialize, Serialize};

use super::Recognizer;
use super::picture::elapsed;
use crate::board::{Board, Sign};
use crate::gallery::snapshot;
use crate::gallery::{Gallery, GalleryError, MAX_TEMPLATES, MAX_TEMPLATES_EACH};
use crate::matching::{self, Candidate};

/// Layout of [`Settings`] in flash; the gallery's snapshot, with a version of its own, follows.
const SETTINGS_VERSION: u8 = 1;

/// What is kept besides the gallery.
#[derive(Debug, Serialize, Deserialize)]
struct Settings {
    version: u8,
    threshold: Option<i16>,
}

/// Length of the longest [`Settings`].
const SETTINGS_BYTES: usize = 8;

impl<B: Board> Recognizer<'_, B> {
    /// Keeps the picture as a template of `name`.
    ///
    /// # Errors
    /// Those of [`Recognizer::embed`] and of a gallery that is full, foreign, or cannot be saved; nothing is changed then.
    pub fn enroll(&mut self, name: &Name) -> Result<Enrolled, Refusal> {
        let embedded = self.embed()?;
        let fingerprint = self.store.model().ok_or(Refusal::NoModel)?.header().fingerprint;
        self.add(&StoredTemplate { name: name.clone(), fingerprint, embedding: embedded.embedding })
    }

    /// Adds a template that was made elsewhere with the model that runs.
    ///
    /// # Errors
    /// [`Refusal::ForeignTemplate`], [`Refusal::Dimension`], and of the gallery as for [`Recognizer::enroll`].
    pub fn add(&mut self, template: &StoredTemplate) -> Result<Enrolled, Refusal> {
        let StoredTemplate { name, fingerprint, embedding } = template;
        let header = *self.store.model().ok_or(Refusal::NoModel)?.header();
        if header.fingerprint != *fingerprint {
            return Err(Refusal::ForeignTemplate);
        }
        if usize::from(header.dimension) != embedding.dimension() {
            return Err(Refusal::Dimension);
        }
        let threshold = self.threshold.unwrap_or(header.threshold);
        let gallery = &mut *self.buffers.gallery;
        if !gallery.fits(fingerprint) {
            return Err(Refusal::ForeignGallery);
        }
        let known = gallery.find(name).map(|identity| identity.number);
        let own = known.and_then(|number| matching::verify(gallery, number, embedding, threshold));
        let found = matching::identify(gallery, embedding, threshold);
        let other = found.best.filter(|best| found.decision == Decision::Match && Some(best.identity) != known);
        let confusable = other.map(|other| candidate(gallery, other));
        let identity = gallery.add(fingerprint, name, embedding).map_err(refusal)?;
        let templates = gallery.templates().count_of(identity) as u16;
        self.save_or_restore()?;
        Ok(Enrolled { identity, templates, own: own.map(|own| own.similarity.to_q15()), confusable })
    }

    /// Says who is on the picture.
    ///
    /// # Errors
    /// Those of [`Recognizer::embed`], [`Refusal::ForeignGallery`].
    pub fn identify(&mut self) -> Result<Identified, Refusal> {
        let start = self.micros();
        let header = *self.store.model().ok_or(Refusal::NoModel)?.header();
        if !self.buffers.gallery.fits(&header.fingerprint) {
            return Err(Refusal::ForeignGallery);
        }
        let embedding = self.embed()?.embedding;
        let threshold = self.threshold.unwrap_or(header.threshold);
        let gallery = &*self.buffers.gallery;
        let found = matching::identify(gallery, &embedding, threshold);
        let named = |found: Option<Candidate>| found.map(|found| candidate(gallery, found));
        let (best, runner_up) = (named(found.best), named(found.runner_up));
        let (counter, sign) = match found.decision {
            Decision::Match => (&mut self.statistics.matches, Sign::Known),
            Decision::Unknown => (&mut self.statistics.unknown, Sign::Unknown),
        };
        *counter = counter.wrapping_add(1);
        self.show(sign);
        let microseconds = elapsed(start, self.micros());
        Ok(Identified { decision: found.decision, best, runner_up, threshold, microseconds })
    }

    /// A page of the identities.
    pub fn list(&self, skip: u16) -> GalleryPage {
        let gallery = &*self.buffers.gallery;
        let summary = |identity: &crate::gallery::Identity| IdentitySummary {
            identity: identity.number,
            name: identity.name.clone(),
            templates: gallery.templates().count_of(identity.number) as u16,
        };
        let page = gallery.identities().iter().skip(skip.into()).take(deja_shared::protocol::PAGE);
        GalleryPage { total: gallery.identities().len() as u16, identities: page.map(summary).collect() }
    }

    /// Forgets an identity.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::Flash`].
    pub fn remove(&mut self, identity: u32) -> Result<(), Refusal> {
        self.buffers.gallery.remove(identity).map_err(refusal)?;
        self.save_or_restore()
    }

    /// Forgets every identity.
    ///
    /// # Errors
    /// [`Refusal::Flash`].
    pub fn clear(&mut self) -> Result<Cleared, Refusal> {
        let identities = self.buffers.gallery.clear() as u16;
        self.save_or_restore()?;
        Ok(Cleared { identities })
    }

    /// The template number `index`, in the order in which they were added.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub fn template(&self, index: u16) -> Result<StoredTemplate, Refusal> {
        let gallery = &*self.buffers.gallery;
        let template = gallery.templates().get(usize::from(index)).ok_or(Refusal::NotFound)?;
        let identity = gallery.identity(template.identity).ok_or(Refusal::NotFound)?;
        let fingerprint = *gallery.model().ok_or(Refusal::NotFound)?;
        Ok(StoredTemplate { name: identity.name.clone(), fingerprint, embedding: template.embedding })
    }

    /// The threshold that was set in place of the model's own.
    pub fn threshold(&self) -> Threshold {
        Threshold { cosine: self.threshold }
    }

    /// Sets the threshold, or (`None`) goes back to the model's own.
    ///
    /// # Errors
    /// [`Refusal::Flash`].
    pub fn set_threshold(&mut self, threshold: Threshold) -> Result<Threshold, Refusal> {
        self.threshold = threshold.cosine;
        self.save_or_restore()?;
        Ok(threshold)
    }

    /// Reads gallery and settings from flash.
    pub(super) fn restore(&mut self) {
        self.threshold = None;
        let saved = self.store.snapshot().unwrap_or_default();
        let read = match postcard::take_from_bytes::<Settings>(saved) {
            Ok((settings, rest)) if settings.version == SETTINGS_VERSION => {
                self.threshold = settings.threshold;
                snapshot::read(self.buffers.gallery, rest).is_ok()
            }
            _ => {
                self.buffers.gallery.clear();
                false
            }
        };
        self.unreadable_gallery = !read && !saved.is_empty();
    }

    /// Saves gallery and settings; where that fails, both are again what they were.
    fn save_or_restore(&mut self) -> Result<(), Refusal> {
        const { assert!(B::SNAPSHOT_BYTES as usize >= 16 + SETTINGS_BYTES + snapshot::MAX_SNAPSHOT_BYTES) }
        let settings = Settings { version: SETTINGS_VERSION, threshold: self.threshold };
        let gallery = &*self.buffers.gallery;
        let saved = self.store.save(|sink| {
            let mut buffer = [0; SETTINGS_BYTES];
            let bytes = postcard::to_slice(&settings, &mut buffer).map_err(|_| Refusal::Flash)?;
            sink.write(bytes)?;
            snapshot::write(gallery, |bytes| sink.write(bytes))
        });
        if saved.is_err() {
            self.restore();
        }
        saved
    }
}

fn candidate(gallery: &Gallery, found: Candidate) -> messages::Candidate {
    let name = gallery.identity(found.identity).map(|identity| identity.name.clone()).unwrap_or_default();
    messages::Candidate { identity: found.identity, name, cosine: found.similarity.to_q15() }
}

fn refusal(error: GalleryError) -> Refusal {
    match error {
        GalleryError::Full => Refusal::GalleryFull { capacity: MAX_TEMPLATES as u16 },
        GalleryError::IdentityFull => Refusal::IdentityFull { capacity: MAX_TEMPLATES_EACH as u16 },
        GalleryError::Name => Refusal::Name,
        GalleryError::ForeignModel => Refusal::ForeignGallery,
        GalleryError::Dimension => Refusal::Dimension,
        GalleryError::NotFound => Refusal::NotFound,
    }
}
