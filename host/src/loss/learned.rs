//! What a loss learns for itself beside the network: it serves training only, and lives in the learner and the checkpoint.

use super::{Centers, Classifier};

/// What one loss learns for itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Learned {
    /// Metric losses learn nothing.
    Nothing,
    /// Weights from embedding to identities.
    Classifier(Classifier),
    /// Weights from embedding to the components of a teacher's.
    Projection(Classifier),
    /// A center an identity, which follows its pictures without the optimizer.
    Centers(Centers),
}

impl Learned {
    /// Rows and columns; zero where there is nothing.
    pub fn shape(&self) -> [usize; 2] {
        match self {
            Self::Nothing => [0, 0],
            Self::Classifier(weights) | Self::Projection(weights) => [weights.dimension, weights.identities],
            Self::Centers(centers) => [centers.values.len() / centers.dimension.max(1), centers.dimension],
        }
    }

    /// All values, row-major; empty where there is nothing.
    pub fn values(&self) -> &[f32] {
        match self {
            Self::Nothing => &[],
            Self::Classifier(weights) | Self::Projection(weights) => &weights.weights,
            Self::Centers(centers) => &centers.values,
        }
    }

    /// All values, to be changed.
    pub fn values_mut(&mut self) -> &mut [f32] {
        match self {
            Self::Nothing => &mut [],
            Self::Classifier(weights) | Self::Projection(weights) => &mut weights.weights,
            Self::Centers(centers) => &mut centers.values,
        }
    }

    /// How many of the values the optimizer changes: all or none.
    pub fn trained(&self) -> usize {
        if matches!(self, Self::Centers(_)) { 0 } else { self.values().len() }
    }

    /// The classifier, where this is one.
    pub fn classifier(&self) -> Option<&Classifier> {
        match self {
            Self::Classifier(classifier) => Some(classifier),
            _ => None,
        }
    }
}
