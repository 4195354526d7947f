//! Who is enrolled: identities with their names, and the templates that a probe is compared with.
//!
//! Everything lies in fixed memory of [`size_of::<Gallery>()`](Gallery) bytes, 73 KB, and `Gallery::new()` is `const`, so
//! a board keeps it in a `static`. [`snapshot`] turns it into bytes for flash and back, record after record.

pub mod snapshot;

use deja_shared::embedding::Embedding;
use deja_shared::model::Fingerprint;
use deja_shared::protocol::messages::Name;
use serde::{Deserialize, Serialize};

/// Most identities.
pub const MAX_IDENTITIES: usize = 64;
/// Most templates of all identities together.
pub const MAX_TEMPLATES: usize = 256;
/// Most templates of one identity.
pub const MAX_TEMPLATES_EACH: usize = 8;

/// A known somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// From 1 up, and never given to another one, not even after removal.
    pub number: u32,
    /// What people call it; no two identities share a name.
    pub name: Name,
}

/// One stored embedding of an identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// The identity's number.
    pub identity: u32,
    /// What is compared.
    pub embedding: Embedding,
}

/// The identities and their templates, all made by one model.
///
/// Every identity has 1 to [`MAX_TEMPLATES_EACH`] templates, and all templates have one number of components.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gallery {
    /// The model that made the templates; without meaning while there are none.
    model: Fingerprint,
    /// The greatest number that was ever given. An empty gallery is all zeros, so that it takes no room in a program.
    last: u32,
    /// By ascending number.
    identities: heapless::Vec<Identity, MAX_IDENTITIES>,
    /// In the order in which they were added.
    templates: heapless::Vec<Template, MAX_TEMPLATES>,
}

/// Why the gallery stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GalleryError {
    /// No further identity, or no further template, fits.
    Full,
    /// The identity has [`MAX_TEMPLATES_EACH`] templates.
    IdentityFull,
    /// The name is blank, longer than `MAX_NAME` bytes, or holds control characters.
    Name,
    /// The templates that are there were made by another model.
    ForeignModel,
    /// The templates that are there have another number of components.
    Dimension,
    /// No identity has this number.
    NotFound,
}

impl core::fmt::Display for GalleryError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Full => write!(
                f,
                "the gallery is full ({MAX_IDENTITIES} identities, {MAX_TEMPLATES} templates): remove an identity first"
            ),
            Self::IdentityFull => {
                write!(f, "this identity has {MAX_TEMPLATES_EACH} templates, which is all it may have")
            }
            Self::Name => f.write_str("a name has 1 to 32 bytes, is not blank and has no control characters"),
            Self::ForeignModel => f.write_str("the gallery was enrolled with another model: clear it and enroll again"),
            Self::Dimension => f.write_str("the gallery's templates have another number of components"),
            Self::NotFound => f.write_str("no identity has this number"),
        }
    }
}

impl core::error::Error for GalleryError {}

impl Default for Gallery {
    fn default() -> Self {
        Self::new()
    }
}

impl Gallery {
    /// Nobody.
    pub const fn new() -> Self {
        Self { model: [0; 32], last: 0, identities: heapless::Vec::new(), templates: heapless::Vec::new() }
    }

    /// Adds a template that `model` made, to the identity of this name or to a new one. Returns the identity's number.
    ///
    /// # Errors
    /// All of [`GalleryError`] but `NotFound`; then nothing has changed.
    pub fn add(&mut self, model: &Fingerprint, name: &str, embedding: Embedding) -> Result<u32, GalleryError> {
        if !self.fits(model) {
            return Err(GalleryError::ForeignModel);
        }
        if self.templates.first().is_some_and(|first| first.embedding.dimension() != embedding.dimension()) {
            return Err(GalleryError::Dimension);
        }
        if self.templates.is_full() {
            return Err(GalleryError::Full);
        }
        let identity = match self.find(name) {
            Some(known) if self.templates_of(known.number).count() >= MAX_TEMPLATES_EACH => {
                return Err(GalleryError::IdentityFull);
            }
            Some(known) => known.number,
            None => self.create(name)?,
        };
        self.model = *model;
        self.templates.push(Template { identity, embedding }).map_err(|_| GalleryError::Full)?;
        Ok(identity)
    }

    /// Forgets an identity and its templates. Every other number stays, and this one is not given again.
    ///
    /// # Errors
    /// [`GalleryError::NotFound`].
    pub fn remove(&mut self, number: u32) -> Result<(), GalleryError> {
        let place = self.place(number).ok_or(GalleryError::NotFound)?;
        self.identities.remove(place);
        self.templates.retain(|template| template.identity != number);
        Ok(())
    }

    /// Forgets everybody; numbers that were given are still not given again. Returns how many identities there were.
    pub fn clear(&mut self) -> usize {
        let count = self.identities.len();
        self.identities.clear();
        self.templates.clear();
        count
    }

    /// Whether the templates can be compared with what `model` makes; if there are none, they can.
    pub fn fits(&self, model: &Fingerprint) -> bool {
        self.templates.is_empty() || self.model == *model
    }

    /// The model that made the templates, if there are any.
    pub fn model(&self) -> Option<&Fingerprint> {
        (!self.templates.is_empty()).then_some(&self.model)
    }

    /// All identities by ascending number.
    pub fn identities(&self) -> &[Identity] {
        &self.identities
    }

    /// All templates in the order in which they were added.
    pub fn templates(&self) -> &[Template] {
        &self.templates
    }

    /// The templates of one identity.
    pub fn templates_of(&self, number: u32) -> impl Iterator<Item = &Template> {
        self.templates.iter().filter(move |template| template.identity == number)
    }

    /// The identity with this number.
    pub fn identity(&self, number: u32) -> Option<&Identity> {
        self.identities.get(self.place(number)?)
    }

    /// The identity with this name.
    pub fn find(&self, name: &str) -> Option<&Identity> {
        self.identities.iter().find(|identity| identity.name == name)
    }

    fn create(&mut self, name: &str) -> Result<u32, GalleryError> {
        let name = checked_name(name).ok_or(GalleryError::Name)?;
        let number = self.last.checked_add(1).ok_or(GalleryError::Full)?;
        self.identities.push(Identity { number, name }).map_err(|_| GalleryError::Full)?;
        self.last = number;
        Ok(number)
    }

    fn place(&self, number: u32) -> Option<usize> {
        self.identities.binary_search_by_key(&number, |identity| identity.number).ok()
    }
}

/// The name, if it can be one.
fn checked_name(name: &str) -> Option<Name> {
    let legible = !name.trim().is_empty() && !name.chars().any(char::is_control);
    legible.then(|| Name::try_from(name).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    const MODEL: Fingerprint = [7; 32];

    fn embedding(seed: i16) -> Embedding {
        Embedding::from_raw(&[seed, 300, -seed, 1]).unwrap()
    }

    #[test]
    fn fits_into_a_microcontroller() {
        assert!(size_of::<Gallery>() <= 74 * 1024, "{}", size_of::<Gallery>());
    }

    #[test]
    fn numbers_are_never_given_twice() {
        let mut gallery = Gallery::new();
        assert_eq!(gallery.add(&MODEL, "Ada", embedding(1)), Ok(1));
        assert_eq!(gallery.add(&MODEL, "Bob", embedding(2)), Ok(2));
        assert_eq!(gallery.add(&MODEL, "Ada", embedding(3)), Ok(1));
        gallery.remove(2).unwrap();
        assert_eq!(gallery.remove(2), Err(GalleryError::NotFound));
        assert_eq!(gallery.add(&MODEL, "Bob", embedding(2)), Ok(3));
        assert_eq!(gallery.clear(), 2);
        assert_eq!(gallery.add(&MODEL, "Ada", embedding(1)), Ok(4));
    }

    #[test]
    fn names_are_legible() {
        let mut gallery = Gallery::new();
        for name in ["", "   ", "tab\there", "new\nline", "bell\u{7}", "c1\u{85}", &"x".repeat(33), &"é".repeat(17)] {
            assert_eq!(gallery.add(&MODEL, name, embedding(1)), Err(GalleryError::Name), "{name:?}");
        }
        for name in ["x", &"x".repeat(32), &"é".repeat(16), "Ada Lovelace", "小明"] {
            assert!(gallery.add(&MODEL, name, embedding(1)).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn templates_of_two_models_do_not_mix() {
        let mut gallery = Gallery::new();
        gallery.add(&MODEL, "Ada", embedding(1)).unwrap();
        assert!(!gallery.fits(&[8; 32]));
        assert_eq!(gallery.add(&[8; 32], "Bob", embedding(1)), Err(GalleryError::ForeignModel));
        let longer = Embedding::from_raw(&[1; 5]).unwrap();
        assert_eq!(gallery.add(&MODEL, "Bob", longer.clone()), Err(GalleryError::Dimension));
        gallery.clear();
        assert_eq!(gallery.model(), None);
        assert_eq!(gallery.add(&[8; 32], "Bob", longer), Ok(2));
        assert_eq!(gallery.model(), Some(&[8; 32]));
    }

    #[test]
    fn a_full_gallery_refuses_and_stays_whole() {
        let mut gallery = Gallery::new();
        for _ in 0..MAX_TEMPLATES_EACH {
            gallery.add(&MODEL, "Ada", embedding(1)).unwrap();
        }
        assert_eq!(gallery.add(&MODEL, "Ada", embedding(1)), Err(GalleryError::IdentityFull));
        for i in 1..MAX_IDENTITIES {
            gallery.add(&MODEL, &format!("{i}"), embedding(1)).unwrap();
        }
        let before = gallery.clone();
        assert_eq!(gallery.add(&MODEL, "one more", embedding(1)), Err(GalleryError::Full));
        assert_eq!(gallery, before);
        for i in (1..MAX_IDENTITIES).cycle().take(MAX_TEMPLATES - before.templates().len()) {
            gallery.add(&MODEL, &format!("{i}"), embedding(1)).unwrap();
        }
        assert_eq!(gallery.add(&MODEL, "1", embedding(1)), Err(GalleryError::Full));
        gallery.remove(1).unwrap();
        assert!(gallery.add(&MODEL, "one more", embedding(1)).is_ok());
    }

    #[derive(Debug, Clone)]
    enum Step {
        Add(u8, i16),
        Remove(u32),
        Clear,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            20 => (0..12u8, -200..200i16).prop_map(|(name, seed)| Step::Add(name, seed)),
            5 => (0..30u32).prop_map(Step::Remove),
            1 => Just(Step::Clear),
        ]
    }

    proptest! {
        #[test]
        fn does_what_a_map_does(steps in proptest::collection::vec(step(), 1..150)) {
            let mut gallery = Gallery::new();
            let mut map: BTreeMap<u32, (String, Vec<Embedding>)> = BTreeMap::new();
            let mut given = 0;
            for step in steps {
                match step {
                    Step::Add(name, seed) => {
                        let name = format!("name {name}");
                        let known = map.iter().find(|(_, (n, _))| *n == name).map(|(&number, _)| number);
                        let full = known.is_some_and(|number| map[&number].1.len() == MAX_TEMPLATES_EACH);
                        let got = gallery.add(&MODEL, &name, embedding(seed));
                        if full {
                            prop_assert_eq!(got, Err(GalleryError::IdentityFull));
                            continue;
                        }
                        let number = known.unwrap_or(given + 1);
                        given = given.max(number);
                        prop_assert_eq!(got, Ok(number));
                        map.entry(number).or_insert_with(|| (name, Vec::new())).1.push(embedding(seed));
                    }
                    Step::Remove(number) => {
                        let expected = map.remove(&number).map(|_| ()).ok_or(GalleryError::NotFound);
                        prop_assert_eq!(gallery.remove(number), expected);
                    }
                    Step::Clear => {
                        prop_assert_eq!(gallery.clear(), map.len());
                        map.clear();
                    }
                }
                let got: Vec<_> = gallery.identities().iter().map(|i| (i.number, i.name.as_str())).collect();
                let expected: Vec<_> = map.iter().map(|(&number, (name, _))| (number, name.as_str())).collect();
                prop_assert_eq!(got, expected);
                for (&number, (_, templates)) in &map {
                    let got: Vec<_> = gallery.templates_of(number).map(|t| t.embedding.clone()).collect();
                    prop_assert_eq!(&got, templates);
                }
                prop_assert_eq!(gallery.templates().len(), map.values().map(|(_, t)| t.len()).sum::<usize>());
            }
            let (mut bytes, mut restored) = (Vec::new(), Gallery::new());
            let written: Result<(), ()> = snapshot::write(&gallery, |piece| {
                bytes.extend_from_slice(piece);
                Ok(())
            });
            prop_assert_eq!(written, Ok(()));
            prop_assert_eq!(snapshot::read(&mut restored, &bytes), Ok(()));
            prop_assert_eq!(restored, gallery);
        }
    }
}
