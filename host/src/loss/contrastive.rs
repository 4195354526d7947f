//! Contrastive: pairs of one identity together, pairs of two apart by a margin.

use super::cross_batch::among_past;
use super::normalize::Normalized;
use super::pairs::{Pairs, Tally};
use super::{Batch, Learned, Loss, LossError, MetricLoss, Outputs, TermValue};
use crate::mining::{Distances, Metric};
use serde::{Deserialize, Serialize};

/// The contrastive loss in a recipe.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContrastiveSettings {
    /// Factor on the loss.
    pub weight: f32,
    /// m, beyond which two identities are far enough from each other.
    pub margin: f32,
    /// Whether distances are taken between L2-normalized embeddings.
    pub normalize: bool,
}

impl Default for ContrastiveSettings {
    fn default() -> Self {
        Self { weight: 1.0, margin: 1.0, normalize: true }
    }
}

impl Loss for ContrastiveSettings {
    fn weight(&self) -> f32 {
        self.weight
    }

    fn check(&self) -> Result<(), LossError> {
        LossError::unless_within("margin", self.margin, (1e-6, 1e6), "a number above 0")?;
        if self.normalize && self.margin > 2.0 {
            let what = "margin above 2 with normalize = true";
            let remedy = "normalized embeddings are never farther than 2 from each other; give a margin of at most 2";
            return Err(LossError::Contradiction { what, remedy });
        }
        Ok(())
    }

    fn evaluate(&self, outputs: &Outputs<'_>, _learned: &Learned) -> TermValue {
        among_past(outputs, |batch, anchors| among(batch, anchors, self)).into()
    }

    fn remembers(&self) -> bool {
        true
    }
}

/// L = mean over positive pairs of ½d² + mean over active negative pairs of ½·max(0, m − d)² (Hadsell, Chopra, LeCun 2006,
/// eq. 4), d Euclidean.
///
/// Each kind has a mean of its own, because a batch has far more negative pairs; active are those within the margin, and the
/// others are left out of the mean. The active fraction is theirs. Without pairs: loss 0, gradient 0.
pub fn contrastive(batch: &Batch<'_>, settings: &ContrastiveSettings) -> MetricLoss {
    among(batch, batch.identities.len(), settings)
}

/// The same of the pairs with one of the first `anchors` rows.
fn among(batch: &Batch<'_>, anchors: usize, settings: &ContrastiveSettings) -> MetricLoss {
    let measure = |batch: &Batch<'_>| {
        let distances = Distances::of_anchors(Metric::Euclidean, batch.embeddings, batch.dimension, anchors);
        charge(&distances, batch.identities, settings.margin).through_distances(&distances, batch)
    };
    if settings.normalize { Normalized::through(batch, measure) } else { measure(batch) }
}

fn charge(distances: &Distances, identities: &[u32], margin: f32) -> Pairs {
    let (positives, active) = count(distances, identities, margin);
    let share = |count: usize| 1.0 / count.max(1) as f32;
    let mut pairs = Pairs::of(distances.anchors(), identities.len(), |i, slopes| {
        let mut tally = Tally::default();
        for (j, &d) in distances.row(i).iter().enumerate().skip(i + 1) {
            let gap = (margin - d).max(0.0);
            if identities[i] == identities[j] {
                tally.charge += f64::from(0.5 * d * d * share(positives));
                slopes[j] = d * share(positives);
                tally.positive.add(d, 1);
            } else {
                tally.charge += f64::from(0.5 * gap * gap * share(active));
                slopes[j] = -gap * share(active);
                tally.negative.add(d, 1);
                tally.terms += 1;
            }
        }
        tally
    });
    pairs.tally.active = active;
    // Each charge is divided by its own count already.
    pairs.tally.counted = 1;
    pairs
}

/// Positive pairs, and negative pairs within the margin.
fn count(distances: &Distances, identities: &[u32], margin: f32) -> (usize, usize) {
    let (mut positives, mut active) = (0, 0);
    for i in 0..distances.anchors() {
        for (j, &d) in distances.row(i).iter().enumerate().skip(i + 1) {
            let same = identities[i] == identities[j];
            positives += usize::from(same);
            active += usize::from(!same && d < margin);
        }
    }
    (positives, active)
}

#[cfg(test)]
mod tests {
    use super::super::check::{self, EdgeCase, Rows, plain_distance, plain_normalize};
    use super::*;

    fn plain(x: &[f64], rows: &Rows<'_>, settings: &ContrastiveSettings) -> f64 {
        let Rows { dimension, identities, anchors, .. } = *rows;
        let normalized = plain_normalize(x, dimension);
        let x = if settings.normalize { &normalized } else { x };
        let (mut near, mut far) = (Vec::new(), Vec::new());
        for i in 0..anchors {
            for j in i + 1..identities.len() {
                let d = plain_distance(x, dimension, i, j);
                if identities[i] == identities[j] {
                    near.push(0.5 * d * d);
                } else if d < f64::from(settings.margin) {
                    far.push(0.5 * (f64::from(settings.margin) - d).powi(2));
                }
            }
        }
        let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len().max(1) as f64;
        mean(near) + mean(far)
    }

    #[test]
    fn equals_its_plain_twin_and_its_central_differences() {
        for (margin, normalize) in [(1.0, false), (5.0, false), (0.5, true), (1.5, true)] {
            let settings = ContrastiveSettings { margin, normalize, ..ContrastiveSettings::default() };
            check::with_past(&settings, |x, rows| plain(x, rows, &settings));
            for case in check::cases() {
                let loss = contrastive(&case.batch(), &settings);
                assert!(loss.gradient.iter().all(|g| g.is_finite()), "{}", case.name);
                let plain = case.twin(|x, rows| plain(x, rows, &settings));
                // Where all coincide, a picture's distance to the rest grows in both directions: no difference to compare.
                if case.name == "all equal" {
                    assert!(loss.gradient.iter().all(|&g| g == 0.0));
                    assert!((loss.value - 0.5 * margin * margin).abs() < 1e-5 && loss.active_fraction == 1.0);
                } else {
                    check::value_and_gradient(&case, loss.value, &loss.gradient, plain);
                }
            }
        }
    }

    #[test]
    fn a_satisfied_batch_costs_only_what_its_positives_are_apart() {
        let settings = ContrastiveSettings { normalize: false, ..ContrastiveSettings::default() };
        let loss = contrastive(&EdgeCase::satisfied().batch(), &settings);
        assert_eq!(loss.active_fraction, 0.0);
        assert!(loss.value < 0.01 && loss.negative_distance > 100.0);
    }

    #[test]
    fn a_margin_that_cannot_be_met_is_named() {
        let message = ContrastiveSettings { margin: 2.5, ..ContrastiveSettings::default() }.check().unwrap_err();
        assert!(message.to_string().contains("normalize"), "{message}");
    }
}
