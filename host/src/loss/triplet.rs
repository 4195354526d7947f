//! Triplet loss over given triplets: positives nearer than negatives, by a margin.

use super::cross_batch::triplet_against;
use super::normalize::Normalized;
use super::{Batch, Learned, Loss, LossError, MetricLoss, Outputs, TermValue};
use crate::mining::{Distances, Triplet, batch_hard, distance};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Where the triplets come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mining {
    /// The hardest triplet of each anchor.
    BatchHard,
    /// Triplets that were mined before the batch was made; none where the sampler brings none.
    Offline,
}

/// The triplet loss in a recipe.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TripletSettings {
    /// Factor on the loss.
    pub weight: f32,
    /// Where the triplets come from.
    pub mining: Mining,
    /// m of the hinge.
    pub margin: f32,
    /// Softplus instead of the hinge; `margin` then has no part.
    pub soft_margin: bool,
    /// Whether distances are taken between L2-normalized embeddings.
    pub normalize: bool,
}

impl Default for TripletSettings {
    fn default() -> Self {
        Self { weight: 1.0, mining: Mining::BatchHard, margin: 0.3, soft_margin: false, normalize: false }
    }
}

impl TripletSettings {
    /// The loss of a batch of raw embeddings, and its gradient with respect to them; `offline` are rows mined before.
    pub fn on(&self, batch: &Batch<'_>, offline: &[Triplet]) -> MetricLoss {
        if !self.normalize {
            return self.measure(batch, offline);
        }
        let normalized = Normalized::new(batch.embeddings, batch.dimension);
        let mut loss = self.measure(&Batch { embeddings: &normalized.rows, ..*batch }, offline);
        normalized.backward(&mut loss.gradient);
        loss
    }

    /// How a violation is charged.
    pub fn charged(&self) -> Margin {
        if self.soft_margin { Margin::Soft } else { Margin::Hinge(self.margin) }
    }

    /// The embeddings between which distances are taken, `[B, dimension]`: those of the batch, or these normalized.
    pub fn measured<'a>(&self, batch: &Batch<'a>) -> Cow<'a, [f32]> {
        if self.normalize {
            Cow::Owned(Normalized::new(batch.embeddings, batch.dimension).rows)
        } else {
            Cow::Borrowed(batch.embeddings)
        }
    }

    fn measure(&self, batch: &Batch<'_>, offline: &[Triplet]) -> MetricLoss {
        match self.mining {
            Mining::BatchHard => {
                let distances = Distances::new(batch.embeddings, batch.dimension);
                triplet(batch, &batch_hard(&distances, batch.identities), self.charged())
            }
            Mining::Offline => triplet(batch, offline, self.charged()),
        }
    }
}

impl Loss for TripletSettings {
    fn weight(&self) -> f32 {
        self.weight
    }

    fn check(&self) -> Result<(), LossError> {
        LossError::unless_within("margin", self.margin, (1e-6, 1e6), "a number above 0")
    }

    fn evaluate(&self, outputs: &Outputs<'_>, _learned: &Learned) -> TermValue {
        self.on(&outputs.raw, outputs.triplets).into()
    }

    fn remembers(&self) -> bool {
        self.mining == Mining::BatchHard
    }

    fn against(&self, batch: &Batch<'_>, past: &Batch<'_>) -> MetricLoss {
        triplet_against(self, batch, past)
    }
}

/// How much nearer, and how a violation is charged; z = d(a,p) − d(a,n).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Margin {
    /// max(0, z + m): nothing once the negative is m farther (Schroff, Kalenichenko, Philbin 2015).
    Hinge(f32),
    /// softplus(z) = ln(1 + eᶻ): never quite satisfied (Hermans, Beyer, Leibe 2017, §2).
    Soft,
}

impl Margin {
    /// The charge and its slope at z.
    ///
    /// softplus is max(z, 0) + log1p(e^−|z|), which cannot overflow.
    pub fn charge(self, z: f32) -> (f32, f32) {
        match self {
            Self::Hinge(margin) if z + margin > 0.0 => (z + margin, 1.0),
            Self::Hinge(_) => (0.0, 0.0),
            Self::Soft => {
                let small = (-z.abs()).exp();
                let slope = if z >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) };
                (z.max(0.0) + small.ln_1p(), slope)
            }
        }
    }

    /// Whether a triplet is hard or semi-hard: inside the margin. The soft margin counts only hard ones, d(a,n) ≤ d(a,p).
    fn active(self, z: f32) -> bool {
        match self {
            Self::Hinge(margin) => z + margin > 0.0,
            Self::Soft => z >= 0.0,
        }
    }
}

/// Mean charge of the triplets: L = (1/T) Σ charge(d(a,p) − d(a,n)), with Euclidean distances.
///
/// The gradient of a distance of zero is taken as zero, the middle of its subgradients. Without triplets: loss 0, gradient 0.
pub fn triplet(batch: &Batch<'_>, triplets: &[Triplet], margin: Margin) -> MetricLoss {
    let mut loss = MetricLoss::nothing(batch.embeddings.len());
    if triplets.is_empty() {
        return loss;
    }
    let share = 1.0 / triplets.len() as f32;
    let (mut value, mut positive, mut negative, mut active) = (0.0f64, 0.0f64, 0.0f64, 0usize);
    for triplet in triplets {
        let to_positive = distance(batch.row(triplet.anchor), batch.row(triplet.positive));
        let to_negative = distance(batch.row(triplet.anchor), batch.row(triplet.negative));
        let (charge, slope) = margin.charge(to_positive - to_negative);
        value += f64::from(charge);
        positive += f64::from(to_positive);
        negative += f64::from(to_negative);
        active += usize::from(margin.active(to_positive - to_negative));
        add_distance_gradient(&mut loss.gradient, batch, (triplet.anchor, triplet.positive), slope * share);
        add_distance_gradient(&mut loss.gradient, batch, (triplet.anchor, triplet.negative), -slope * share);
    }
    let count = triplets.len() as f64;
    loss.value = (value / count) as f32;
    loss.positive_distance = (positive / count) as f32;
    loss.negative_distance = (negative / count) as f32;
    loss.active_fraction = active as f32 * share;
    loss
}

/// Adds `factor`·∂d(i,j)/∂x to the rows i and j: ∂d/∂xᵢ = (xᵢ − xⱼ)/d = −∂d/∂xⱼ, and 0 where d = 0.
fn add_distance_gradient(gradient: &mut [f32], batch: &Batch<'_>, (i, j): (usize, usize), factor: f32) {
    let (a, b) = (batch.row(i), batch.row(j));
    let length = distance(a, b);
    if length == 0.0 || factor == 0.0 {
        return;
    }
    let scale = factor / length;
    for component in 0..batch.dimension {
        let pull = scale * (a[component] - b[component]);
        gradient[i * batch.dimension + component] += pull;
        gradient[j * batch.dimension + component] -= pull;
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{self, EdgeCase, plain_batch_hard};
    use super::*;

    fn fast(batch: &Batch<'_>, margin: Margin) -> MetricLoss {
        let distances = Distances::new(batch.embeddings, batch.dimension);
        triplet(batch, &batch_hard(&distances, batch.identities), margin)
    }

    #[test]
    fn batch_hard_equals_its_plain_twin_and_its_central_differences() {
        for margin in [Margin::Hinge(0.3), Margin::Hinge(5.0), Margin::Soft] {
            for case in check::cases() {
                let loss = fast(&case.batch(), margin);
                let plain = |x: &[f64]| plain_batch_hard(x, case.dimension, &case.identities, margin);
                check::value_and_gradient(&case, loss.value, &loss.gradient, plain);
            }
        }
    }

    #[test]
    fn satisfied_triplets_cost_nothing_and_are_not_active() {
        let loss = fast(&EdgeCase::satisfied().batch(), Margin::Hinge(0.3));
        assert_eq!((loss.value, loss.active_fraction), (0.0, 0.0));
        assert!(loss.gradient.iter().all(|&g| g == 0.0));
        assert!(loss.negative_distance > loss.positive_distance + 0.3);
    }

    #[test]
    fn all_equal_is_stuck_at_the_margin_with_all_active() {
        let case = EdgeCase::all_equal();
        assert_eq!(fast(&case.batch(), Margin::Hinge(0.3)).value, 0.3);
        assert!((fast(&case.batch(), Margin::Soft).value - std::f32::consts::LN_2).abs() < 1e-6);
        assert_eq!(fast(&case.batch(), Margin::Hinge(0.3)).active_fraction, 1.0);
    }

    #[test]
    fn the_soft_margin_does_not_overflow() {
        assert_eq!(Margin::Soft.charge(1e30), (1e30, 1.0));
        let (charge, slope) = Margin::Soft.charge(-1e30);
        assert_eq!((charge, slope), (0.0, 0.0));
    }

    fn settings(margin: Margin, normalize: bool) -> TripletSettings {
        match margin {
            Margin::Hinge(margin) => TripletSettings { margin, normalize, ..Default::default() },
            Margin::Soft => TripletSettings { soft_margin: true, normalize, ..Default::default() },
        }
    }

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
            let settings = settings(margin, true);
            for case in check::cases().into_iter().filter(|case| !case.identities.is_empty()) {
                let loss = settings.on(&case.batch(), &[]);
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
        let settings = settings(Margin::Soft, true);
        let case = EdgeCase::random(11, &[0, 0, 1, 1, 2, 2], 4);
        let longer: Vec<f32> = case.embeddings.iter().map(|x| x * 8.0).collect();
        let short = settings.on(&case.batch(), &[]);
        let long = settings.on(&Batch { embeddings: &longer, ..case.batch() }, &[]);
        assert!((short.value - long.value).abs() < 1e-6);
        assert!(short.positive_distance <= 2.0 && short.negative_distance <= 2.0);
    }
}
