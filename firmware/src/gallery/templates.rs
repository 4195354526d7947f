//! The templates of a gallery, as they are searched.

use deja_shared::embedding::Embedding;
use serde::{Deserialize, Serialize};

use super::MAX_TEMPLATES;
use crate::kernels::quad::{LANES, Quad};

/// One stored embedding of an identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// The identity's number.
    pub identity: u32,
    /// What is compared.
    pub embedding: Embedding,
}

/// What is known of a template besides its components.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The identity's number.
    pub identity: u32,
    /// The squared length, Σ cᵢ².
    pub norm: u32,
}

/// Templates in the order in which they were added, all with one number of components.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Templates {
    /// Components of each; 0 while there is none.
    dimension: usize,
    keys: heapless::Vec<Key, MAX_TEMPLATES>,
    /// Beyond the last template all lanes are empty.
    quads: [Quad; MAX_TEMPLATES.div_ceil(LANES)],
}

impl Templates {
    /// None.
    pub(super) const fn new() -> Self {
        Self { dimension: 0, keys: heapless::Vec::new(), quads: [Quad::EMPTY; MAX_TEMPLATES.div_ceil(LANES)] }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether no further one fits.
    pub fn is_full(&self) -> bool {
        self.keys.is_full()
    }

    /// Whether an embedding has as many components as those that are there.
    pub fn takes(&self, embedding: &Embedding) -> bool {
        self.is_empty() || self.dimension == embedding.dimension()
    }

    /// The keys of all.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The components of all: template `i` is in lane `i % 4` of quad `i / 4`.
    pub fn quads(&self) -> &[Quad] {
        self.quads.get(..self.len().div_ceil(LANES)).unwrap_or_default()
    }

    /// The one in place `index`.
    pub fn get(&self, index: usize) -> Option<Template> {
        let identity = self.keys.get(index)?.identity;
        let components = self.quads.get(index / LANES)?.components(index % LANES, self.dimension);
        Some(Template { identity, embedding: Embedding::from_components(components).ok()? })
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Template> {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// Those of one identity.
    pub fn of(&self, identity: u32) -> impl Iterator<Item = Template> {
        let places = self.keys.iter().enumerate().filter(move |(_, key)| key.identity == identity);
        places.filter_map(|(index, _)| self.get(index))
    }

    /// How many one identity has.
    pub fn count_of(&self, identity: u32) -> usize {
        self.keys.iter().filter(|key| key.identity == identity).count()
    }

    /// Adds one; false where it has another number of components, or there is no room.
    #[must_use]
    pub(super) fn push(&mut self, identity: u32, embedding: &Embedding) -> bool {
        let key = Key { identity, norm: embedding.norm() };
        if !self.takes(embedding) || self.keys.push(key).is_err() {
            return false;
        }
        self.dimension = embedding.dimension();
        self.set(self.len() - 1, embedding.components(), key);
        true
    }

    /// Forgets those of one identity.
    pub(super) fn remove(&mut self, identity: u32) {
        let mut kept = 0;
        for index in 0..self.len() {
            let Some(Template { identity: owner, embedding }) = self.get(index) else { continue };
            if owner != identity {
                self.set(kept, embedding.components(), Key { identity: owner, norm: embedding.norm() });
                kept += 1;
            }
        }
        self.truncate(kept);
    }

    /// Forgets all but the first `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        (len..self.len()).for_each(|index| self.set(index, &[], Key { identity: 0, norm: 0 }));
        self.keys.truncate(len);
        if self.is_empty() {
            self.dimension = 0;
        }
    }

    fn set(&mut self, index: usize, components: &[i8], key: Key) {
        if let (Some(place), Some(quad)) = (self.keys.get_mut(index), self.quads.get_mut(index / LANES)) {
            *place = key;
            quad.set(index % LANES, components, key.norm);
        }
    }
}
