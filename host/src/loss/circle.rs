//! Circle: similarities pulled with a force of their own, the stronger the farther each is from where it should be.

use super::cross_batch::among_past;
use super::margin::Margin;
use super::normalize::Normalized;
use super::pairs::{Pairs, Tally, partition};
use super::similarity::Similarities;
use super::softmax::softmax;
use super::{Batch, Learned, Loss, LossError, MetricLoss, Outputs, TermValue};
use serde::{Deserialize, Serialize};

/// The circle loss in a recipe, of cosines.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CircleSettings {
    /// Factor on the loss.
    pub weight: f32,
    /// m: positives aim at 1 + m and are satisfied at 1 − m, negatives aim at −m and are satisfied at m.
    pub margin: f32,
    /// γ, sharpness.
    pub scale: f32,
}

impl Default for CircleSettings {
    fn default() -> Self {
        Self { weight: 1.0, margin: 0.25, scale: 80.0 }
    }
}

impl Loss for CircleSettings {
    fn weight(&self) -> f32 {
        self.weight
    }

    fn check(&self) -> Result<(), LossError> {
        LossError::unless_within("margin", self.margin, (0.0, 1.0), "a cosine from 0 to 1")?;
        LossError::unless_within("scale", self.scale, (1e-3, 1e4), "a sharpness above 0")
    }

    fn evaluate(&self, outputs: &Outputs<'_>, _learned: &Learned) -> TermValue {
        among_past(outputs, |batch, anchors| among(batch, anchors, self)).into()
    }

    fn remembers(&self) -> bool {
        true
    }
}

/// Sun et al. 2020, eq. 6, per anchor: L = ln(1 + Σ_n e^(γ·α_n·(s_n − m)) · Σ_p e^(−γ·α_p·(s_p − 1 + m))) with
/// α_n = max(0, s_n + m) and α_p = max(0, 1 + m − s_p); mean over the anchors with both positives and negatives.
///
/// As in the paper's eq. 10, no gradient passes through α. Active are the pairs that are not satisfied: s_p < 1 − m, s_n > m.
/// Distances in the report are 1 − cosine.
pub fn circle(batch: &Batch<'_>, settings: &CircleSettings) -> MetricLoss {
    among(batch, batch.identities.len(), settings)
}

/// The same of the first `anchors` rows, with all rows as their positives and negatives.
fn among(batch: &Batch<'_>, anchors: usize, settings: &CircleSettings) -> MetricLoss {
    Normalized::through(batch, |batch| {
        let similarities = Similarities::new(batch, anchors);
        let charge = |anchor: usize, slopes: &mut [f32]| {
            let Some((positives, negatives)) = partition(batch.identities, anchor) else { return Tally::default() };
            charge(similarities.row(anchor), [&positives, &negatives], settings, slopes)
        };
        Pairs::of(anchors, batch.identities.len(), charge).through_similarities(batch)
    })
}

fn charge(row: &[f32], [positives, negatives]: [&[usize]; 2], settings: &CircleSettings, slopes: &mut [f32]) -> Tally {
    let CircleSettings { margin, scale, .. } = *settings;
    let mut tally = Tally { counted: 1, terms: positives.len() + negatives.len(), ..Tally::default() };
    let pull = |s: f32| -scale * (1.0 + margin - s).max(0.0);
    let push = |s: f32| scale * (s + margin).max(0.0);
    let mut near: Vec<f32> = positives.iter().map(|&p| pull(row[p]) * (row[p] - 1.0 + margin)).collect();
    let mut far: Vec<f32> = negatives.iter().map(|&n| push(row[n]) * (row[n] - margin)).collect();
    let (charge, slope) = Margin::Soft.charge(softmax(&mut near) + softmax(&mut far));
    tally.charge = f64::from(charge);
    for (&p, weight) in positives.iter().zip(&near) {
        slopes[p] += slope * weight * pull(row[p]);
        tally.active += usize::from(row[p] < 1.0 - margin);
        tally.positive.add(1.0 - row[p], 1);
    }
    for (&n, weight) in negatives.iter().zip(&far) {
        slopes[n] += slope * weight * push(row[n]);
        tally.active += usize::from(row[n] > margin);
        tally.negative.add(1.0 - row[n], 1);
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::super::check::{self, EdgeCase, Rows, plain_normalize, plain_partition, plain_product};
    use super::*;

    /// With α taken at `rows.fixed`, so that differences of `x` do not pass through it.
    fn plain(x: &[f64], rows: &Rows<'_>, settings: &CircleSettings) -> f64 {
        let (x, fixed) = (plain_normalize(x, rows.dimension), plain_normalize(rows.fixed, rows.dimension));
        let [margin, scale] = [settings.margin, settings.scale].map(f64::from);
        let mut charges = Vec::new();
        for a in 0..rows.anchors {
            let s = |x: &[f64], j: usize| plain_product(x, rows.dimension, a, j);
            let (positives, negatives) = plain_partition(rows.identities, a);
            if positives.is_empty() || negatives.is_empty() {
                continue;
            }
            let near = positives.iter().map(|&p| {
                let alpha = (1.0 + margin - s(&fixed, p)).max(0.0);
                (-scale * alpha * (s(&x, p) - 1.0 + margin)).exp()
            });
            let far = negatives.iter().map(|&n| {
                let alpha = (s(&fixed, n) + margin).max(0.0);
                (scale * alpha * (s(&x, n) - margin)).exp()
            });
            charges.push((near.sum::<f64>() * far.sum::<f64>()).ln_1p());
        }
        charges.iter().sum::<f64>() / charges.len().max(1) as f64
    }

    #[test]
    fn equals_its_plain_twin_and_its_central_differences() {
        for (margin, scale) in [(0.25, 80.0), (0.4, 4.0)] {
            let settings = CircleSettings { margin, scale, ..CircleSettings::default() };
            check::with_past(&settings, |x, rows| plain(x, rows, &settings));
            for case in check::cases() {
                let loss = circle(&case.batch(), &settings);
                let fixed: Vec<f64> = case.embeddings.iter().copied().map(f64::from).collect();
                let plain = case.twin(|x, rows| plain(x, rows, &settings));
                // Where all coincide, slopes of ±γ cancel: what is left is rounding.
                if case.name == "all equal" {
                    assert!((f64::from(loss.value) - plain(&fixed)).abs() < 1e-3);
                    assert!(loss.gradient.iter().all(|&g| g.abs() < 1e-6 * scale));
                } else {
                    check::value_and_gradient(&case, loss.value, &loss.gradient, plain);
                }
            }
        }
    }

    #[test]
    fn a_satisfied_batch_costs_next_to_nothing() {
        let case = EdgeCase { embeddings: vec![1.0, 0.0, 1.0, 0.01, -1.0, 0.0, -1.0, 0.01], ..EdgeCase::satisfied() };
        let loss = circle(&case.batch(), &CircleSettings::default());
        assert!(loss.value < 0.02 && loss.active_fraction == 0.0, "{loss:?}");
    }
}
