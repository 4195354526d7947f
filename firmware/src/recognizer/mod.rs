//! What a camera can do for whoever asks: take a model and a picture, embed, enroll, identify, remember.
//!
//! The endpoints of the protocol ([`commands`](crate::commands)) and the sensor ([`camera`](crate::camera)) both come
//! here. The work on pictures is in `picture`, that on the gallery in `enrollment`, the proof of a model in `parity`, its
//! measurement in `profile`; every change of the gallery or of a setting is in flash before it is answered, or it did not happen.

mod enrollment;
mod parity;
mod picture;
mod profile;

use deja_shared::model::{self, Model};
use deja_shared::protocol::messages::{Capabilities, ModelCommitted, ModelSummary, Name, Statistics};
use deja_shared::protocol::refusal::Refusal;
use deja_shared::protocol::{MAX_CHUNK, PROTOCOL_VERSION};

use crate::board::{Board, Clock, Indicator, Parts, Sign};
use crate::gallery::{Gallery, MAX_TEMPLATES};
use crate::store::{Limits, Store};
use picture::Picture;

/// The big memory that a board hands out once, so that its linker knows what is left.
#[derive(Debug)]
pub struct Buffers<'b> {
    /// Activation memory; aligned as [`Arena`](crate::embedder::Arena) is.
    pub arena: &'b mut [i8],
    /// A picture as it comes, and behind it the same picture at the size that the model takes.
    pub pixels: &'b mut [u8],
    /// Who is enrolled.
    pub gallery: &'b mut Gallery,
}

/// A camera's knowledge and skills, without its link and its sensor.
pub struct Recognizer<'b, B: Board> {
    clock: B::Clock,
    indicator: B::Indicator,
    pub(crate) store: Store<B::Flash>,
    buffers: Buffers<'b>,
    picture: Picture,
    threshold: Option<i16>,
    unreadable_gallery: bool,
    pub(crate) statistics: Statistics,
}

impl<'b, B: Board> Recognizer<'b, B> {
    /// Comes to life with what is in flash. Gives the link and the sensor back.
    pub fn start(parts: Parts<B>, buffers: Buffers<'b>) -> (Self, B::Link, B::Sensor) {
        let Parts { link, flash, clock, indicator, sensor } = parts;
        let mut recognizer = Self {
            clock,
            indicator,
            store: Store::mount(flash, B::SNAPSHOT_BYTES),
            buffers,
            picture: Picture::None,
            threshold: None,
            unreadable_gallery: false,
            statistics: Statistics::default(),
        };
        recognizer.settle();
        recognizer.restore();
        recognizer.show(Sign::Idle);
        (recognizer, link, sensor)
    }

    /// What this camera is and can do.
    pub fn capabilities(&self) -> Capabilities {
        let gallery = &*self.buffers.gallery;
        Capabilities {
            protocol: PROTOCOL_VERSION,
            model_format: model::VERSION,
            board: name(B::NAME),
            firmware: name(env!("CARGO_PKG_VERSION")),
            max_chunk: MAX_CHUNK as u16,
            max_model: self.store.model_capacity(),
            max_arena: self.limits().arena,
            max_image: self.picture_capacity(),
            model: self.store.model().map(|model| summary(&model)),
            identities: gallery.identities().len() as u16,
            templates: gallery.templates().len() as u16,
            max_templates: MAX_TEMPLATES as u16,
            gallery_fits_model: self.store.model().is_none_or(|model| gallery.fits(&model.header().fingerprint)),
        }
    }

    /// Makes the model that was sent the one that runs, once its golden pairs have come out bit for bit.
    ///
    /// # Errors
    /// Those of [`Store::commit`]; [`Refusal::Parity`], [`Refusal::NoGolden`].
    pub fn commit_model(&mut self, sha256: &[u8; 32]) -> Result<ModelCommitted, Refusal> {
        let limits = self.limits();
        let arena = &mut *self.buffers.arena;
        self.store.commit(sha256, limits, &mut |model| parity::certify(model, arena))?;
        let model = self.store.model().ok_or(Refusal::NoModel)?;
        let gallery = &*self.buffers.gallery;
        let foreign = if gallery.fits(&model.header().fingerprint) { 0 } else { gallery.templates().len() };
        Ok(ModelCommitted { model: summary(&model), foreign_templates: foreign as u16 })
    }

    /// Forgets everything, in memory and in flash.
    ///
    /// # Errors
    /// [`Refusal::Flash`].
    pub fn recover(&mut self) -> Result<(), Refusal> {
        self.buffers.gallery.clear();
        self.threshold = None;
        self.unreadable_gallery = false;
        self.picture = Picture::None;
        self.store.recover()
    }

    /// Counters since the start.
    pub fn statistics(&mut self) -> Statistics {
        let uptime_ms = (self.micros() / 1000) as u32;
        Statistics { uptime_ms, ..self.statistics }
    }

    /// Whether the flash holds a gallery that this firmware cannot read.
    pub fn has_unreadable_gallery(&self) -> bool {
        self.unreadable_gallery
    }

    /// Ends everything and gives the flash back, as a restart finds it.
    pub fn into_flash(self) -> B::Flash {
        self.store.into_flash()
    }

    pub(crate) fn micros(&mut self) -> u64 {
        self.clock.micros()
    }

    pub(crate) fn show(&mut self, sign: Sign) {
        self.indicator.show(sign);
    }

    fn limits(&self) -> Limits {
        Limits { arena: self.buffers.arena.len() as u32, picture: self.buffers.pixels.len() as u32 }
    }
}

fn summary(model: &Model<'_>) -> ModelSummary {
    let header = model.header();
    ModelSummary {
        fingerprint: header.fingerprint,
        name: name(header.name()),
        height: header.input_height,
        width: header.input_width,
        dimension: header.dimension,
    }
}

/// As much of a text as fits a name.
fn name(text: &str) -> Name {
    let mut name = Name::new();
    let _ = text.chars().try_for_each(|c| name.push(c));
    name
}
