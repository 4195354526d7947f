//! What a loss learns for itself beside the network: it serves training only, and lives in the learner and the checkpoint.

use super::Classifier;

/// What one loss learns for itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Learned {
    /// Metric losses learn nothing.
    Nothing,
    /// Weights from embedding to identities.
    Classifier(Classifier),
}

impl Learned {
    /// Rows and columns; zero where there is nothing.
    pub fn shape(&self) -> [usize; 2] {
        match self {
            Self::Nothing => [0, 0],
            Self::Classifier(classifier) => [classifier.dimension, classifier.identities],
        }
    }

    /// All values, row-major; empty where there is nothing.
    pub fn values(&self) -> &[f32] {
        match self {
            Self::Nothing => &[],
            Self::Classifier(classifier) => &classifier.weights,
        }
    }

    /// All values, to be changed.
    pub fn values_mut(&mut self) -> &mut [f32] {
        match self {
            Self::Nothing => &mut [],
            Self::Classifier(classifier) => &mut classifier.weights,
        }
    }

    /// The classifier, where this is one.
    pub fn classifier(&self) -> Option<&Classifier> {
        match self {
            Self::Classifier(classifier) => Some(classifier),
            Self::Nothing => None,
        }
    }
}
