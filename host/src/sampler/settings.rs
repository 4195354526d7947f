//! The make-up of batches as it stands in a recipe.

use serde::{Deserialize, Serialize};

/// Which pictures stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SamplerKind {
    /// P identities with K pictures each.
    #[default]
    Pk,
    /// N = P identities with two pictures each (Sohn 2016); chosen by N-pair class mining where `mine_classes` is not 0.
    NPair,
    /// P×K, with identities that are confused with each other.
    HardClass,
    /// Mined triplets, P·K/3 in a batch.
    Triplets,
}

/// The make-up of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SamplerSettings {
    /// Which pictures stand together.
    pub kind: SamplerKind,
    /// P, identities in a batch. A set with fewer has them all in every batch.
    pub identities: usize,
    /// K, pictures of each; `n_pair` has two, whatever stands here. An identity with fewer repeats some; augmentation makes
    /// the copies differ.
    pub pictures: usize,
    /// Whether the K pictures are taken from as many cameras as possible before one repeats: the positives that matter are
    /// those another camera saw.
    pub camera_balanced: bool,
    /// C, identities from which `n_pair` chooses those of a batch; 0 takes them as they come.
    pub mine_classes: usize,
    /// Epochs after which `hard_class` and `n_pair` with `mine_classes` embed the identities anew.
    pub refresh_every: u64,
    /// Pictures of each identity that are embedded then.
    pub embedded_pictures: usize,
}

impl Default for SamplerSettings {
    fn default() -> Self {
        Self {
            kind: SamplerKind::Pk,
            identities: 16,
            pictures: 4,
            camera_balanced: true,
            mine_classes: 0,
            refresh_every: 1,
            embedded_pictures: 4,
        }
    }
}

impl SamplerSettings {
    /// How many pictures of each class are embedded: at least a pair.
    pub fn views(&self) -> usize {
        self.embedded_pictures.max(2)
    }
}

/// Why no batch can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SamplerError {
    /// Nothing to tell apart.
    #[error(
        "{found} identities to train on, but a batch needs at least 2 to tell apart: add pictures of other identities"
    )]
    TooFewIdentities {
        /// Identities with at least one picture.
        found: usize,
    },
    /// Nothing to pair.
    #[error(
        "sampler.kind = n_pair needs at least 2 identities with two pictures, and of {identities} identities {paired} have \
         them: add pictures, or take sampler.kind = pk"
    )]
    TooFewPairs {
        /// Identities with at least one picture.
        identities: usize,
        /// Of these, with at least two.
        paired: usize,
    },
    /// Nothing to choose from.
    #[error(
        "sampler.mine_classes = {mined} chooses nothing where a batch has {identities} identities: give more, or 0"
    )]
    MinesTooFew {
        /// C.
        mined: usize,
        /// N.
        identities: usize,
    },
}
