//! N-pair: each anchor against its own positive and the positives of all other identities at once.

use super::margin::Margin;
use super::pairs::Pairs;
use super::similarity::Similarities;
use super::softmax::softmax;
use super::{Batch, Learned, Loss, LossError, MetricLoss, Outputs, TermValue};
use serde::{Deserialize, Serialize};

/// The N-pair loss in a recipe. It has no `normalize`: inner products of embeddings of length 1 are too much alike to tell
/// N classes apart, so lengths are left free and large ones cost `norm_penalty`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NPairSettings {
    /// Factor on the loss.
    pub weight: f32,
    /// Charges each negative by itself instead of all in one softmax.
    pub one_vs_one: bool,
    /// λ, the price of long embeddings.
    pub norm_penalty: f32,
}

impl Default for NPairSettings {
    fn default() -> Self {
        Self { weight: 1.0, one_vs_one: false, norm_penalty: 0.005 }
    }
}

impl Loss for NPairSettings {
    fn weight(&self) -> f32 {
        self.weight
    }

    fn check(&self) -> Result<(), LossError> {
        LossError::unless_within("norm_penalty", self.norm_penalty, (0.0, 1e3), "a factor from 0")
    }

    fn evaluate(&self, outputs: &Outputs<'_>, _learned: &Learned) -> TermValue {
        n_pair(&outputs.raw, self).into()
    }
}

/// Sohn 2016, eq. 7 (`one_vs_one`: eq. 8). Of N identities with an anchor a and a positive p each, S = A·Pᵀ:
///
/// L = (1/N) Σᵢ ln(1 + Σ_{j≠i} exp(Sᵢⱼ − Sᵢᵢ)), row-wise cross-entropy with the diagonal as target, or one against one
/// (1/N) Σᵢ Σ_{j≠i} ln(1 + exp(Sᵢⱼ − Sᵢᵢ)); plus λ·mean(‖a‖² + ‖p‖²).
///
/// Where identities have more than two pictures each is an anchor in turn: in round r picture r of every identity, with the
/// next one of it as positive (counted in a circle), and L is the mean over the rounds. Identities with one picture have no
/// part; fewer than two others cost 0. Active are anchors that are no more like their own positive than like another's.
pub fn n_pair(batch: &Batch<'_>, settings: &NPairSettings) -> MetricLoss {
    let rounds = rounds(batch.identities);
    let Some(first) = rounds.first() else { return MetricLoss::nothing(batch.embeddings.len()) };
    let similarities = Similarities::new(batch, batch.identities.len());
    let mut pairs = Pairs::none(batch.identities.len(), batch.identities.len());
    for round in &rounds {
        for index in 0..round.len() {
            charge(&similarities, round, index, settings.one_vs_one, &mut pairs);
        }
    }
    (pairs.tally.terms, pairs.tally.counted) = (rounds.len() * first.len(), rounds.len() * first.len());
    let mut loss = pairs.through_similarities(batch);
    penalize_norms(&mut loss, batch, &rounds, settings.norm_penalty);
    loss
}

/// Rows of an anchor and its positive.
type Pair = (usize, usize);

/// One pair of each identity, as many times as the largest identity has pictures; none where there are not two identities.
fn rounds(identities: &[u32]) -> Vec<Vec<Pair>> {
    let mut members: Vec<(u32, Vec<usize>)> = Vec::new();
    for (row, &identity) in identities.iter().enumerate() {
        match members.iter_mut().find(|(known, _)| *known == identity) {
            Some((_, rows)) => rows.push(row),
            None => members.push((identity, vec![row])),
        }
    }
    members.retain(|(_, rows)| rows.len() > 1);
    let count = if members.len() < 2 { 0 } else { members.iter().map(|(_, rows)| rows.len()).max().unwrap_or(0) };
    let pair = |rows: &[usize], round: usize| (rows[round % rows.len()], rows[(round + 1) % rows.len()]);
    (0..count).map(|round| members.iter().map(|(_, rows)| pair(rows, round)).collect()).collect()
}

/// Charges anchor `index` of a round.
fn charge(similarities: &Similarities, round: &[Pair], index: usize, one_vs_one: bool, pairs: &mut Pairs) {
    let (anchor, positive) = round[index];
    let row = similarities.row(anchor);
    let others = round.iter().enumerate().filter(|&(other, _)| other != index).map(|(_, pair)| pair.1);
    let negatives: Vec<usize> = others.collect();
    let mut slopes: Vec<f32> = negatives.iter().map(|&negative| row[negative] - row[positive]).collect();
    pairs.tally.active += usize::from(slopes.iter().any(|&z| z >= 0.0));
    let charge = if one_vs_one { each(&mut slopes) } else { together(&mut slopes) };
    pairs.tally.charge += f64::from(charge);
    pairs.tally.positive.add(similarities.distance(anchor, positive), 1);
    for (&negative, &slope) in negatives.iter().zip(&slopes) {
        pairs.add(anchor, negative, slope);
        pairs.add(anchor, positive, -slope);
        pairs.tally.negative.add(similarities.distance(anchor, negative), 1);
    }
}

/// ln(1 + Σ e^z); each z becomes its slope.
fn together(z: &mut [f32]) -> f32 {
    let (charge, slope) = Margin::Soft.charge(softmax(z));
    z.iter_mut().for_each(|weight| *weight *= slope);
    charge
}

/// Σ ln(1 + e^z); each z becomes its slope.
fn each(z: &mut [f32]) -> f32 {
    let mut sum = 0.0;
    for z in z {
        let (charge, slope) = Margin::Soft.charge(*z);
        sum += charge;
        *z = slope;
    }
    sum
}

fn penalize_norms(loss: &mut MetricLoss, batch: &Batch<'_>, rounds: &[Vec<Pair>], penalty: f32) {
    let share = penalty / rounds.iter().map(Vec::len).sum::<usize>().max(1) as f32;
    let mut squares = 0.0f64;
    for row in rounds.iter().flatten().flat_map(|&(anchor, positive)| [anchor, positive]) {
        let gradient = &mut loss.gradient[row * batch.dimension..(row + 1) * batch.dimension];
        for (gradient, &x) in gradient.iter_mut().zip(batch.row(row)) {
            squares += f64::from(x) * f64::from(x);
            *gradient += 2.0 * share * x;
        }
    }
    loss.value += (f64::from(share) * squares) as f32;
}

#[cfg(test)]
mod tests {
    use super::super::check::{self, EdgeCase, plain_product};
    use super::*;
    use std::collections::BTreeMap;

    fn plain(x: &[f64], dimension: usize, identities: &[u32], settings: &NPairSettings) -> f64 {
        let mut members: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        identities.iter().enumerate().for_each(|(row, &identity)| members.entry(identity).or_default().push(row));
        members.retain(|_, rows| rows.len() >= 2);
        if members.len() < 2 {
            return 0.0;
        }
        let rounds = members.values().map(Vec::len).max().unwrap();
        let mut sum = 0.0;
        for round in 0..rounds {
            let rows = |shift: usize| members.values().map(move |rows| rows[(round + shift) % rows.len()]);
            let (anchors, positives): (Vec<usize>, Vec<usize>) = (rows(0).collect(), rows(1).collect());
            for (i, &a) in anchors.iter().enumerate() {
                let s = |j: usize| plain_product(x, dimension, a, positives[j]);
                let terms = (0..anchors.len()).filter(|&j| j != i).map(|j| (s(j) - s(i)).exp());
                sum += if settings.one_vs_one { terms.map(f64::ln_1p).sum() } else { terms.sum::<f64>().ln_1p() };
                let square = |row: usize| plain_product(x, dimension, row, row);
                sum += f64::from(settings.norm_penalty) * (square(a) + square(positives[i]));
            }
        }
        sum / (rounds * members.len()) as f64
    }

    #[test]
    fn both_forms_equal_their_plain_twins_and_their_central_differences() {
        for one_vs_one in [false, true] {
            for norm_penalty in [0.0, 0.02] {
                let settings = NPairSettings { one_vs_one, norm_penalty, ..NPairSettings::default() };
                for case in check::cases() {
                    let loss = n_pair(&case.batch(), &settings);
                    let plain = |x: &[f64]| plain(x, case.dimension, &case.identities, &settings);
                    check::value_and_gradient(&case, loss.value, &loss.gradient, plain);
                }
            }
        }
    }

    #[test]
    fn it_is_the_cross_entropy_of_the_similarities_with_the_diagonal_as_target() {
        let case = EdgeCase::random(9, &[0, 1, 2, 0, 1, 2], 3);
        let batch = case.batch();
        let mut logits = Vec::new();
        for (anchors, positives) in [([0, 1, 2], [3, 4, 5]), ([3, 4, 5], [0, 1, 2])] {
            let product = |a: usize, p: usize| batch.row(a).iter().zip(batch.row(p)).map(|(x, y)| x * y).sum::<f32>();
            logits.extend(anchors.iter().flat_map(|&a| positives.map(|p| product(a, p))));
        }
        let expected = super::super::cross_entropy(&logits, &[0, 1, 2, 0, 1, 2], 3, 0.0);
        let loss = n_pair(&batch, &NPairSettings { norm_penalty: 0.0, ..NPairSettings::default() });
        assert!((loss.value - expected.value).abs() < 1e-6);
    }

    #[test]
    fn all_equal_is_the_logarithm_of_the_number_of_classes_and_all_active() {
        let settings = NPairSettings { norm_penalty: 0.0, ..NPairSettings::default() };
        let loss = n_pair(&EdgeCase::all_equal().batch(), &settings);
        assert!((loss.value - 3.0f32.ln()).abs() < 1e-6);
        assert_eq!(loss.active_fraction, 1.0);
    }

    #[test]
    fn nothing_to_compare_costs_nothing() {
        for identities in [&[1, 1, 1][..], &[1, 2, 3], &[1, 1, 2], &[]] {
            let case = EdgeCase::random(3, identities, 4);
            let nothing = MetricLoss::nothing(case.embeddings.len());
            assert_eq!(n_pair(&case.batch(), &NPairSettings::default()), nothing, "{identities:?}");
        }
    }
}
