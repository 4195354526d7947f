//! Who is enrolled: identities with their names, and the templates that a probe is compared with.
//!
//! Everything lies in fixed memory of [`size_of::<Gallery>()`](Gallery) bytes, 73 KB, and `Gallery::new()` is `const`, so
//! a board keeps it in a `static`. [`snapshot`] turns it into bytes for flash and back, record after record.

pub mod snapshot;
mod templates;

pub use templates::{Key, Template, Templates};

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
    templates: Templates,
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
        Self { model: [0; 32], last: 0, identities: heapless::Vec::new(), templates: Templates::new() }
    }

    /// Adds a template that `model` made, to the identity of this name or to a new one. Returns the identity's number.
    ///
    /// # Errors
    /// All of [`GalleryError`] but `NotFound`; then nothing has changed.
    pub fn add(&mut self, model: &Fingerprint, name: &str, embedding: &Embedding) -> Result<u32, GalleryError> {
        if !self.fits(model) {
            return Err(GalleryError::ForeignModel);
        }
        if !self.templates.takes(embedding) {
            return Err(GalleryError::Dimension);
        }
        if self.templates.is_full() {
            return Err(GalleryError::Full);
        }
        let identity = match self.find(name) {
            Some(known) if self.templates.count_of(known.number) >= MAX_TEMPLATES_EACH => {
                return Err(GalleryError::IdentityFull);
            }
            Some(known) => known.number,
            None => self.create(name)?,
        };
        self.model = *model;
        if self.templates.push(identity, embedding) { Ok(identity) } else { Err(GalleryError::Full) }
    }

    /// Forgets an identity and its templates. Every other number stays, and this one is not given again.
    ///
    /// # Errors
    /// [`GalleryError::NotFound`].
    pub fn remove(&mut self, number: u32) -> Result<(), GalleryError> {
        self.identity(number).ok_or(GalleryError::NotFound)?;
        self.identities.retain(|identity| identity.number != number);
        self.templates.remove(number);
        Ok(())
    }

    /// Forgets everybody; numbers that were given are still not given again. Returns how many identities there were.
    pub fn clear(&mut self) -> usize {
        let count = self.identities.len();
        self.identities.clear();
        self.templates.truncate(0);
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

    /// All templates.
    pub fn templates(&self) -> &Templates {
        &self.templates
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
mod tests;
