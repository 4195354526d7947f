//! What ArcFace and CosFace share: cross-entropy of scaled cosines, with a margin on the own identity's cosine.

use super::classifier::ClassifierGradient;
use super::normalize::Normalized;
use super::{Classifier, TermValue, cross_entropy};

/// What a margin loss says about a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct MarginSoftmax {
    /// The loss; 0 for an empty batch.
    pub value: f32,
    /// Share of rows whose largest cosine, without margin, is their own identity's, 0..1.
    pub correct: f32,
    /// ∂value/∂W and ∂value/∂embeddings.
    pub gradient: ClassifierGradient,
}

/// L = −(1/B) Σ_b log softmax(z_b)_y with z_bc = s·cos θ_bc, and z_by = s·φ(cos θ_by) for the own identity y.
///
/// cos θ_bc = x̂_b·ŵ_c of L2-normalized embeddings and columns of W; `margin` gives φ and dφ/dcos at a cosine. A zero
/// embedding or column has cosine 0 to everything and gradient 0.
///
/// # Shapes
/// `embeddings`: `[B, classifier.dimension]`; `labels`: `[B]`, each below `classifier.identities`.
pub fn margin_softmax(
    embeddings: &[f32],
    labels: &[u32],
    classifier: &Classifier,
    scale: f32,
    margin: impl Fn(f32) -> (f32, f32),
) -> MarginSoftmax {
    let identities = classifier.identities;
    let inputs = Normalized::new(embeddings, classifier.dimension);
    let columns = UnitColumns::new(classifier);
    let mut logits = columns.unit.forward(&inputs.rows);
    let mut slopes = Vec::with_capacity(labels.len());
    let mut correct = 0;
    for (row, &label) in logits.chunks_exact_mut(identities.max(1)).zip(labels) {
        let target = row[label as usize];
        correct += usize::from(row.iter().all(|&cosine| cosine <= target));
        let (moved, slope) = margin(target);
        row[label as usize] = moved;
        slopes.push(slope);
        row.iter_mut().for_each(|cosine| *cosine *= scale);
    }
    let mut loss = cross_entropy(&logits, labels, identities, 0.0);
    for ((row, &label), slope) in loss.gradient.chunks_exact_mut(identities.max(1)).zip(labels).zip(slopes) {
        row[label as usize] *= slope;
        row.iter_mut().for_each(|gradient| *gradient *= scale);
    }
    let mut gradient = columns.unit.backward(&inputs.rows, &loss.gradient);
    inputs.backward(&mut gradient.embeddings);
    columns.backward(&mut gradient.weights);
    MarginSoftmax { value: loss.value, correct: correct as f32 / labels.len().max(1) as f32, gradient }
}

impl From<MarginSoftmax> for TermValue {
    fn from(loss: MarginSoftmax) -> Self {
        let MarginSoftmax { value, correct, gradient } = loss;
        let (neck, learned) = (gradient.embeddings, gradient.weights);
        Self { value, neck, learned, correct: Some(correct), ..Self::default() }
    }
}

/// A classifier with each identity's column divided by its length, and those lengths.
struct UnitColumns {
    unit: Classifier,
    lengths: Vec<f32>,
}

impl UnitColumns {
    fn new(classifier: &Classifier) -> Self {
        let width = classifier.identities.max(1);
        let mut squares = vec![0.0f64; classifier.identities];
        for row in classifier.weights.chunks_exact(width) {
            squares.iter_mut().zip(row).for_each(|(sum, &w)| *sum += f64::from(w) * f64::from(w));
        }
        let lengths: Vec<f32> = squares.iter().map(|sum| sum.sqrt() as f32).collect();
        let mut unit = classifier.clone();
        for row in unit.weights.chunks_exact_mut(width) {
            row.iter_mut().zip(&lengths).filter(|(_, length)| **length > 0.0).for_each(|(w, length)| *w /= length);
        }
        Self { unit, lengths }
    }

    /// ∂L/∂w = (g − ŵ·(ŵ·g)) / ‖w‖ column by column, in place; 0 for a zero column.
    fn backward(&self, gradient: &mut [f32]) {
        let width = self.unit.identities.max(1);
        let mut radial = vec![0.0; self.unit.identities];
        for (gradient, unit) in gradient.chunks_exact(width).zip(self.unit.weights.chunks_exact(width)) {
            radial.iter_mut().zip(gradient.iter().zip(unit)).for_each(|(sum, (g, u))| *sum += g * u);
        }
        for (gradient, unit) in gradient.chunks_exact_mut(width).zip(self.unit.weights.chunks_exact(width)) {
            for (column, (g, u)) in gradient.iter_mut().zip(unit).enumerate() {
                let length = self.lengths[column];
                *g = if length > 0.0 { (*g - u * radial[column]) / length } else { 0.0 };
            }
        }
    }
}

/// The twin in f64, and what both margin losses are tested with.
#[cfg(test)]
pub(super) mod twin {
    use super::*;
    use crate::loss::check::{self, EdgeCase};

    /// The formula, one logit at a time; `phi` maps a cosine.
    fn plain(x: &[f64], w: &[f64], labels: &[u32], classes: usize, scale: f64, phi: impl Fn(f64) -> f64) -> f64 {
        let dimension = w.len() / classes;
        let unit = |v: Vec<f64>| {
            let length = v.iter().map(|v| v * v).sum::<f64>().sqrt();
            v.into_iter().map(|v| if length > 0.0 { v / length } else { 0.0 }).collect::<Vec<_>>()
        };
        let columns: Vec<Vec<f64>> =
            (0..classes).map(|c| unit((0..dimension).map(|k| w[k * classes + c]).collect())).collect();
        let mut sum = 0.0;
        for (x, &label) in x.chunks_exact(dimension).zip(labels) {
            let x = unit(x.to_vec());
            let cosine = |c: usize| x.iter().zip(&columns[c]).map(|(a, b)| a * b).sum::<f64>();
            let logit = |c: usize| scale * if c == label as usize { phi(cosine(c)) } else { cosine(c) };
            sum += (0..classes).map(|c| (logit(c) - logit(label as usize)).exp()).sum::<f64>().ln();
        }
        sum / labels.len() as f64
    }

    pub(in crate::loss) fn check(
        loss: impl Fn(&[f32], &[u32], &Classifier) -> MarginSoftmax,
        scale: f32,
        phi: impl Fn(f64) -> f64 + Copy,
    ) {
        for (seed, labels, identities, dimension) in
            [(1, &[0u32, 1, 2, 0, 3][..], 4, 6), (2, &[2], 3, 4), (3, &[0, 0, 0], 1, 3), (4, &[1, 0, 1, 1], 2, 2)]
        {
            let case = EdgeCase::random(seed, labels, dimension);
            let weights = EdgeCase::random(seed + 50, &vec![0; dimension], identities).embeddings;
            let classifier = Classifier { weights: weights.clone(), dimension, identities };
            let got = loss(&case.embeddings, labels, &classifier);
            let wide = |values: &[f32]| values.iter().copied().map(f64::from).collect::<Vec<_>>();
            let (x, w) = (wide(&case.embeddings), wide(&weights));
            let by_x = |x: &[f64]| plain(x, &w, labels, identities, f64::from(scale), phi);
            let by_w = |w: &[f64]| plain(&x, w, labels, identities, f64::from(scale), phi);
            check::value_and_gradient(&case, got.value, &got.gradient.embeddings, by_x);
            check::gradients("weights", &got.gradient.weights, &check::central_differences(by_w, &w));
        }
    }

    /// Zero embeddings and columns, an embedding along and against its column, no rows: finite, and zeros get no gradient.
    pub(in crate::loss) fn edges(loss: impl Fn(&[f32], &[u32], &Classifier) -> MarginSoftmax) {
        let classifier = Classifier { weights: vec![1.0, 0.0, -3.0, 0.0, 0.0, 0.0], dimension: 2, identities: 3 };
        let finite = |loss: &MarginSoftmax| {
            let mut values = loss.gradient.weights.iter().chain(&loss.gradient.embeddings);
            loss.value.is_finite() && values.all(|g| g.is_finite())
        };
        let all = loss(&[0.0, 0.0, 5.0, 0.0, -5.0, 0.0, 1e-20, 1e20], &[0, 0, 0, 1], &classifier);
        assert!(finite(&all), "{all:?}");
        assert_eq!(all.gradient.embeddings[..2], [0.0, 0.0], "a zero embedding");
        assert_eq!([all.gradient.weights[1], all.gradient.weights[4]], [0.0, 0.0], "a zero column");
        let none = loss(&[], &[], &classifier);
        assert!(finite(&none) && none.value == 0.0 && none.gradient.weights.iter().all(|&g| g == 0.0));
        let right = loss(&[5.0, 0.0], &[0], &classifier);
        let wrong = loss(&[5.0, 0.0], &[2], &classifier);
        assert_eq!((right.correct, wrong.correct), (1.0, 0.0));
        assert!(right.value < wrong.value);
    }
}
