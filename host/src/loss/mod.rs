//! One loss a file: value and gradient with respect to the embeddings (or the logits).
//!
//! Metric losses see a [`Batch`] and answer with a [`MetricLoss`]. The ID loss is `classifier` followed by `cross_entropy`, or
//! with a margin on angles `arc_face` or `cos_face`, which share `margin_softmax`. `center` and `distillation` bring what they
//! pull towards: centers, a teacher's embeddings. `term` chooses losses by their names in a recipe, `learned` is what some of
//! them learn for themselves. Every file holds its own plain twin in f64 and is checked against central differences of it
//! (`check`).

pub mod arc_face;
pub mod bench;
pub mod center;
pub mod circle;
pub mod classifier;
pub mod contrastive;
pub mod cos_face;
pub mod cross_batch;
pub mod cross_entropy;
pub mod distillation;
pub mod learned;
pub mod margin;
pub mod margin_softmax;
pub mod multi_similarity;
pub mod n_pair;
pub mod normalize;
pub mod term;
pub mod triplet;

mod pairs;
mod similarity;
mod softmax;

#[cfg(test)]
mod check;

pub use arc_face::arc_face;
pub use center::{CenterLoss, Centers, center};
pub use circle::{CircleSettings, circle};
pub use classifier::Classifier;
pub use contrastive::{ContrastiveSettings, contrastive};
pub use cos_face::cos_face;
pub use cross_entropy::{CrossEntropy, cross_entropy};
pub use distillation::{Distillation, distillation};
pub use learned::Learned;
pub use margin::Margin;
pub use margin_softmax::{MarginSoftmax, margin_softmax};
pub use multi_similarity::{MultiSimilaritySettings, multi_similarity};
pub use n_pair::{NPairSettings, n_pair};
pub use term::{Loss, LossError, LossTerm, Outputs, Sizes, TermValue};
pub use triplet::{Mining, TripletSettings, triplet};

/// B embeddings and whose they are.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// `[B, dimension]`, row-major.
    pub embeddings: &'a [f32],
    /// Components of an embedding.
    pub dimension: usize,
    /// `[B]`
    pub identities: &'a [u32],
}

impl<'a> Batch<'a> {
    /// Embedding `index`.
    pub fn row(&self, index: usize) -> &'a [f32] {
        &self.embeddings[index * self.dimension..(index + 1) * self.dimension]
    }
}

/// What a metric loss says about a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricLoss {
    /// The loss; 0 where the batch holds nothing to compare.
    pub value: f32,
    /// ∂value/∂embeddings, `[B, dimension]`.
    pub gradient: Vec<f32>,
    /// Share of the terms that still teach something (each loss says which those are), 0..1.
    pub active_fraction: f32,
    /// Mean d(a,p) over the terms.
    pub positive_distance: f32,
    /// Mean d(a,n) over the terms.
    pub negative_distance: f32,
}

impl MetricLoss {
    /// Of a batch with nothing to compare: loss 0, gradient 0.
    pub fn nothing(values: usize) -> Self {
        Self {
            value: 0.0,
            gradient: vec![0.0; values],
            active_fraction: 0.0,
            positive_distance: 0.0,
            negative_distance: 0.0,
        }
    }
}
