//! Why a recipe cannot be followed.

use super::Recipe;
use crate::augment::AugmentError;
use crate::loss::LossError;
use crate::mining::MiningError;
use std::path::PathBuf;

/// Why a recipe cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// The file is not there or not readable.
    #[error("{}: the recipe cannot be read; give a file, or one of {}", path.display(), Recipe::names().collect::<Vec<_>>().join(", "))]
    Io {
        /// The recipe.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// No TOML, an unknown key, or a value of the wrong kind; the message names line and key.
    #[error("{}: not a recipe: {source}", path.display())]
    Syntax {
        /// The recipe.
        path: PathBuf,
        /// What the parser says.
        source: Box<toml::de::Error>,
    },
    /// A number outside of what makes sense.
    #[error("recipe: {key} = {value}: give {expected}")]
    Value {
        /// Dotted key.
        key: &'static str,
        /// What it was.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// A setting of a loss.
    #[error("recipe: loss[{index}] ({kind}): {source}")]
    Loss {
        /// Which loss, from 0.
        index: usize,
        /// Its kind.
        kind: &'static str,
        /// What is wrong.
        source: LossError,
    },
    /// A distillation that nobody teaches.
    #[error(
        "recipe: loss[{index}] (distillation) has no teacher: give `deja train` one with --teacher FILE, or write \
         teacher = \"FILE\" into the recipe; a teacher is an .onnx model, a checkpoint, or a file of embeddings (.safetensors)"
    )]
    NoTeacher {
        /// Which loss, from 0.
        index: usize,
    },
    /// Two distillations.
    #[error("recipe: two losses are distillations, but a run has one teacher; leave one out")]
    TwoTeachers,
    /// A memory that nobody reads.
    #[error(
        "recipe: memory.size is above 0, but no loss looks at past batches; set it to 0, or add a [[loss]] that does, such as \
         kind = \"triplet\" with mining = \"batch_hard\""
    )]
    NothingRemembers,
    /// Nothing is minimized.
    #[error("recipe: nothing is minimized; give at least one [[loss]] with a weight above 0")]
    NoLoss,
    /// A loss that compares pictures of one identity, with batches that have one of each.
    #[error(
        "recipe: loss[{index}] ({kind}) compares pictures of one identity, but sampler.pictures = 1: set sampler.pictures to \
         at least 2, or keep to losses such as cross_entropy"
    )]
    NoPositives {
        /// Which loss, from 0.
        index: usize,
        /// Its kind.
        kind: &'static str,
    },
    /// Mined triplets are learned from, but none are in the batches.
    #[error(
        "recipe: loss[{index}] (triplet) has mining = offline, but batches bring mined triplets only with sampler.kind = \
         triplets: set that, or another mining such as batch_hard"
    )]
    NoTriplets {
        /// Which loss, from 0.
        index: usize,
    },
    /// A setting of offline mining.
    #[error("recipe: {0}")]
    Mining(#[from] MiningError),
    /// A setting of the augmentation.
    #[error("recipe: {0}")]
    Augment(#[from] AugmentError),
}
