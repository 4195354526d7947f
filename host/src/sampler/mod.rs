//! Which pictures stand together in a batch. Metric learning lives on the make-up of its batches.
//!
//! A make-up a file, chosen by [`SamplerSettings::kind`]; [`Sampler`] is any of them. Some are guided by what the current
//! weights say about the pictures ([`Guidance`]), which whoever trains computes at the beginning of an epoch.

pub mod class_embeddings;
pub mod hard_class;
pub mod members;
pub mod n_pair;
pub mod pk;
pub mod rounds;
pub mod settings;
pub mod triplets;

pub use class_embeddings::ClassEmbeddings;
pub use members::Members;
pub use settings::{SamplerError, SamplerKind, SamplerSettings};

use crate::mining::Triplet;
use hard_class::HardClassSampler;
use n_pair::NPairSampler;
use pk::PkSampler;
use rand::Rng;
use std::sync::Arc;
use triplets::TripletSampler;

/// The pictures of one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draw {
    /// Pictures of the set, `[B]`.
    pub pictures: Vec<usize>,
    /// Rows of the batch that were mined before; empty where nothing was.
    pub triplets: Vec<Triplet>,
}

impl Draw {
    /// Without mined triplets.
    pub fn of(pictures: Vec<usize>) -> Self {
        Self { pictures, triplets: Vec::new() }
    }
}

/// What is known about the pictures when an epoch begins; what a sampler needs of it, [`Sampler::needs_classes`] and
/// [`Sampler::needs_triplets`] tell.
#[derive(Debug, Clone, Default)]
pub struct Guidance {
    /// Some embeddings of each class.
    pub classes: Option<Arc<ClassEmbeddings>>,
    /// Mined triplets of pictures of the set.
    pub triplets: Arc<Vec<Triplet>>,
}

/// Draws the batches of an epoch.
#[derive(Debug, Clone)]
pub enum Sampler {
    /// P×K.
    Pk(PkSampler),
    /// N classes with two pictures each.
    NPair(NPairSampler),
    /// P×K of classes that are confused with each other.
    HardClass(HardClassSampler),
    /// Mined triplets.
    Triplets(TripletSampler),
}

impl Sampler {
    /// Over pictures 0..n, of which picture i shows class `classes[i]` from camera `cameras[i]`.
    ///
    /// # Errors
    /// [`SamplerError`] when no batch can be made.
    pub fn new(classes: &[u32], cameras: &[u32], settings: SamplerSettings) -> Result<Self, SamplerError> {
        let members = Members::new(classes, cameras);
        Ok(match settings.kind {
            SamplerKind::Pk => Self::Pk(PkSampler::new(members, settings)?),
            SamplerKind::NPair => Self::NPair(NPairSampler::new(members, settings)?),
            SamplerKind::HardClass => Self::HardClass(HardClassSampler::new(members, settings)?),
            SamplerKind::Triplets => Self::Triplets(TripletSampler::new(&members, settings)?),
        })
    }

    /// The most pictures that a batch has.
    pub fn batch_size(&self) -> usize {
        match self {
            Self::Pk(sampler) => sampler.batch_size(),
            Self::NPair(sampler) => sampler.batch_size(),
            Self::HardClass(sampler) => sampler.batch_size(),
            Self::Triplets(sampler) => sampler.batch_size(),
        }
    }

    /// About as many batches as it takes to see as many pictures as there are, and at least one.
    pub fn batches_per_epoch(&self) -> usize {
        match self {
            Self::Pk(sampler) => sampler.batches_per_epoch(),
            Self::NPair(sampler) => sampler.batches_per_epoch(),
            Self::HardClass(sampler) => sampler.batches_per_epoch(),
            Self::Triplets(sampler) => sampler.batches_per_epoch(),
        }
    }

    /// Whether [`Self::epoch`] wants any guidance.
    pub fn is_guided(&self) -> bool {
        self.needs_classes() || self.needs_triplets()
    }

    /// Whether [`Self::epoch`] wants [`Guidance::classes`]; without them it draws as if all classes were alike.
    pub fn needs_classes(&self) -> bool {
        match self {
            Self::Pk(_) | Self::Triplets(_) => false,
            Self::NPair(sampler) => sampler.mines_classes(),
            Self::HardClass(_) => true,
        }
    }

    /// Whether [`Self::epoch`] wants [`Guidance::triplets`]; without them it has no batch to draw.
    pub fn needs_triplets(&self) -> bool {
        matches!(self, Self::Triplets(_))
    }

    /// The batches of an epoch: [`Self::batches_per_epoch`] of them. They follow from the guidance and the numbers drawn.
    pub fn epoch(&self, guidance: &Guidance, rng: &mut impl Rng) -> Vec<Draw> {
        match self {
            Self::Pk(sampler) => sampler.epoch(rng),
            Self::NPair(sampler) => sampler.epoch(guidance.classes.as_deref(), rng),
            Self::HardClass(sampler) => sampler.epoch(guidance.classes.as_deref(), rng),
            Self::Triplets(sampler) => sampler.epoch(&guidance.triplets, rng),
        }
    }

    /// What a person should know about identities with one picture, which have no positive.
    pub fn warning(&self) -> Option<String> {
        let (alone, what) = match self {
            Self::Pk(sampler) => {
                (sampler.alone(), "the picture is repeated, and its own copies are their only positives")
            }
            Self::HardClass(sampler) => {
                (sampler.alone(), "the picture is repeated, and its own copies are their only positives")
            }
            Self::NPair(sampler) => (sampler.left_out(), "they have no pair and are left out"),
            Self::Triplets(sampler) => (sampler.alone(), "they are never anchors, only negatives"),
        };
        (alone > 0).then(|| format!("identities with one picture only: {alone}; {what}: add pictures of them"))
    }
}
