//! The metric losses by their name in a recipe.

use super::normalize::Normalized;
use super::{Batch, Margin, MetricLoss, triplet};
use crate::mining::{Distances, batch_hard};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Which metric loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricKind {
    /// Triplet loss over the hardest triplet of each anchor.
    BatchHard,
}

/// A metric loss and its settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricSettings {
    /// Which one.
    pub kind: MetricKind,
    /// Of the triplet losses.
    pub margin: Margin,
    /// Whether distances are taken between L2-normalized embeddings.
    pub normalize: bool,
}

impl MetricSettings {
    /// The loss of a batch of raw embeddings, and its gradient with respect to them.
    pub fn evaluate(&self, batch: &Batch<'_>) -> MetricLoss {
        if !self.normalize {
            return self.on(batch);
        }
        let normalized = Normalized::new(batch.embeddings, batch.dimension);
        let mut loss = self.on(&Batch { embeddings: &normalized.rows, ..*batch });
        normalized.backward(&mut loss.gradient);
        loss
    }

    /// The embeddings between which distances are taken, `[B, dimension]`: those of the batch, or these normalized.
    pub fn measured<'a>(&self, batch: &Batch<'a>) -> Cow<'a, [f32]> {
        if self.normalize {
            Cow::Owned(Normalized::new(batch.embeddings, batch.dimension).rows)
        } else {
            Cow::Borrowed(batch.embeddings)
        }
    }

    fn on(&self, batch: &Batch<'_>) -> MetricLoss {
        match self.kind {
            MetricKind::BatchHard => {
                let distances = Distances::new(batch.embeddings, batch.dimension);
                triplet(batch, &batch_hard(&distances, batch.identities), self.margin)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{self, EdgeCase, plain_batch_hard};
    use super::*;
    use crate::mining::CollapseWatch;

    fn plain_normalize(x: &[f64], dimension: usize) -> Vec<f64> {
        x.chunks_exact(dimension)
            .flat_map(|row| {
                let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
                row.iter().map(move |x| x / length)
            })
            .collect()
    }

    #[test]
    fn normalized_batch_hard_equals_its_plain_twin() {
        for margin in [Margin::Hinge(0.3), Margin::Soft] {
            let settings = MetricSettings { kind: MetricKind::BatchHard, margin, normalize: true };
            for case in check::cases().into_iter().filter(|case| !case.identities.is_empty()) {
                let loss = settings.evaluate(&case.batch());
                let plain = |x: &[f64]| {
                    plain_batch_hard(&plain_normalize(x, case.dimension), case.dimension, &case.identities, margin)
                };
                // Where all coincide, a picture's distance to the rest grows in both directions: no difference to compare.
                if case.name == "all equal" {
                    assert!(loss.gradient.iter().all(|&g| g == 0.0));
                } else {
                    check::value_and_gradient(&case, loss.value, &loss.gradient, plain);
                }
            }
        }
    }

    #[test]
    fn normalized_distances_ignore_the_length_of_embeddings() {
        let settings = MetricSettings { kind: MetricKind::BatchHard, margin: Margin::Soft, normalize: true };
        let case = EdgeCase::random(11, &[0, 0, 1, 1, 2, 2], 4);
        let longer: Vec<f32> = case.embeddings.iter().map(|x| x * 8.0).collect();
        let short = settings.evaluate(&case.batch());
        let long = settings.evaluate(&Batch { embeddings: &longer, ..case.batch() });
        assert!((short.value - long.value).abs() < 1e-6);
        assert!(short.positive_distance <= 2.0 && short.negative_distance <= 2.0);
    }

    /// Embeddings of one direction and different lengths are spread out, but not where a normalized loss measures them.
    #[test]
    fn a_collapse_of_directions_is_seen_where_the_loss_measures() {
        let embeddings: Vec<f32> = (1..=8).flat_map(|length| [length as f32, 2.0 * length as f32]).collect();
        let batch = Batch { embeddings: &embeddings, dimension: 2, identities: &[0, 0, 1, 1, 2, 2, 3, 3] };
        let collapses = |normalize| {
            let settings = MetricSettings { kind: MetricKind::BatchHard, margin: Margin::Hinge(0.3), normalize };
            let mut watch = CollapseWatch::new(Some(0.3));
            let loss = settings.evaluate(&batch).value;
            (0..30).filter(|_| watch.observe(loss, &settings.measured(&batch), batch.dimension).is_some()).count()
        };
        assert_eq!((collapses(true), collapses(false)), (1, 0));
    }
}
