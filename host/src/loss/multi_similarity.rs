//! Multi-similarity: pairs that tell something are mined, then weighted by their own and by their neighbours' similarity.

use super::cross_batch::among_past;
use super::margin::Margin;
use super::normalize::Normalized;
use super::pairs::{Pairs, Tally, partition};
use super::similarity::Similarities;
use super::softmax::softmax;
use super::{Batch, Learned, Loss, LossError, MetricLoss, Outputs, TermValue};
use serde::{Deserialize, Serialize};

/// The multi-similarity loss in a recipe, of cosines.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MultiSimilaritySettings {
    /// Factor on the loss.
    pub weight: f32,
    /// α, sharpness over positives.
    pub alpha: f32,
    /// β, sharpness over negatives.
    pub beta: f32,
    /// λ, the cosine at which a pair is indifferent.
    pub threshold: f32,
    /// ε of the mining: a pair this much better than the worst of the other kind is left out.
    pub epsilon: f32,
}

impl Default for MultiSimilaritySettings {
    fn default() -> Self {
        Self { weight: 1.0, alpha: 2.0, beta: 50.0, threshold: 0.5, epsilon: 0.1 }
    }
}

impl Loss for MultiSimilaritySettings {
    fn weight(&self) -> f32 {
        self.weight
    }

    fn check(&self) -> Result<(), LossError> {
        LossError::unless_within("alpha", self.alpha, (1e-3, 1e4), "a sharpness above 0")?;
        LossError::unless_within("beta", self.beta, (1e-3, 1e4), "a sharpness above 0")?;
        LossError::unless_within("threshold", self.threshold, (-1.0, 1.0), "a cosine from -1 to 1")?;
        LossError::unless_within("epsilon", self.epsilon, (0.0, 2.0), "a difference of cosines from 0 to 2")
    }

    fn evaluate(&self, outputs: &Outputs<'_>, _learned: &Learned) -> TermValue {
        among_past(outputs, |batch, anchors| among(batch, anchors, self)).into()
    }

    fn remembers(&self) -> bool {
        true
    }
}

/// Wang et al. 2019, eq. 15: mean over anchors of
/// (1/α) ln(1 + Σ_p e^(−α(s_p − λ))) + (1/β) ln(1 + Σ_n e^(β(s_n − λ))), over the pairs that eqs. 11 and 12 keep: negatives with
/// s_n > min s_p − ε, positives with s_p < max s_n + ε.
///
/// An anchor without a positive or a negative in the batch is left out of the mean; one whose pairs are all left out costs 0
/// in it. The active fraction is the share of pairs kept. Distances in the report are 1 − cosine.
pub fn multi_similarity(batch: &Batch<'_>, settings: &MultiSimilaritySettings) -> MetricLoss {
    among(batch, batch.identities.len(), settings)
}

/// The same of the first `anchors` rows, with all rows as their positives and negatives.
fn among(batch: &Batch<'_>, anchors: usize, settings: &MultiSimilaritySettings) -> MetricLoss {
    Normalized::through(batch, |batch| {
        let similarities = Similarities::new(batch, anchors);
        let charge = |anchor: usize, slopes: &mut [f32]| {
            let Some((positives, negatives)) = partition(batch.identities, anchor) else { return Tally::default() };
            charge(similarities.row(anchor), (positives, negatives), settings, slopes)
        };
        Pairs::of(anchors, batch.identities.len(), charge).through_similarities(batch)
    })
}

fn charge(
    row: &[f32],
    (mut positives, mut negatives): (Vec<usize>, Vec<usize>),
    settings: &MultiSimilaritySettings,
    slopes: &mut [f32],
) -> Tally {
    let MultiSimilaritySettings { alpha, beta, threshold, epsilon, .. } = *settings;
    let mut tally = Tally { counted: 1, terms: positives.len() + negatives.len(), ..Tally::default() };
    positives.iter().for_each(|&p| tally.positive.add(1.0 - row[p], 1));
    negatives.iter().for_each(|&n| tally.negative.add(1.0 - row[n], 1));
    let least = positives.iter().map(|&p| row[p]).fold(f32::INFINITY, f32::min);
    let most = negatives.iter().map(|&n| row[n]).fold(f32::NEG_INFINITY, f32::max);
    positives.retain(|&p| row[p] < most + epsilon);
    negatives.retain(|&n| row[n] > least - epsilon);
    tally.active = positives.len() + negatives.len();
    for (members, sharpness) in [(&positives, -alpha), (&negatives, beta)] {
        let mut weights: Vec<f32> = members.iter().map(|&member| sharpness * (row[member] - threshold)).collect();
        let (charge, slope) = Margin::Soft.charge(softmax(&mut weights));
        tally.charge += f64::from(charge / sharpness.abs());
        members
            .iter()
            .zip(&weights)
            .for_each(|(&member, weight)| slopes[member] += sharpness.signum() * slope * weight);
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::super::check::{self, EdgeCase, Rows, plain_normalize, plain_partition, plain_product};
    use super::*;

    fn plain(x: &[f64], rows: &Rows<'_>, settings: &MultiSimilaritySettings) -> f64 {
        let Rows { dimension, identities, anchors, .. } = *rows;
        let x = plain_normalize(x, dimension);
        let [alpha, beta, threshold, epsilon] =
            [settings.alpha, settings.beta, settings.threshold, settings.epsilon].map(f64::from);
        let mut charges = Vec::new();
        for a in 0..anchors {
            let s = |j: usize| plain_product(&x, dimension, a, j);
            let (positives, negatives) = plain_partition(identities, a);
            let (Some(least), Some(most)) =
                (positives.iter().map(|&p| s(p)).reduce(f64::min), negatives.iter().map(|&n| s(n)).reduce(f64::max))
            else {
                continue;
            };
            let kept = positives.iter().map(|&p| s(p)).filter(|s| *s < most + epsilon);
            let near: f64 = kept.map(|s| (-alpha * (s - threshold)).exp()).sum();
            let kept = negatives.iter().map(|&n| s(n)).filter(|s| *s > least - epsilon);
            let far: f64 = kept.map(|s| (beta * (s - threshold)).exp()).sum();
            charges.push(near.ln_1p() / alpha + far.ln_1p() / beta);
        }
        charges.iter().sum::<f64>() / charges.len().max(1) as f64
    }

    #[test]
    fn equals_its_plain_twin_and_its_central_differences() {
        let sharp = MultiSimilaritySettings { alpha: 10.0, beta: 20.0, epsilon: 0.02, ..Default::default() };
        for settings in [MultiSimilaritySettings::default(), sharp] {
            check::with_past(&settings, |x, rows| plain(x, rows, &settings));
            for case in check::cases() {
                let loss = multi_similarity(&case.batch(), &settings);
                let plain = case.twin(|x, rows| plain(x, rows, &settings));
                check::value_and_gradient(&case, loss.value, &loss.gradient, plain);
            }
        }
    }

    #[test]
    fn pairs_better_than_the_worst_of_the_other_kind_are_left_out() {
        // Directions in degrees: the anchor's positive at 10, negatives at 20 and 170.
        let angles = [0.0f32, 10.0, 20.0, 170.0].map(f32::to_radians);
        let embeddings: Vec<f32> = angles.iter().flat_map(|angle| [angle.cos(), angle.sin()]).collect();
        let batch = Batch { embeddings: &embeddings, dimension: 2, identities: &[0, 0, 1, 2] };
        let loss = multi_similarity(&batch, &MultiSimilaritySettings::default());
        assert!((loss.active_fraction - 4.0 / 6.0).abs() < 1e-6, "{}", loss.active_fraction);
        assert_eq!(loss.gradient[6..], [0.0, 0.0], "the far negative was left out everywhere");
    }

    #[test]
    fn nothing_kept_costs_nothing() {
        let case = EdgeCase { embeddings: vec![1.0, 0.0, 1.0, 0.01, -1.0, 0.0, -1.0, 0.01], ..EdgeCase::satisfied() };
        let loss = multi_similarity(&case.batch(), &MultiSimilaritySettings::default());
        assert_eq!((loss.value, loss.active_fraction), (0.0, 0.0));
        assert!(loss.gradient.iter().all(|&g| g == 0.0));
    }
}
