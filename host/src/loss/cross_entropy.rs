//! Cross-entropy of identities, with label smoothing.

use super::{Classifier, Learned, Loss, LossError, Outputs, Sizes, TermValue};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// The ID loss in a recipe: cross-entropy of a classifier's logits behind the neck.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CrossEntropySettings {
    /// Factor on the loss.
    pub weight: f32,
    /// ε, the share of the target that is spread over all identities.
    pub label_smoothing: f32,
}

impl Default for CrossEntropySettings {
    fn default() -> Self {
        Self { weight: 1.0, label_smoothing: 0.1 }
    }
}

impl Loss for CrossEntropySettings {
    fn weight(&self) -> f32 {
        self.weight
    }

    fn check(&self) -> Result<(), LossError> {
        LossError::unless_within("label_smoothing", self.label_smoothing, (0.0, 0.99), "a fraction from 0 to 0.99")
    }

    fn needs_positives(&self) -> bool {
        false
    }

    fn untrained(&self, sizes: Sizes, rng: &mut ChaCha8Rng) -> Learned {
        Learned::Classifier(Classifier::new(sizes.dimension, sizes.identities, rng))
    }

    fn evaluate(&self, outputs: &Outputs<'_>, learned: &Learned) -> TermValue {
        let Some(classifier) = learned.classifier() else { return TermValue::default() };
        let Outputs { neck, .. } = outputs;
        let logits = classifier.forward(neck.embeddings);
        let loss = cross_entropy(&logits, neck.identities, classifier.identities, self.label_smoothing);
        let gradient = classifier.backward(neck.embeddings, &loss.gradient);
        TermValue {
            value: loss.value,
            neck: gradient.embeddings,
            learned: gradient.weights,
            correct: Some(loss.correct),
            ..TermValue::default()
        }
    }
}

/// What the ID loss says about a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossEntropy {
    /// The loss.
    pub value: f32,
    /// ∂value/∂logits, `[B, identities]`.
    pub gradient: Vec<f32>,
    /// Share of rows whose largest logit is their own identity's, 0..1.
    pub correct: f32,
}

/// L = −(1/B) Σ_b Σ_c q_bc log softmax(logits_b)_c with q = (1 − ε)·onehot + ε/C (Szegedy et al. 2016, §7).
///
/// ∂L/∂logits = (softmax − q)/B. The largest logit of a row is subtracted first, so nothing overflows. An empty batch
/// costs 0.
///
/// # Shapes
/// `logits`: `[B, identities]`; `labels`: `[B]`, each below `identities`; `smoothing` ε in 0..1.
pub fn cross_entropy(logits: &[f32], labels: &[u32], identities: usize, smoothing: f32) -> CrossEntropy {
    let mut gradient = logits.to_vec();
    let count = labels.len().max(1) as f32;
    let (mut value, mut correct) = (0.0f64, 0usize);
    for (row, &label) in gradient.chunks_exact_mut(identities.max(1)).zip(labels) {
        let label = label as usize;
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        correct += usize::from(row[label] >= largest);
        value += f64::from(row_loss(row, label, largest, smoothing));
        let uniform = smoothing / identities as f32;
        row.iter_mut().for_each(|p| *p = (*p - uniform) / count);
        row[label] -= (1.0 - smoothing) / count;
    }
    CrossEntropy { value: (value / f64::from(count)) as f32, gradient, correct: correct as f32 / count }
}

/// Loss of one row, whose logits become probabilities: log Σeˣ − (1 − ε)·x_label − ε·mean(x), all relative to `largest`.
fn row_loss(row: &mut [f32], label: usize, largest: f32, smoothing: f32) -> f32 {
    let target = row[label] - largest;
    let mean = row.iter().map(|&x| x - largest).sum::<f32>() / row.len() as f32;
    let mut sum = 0.0;
    for x in row.iter_mut() {
        *x = (*x - largest).exp();
        sum += *x;
    }
    row.iter_mut().for_each(|p| *p /= sum);
    sum.ln() - (1.0 - smoothing) * target - smoothing * mean
}

#[cfg(test)]
mod tests {
    use super::super::check::{self, EdgeCase};
    use super::*;

    fn plain(logits: &[f64], labels: &[u32], identities: usize, smoothing: f64) -> f64 {
        let row_loss = |(row, &label): (&[f64], &u32)| {
            let sum: f64 = row.iter().map(|x| x.exp()).sum();
            (0..identities)
                .map(|c| {
                    let target =
                        if c == label as usize { 1.0 - smoothing } else { 0.0 } + smoothing / identities as f64;
                    -target * (row[c].exp() / sum).ln()
                })
                .sum::<f64>()
        };
        logits.chunks_exact(identities).zip(labels).map(row_loss).sum::<f64>() / labels.len() as f64
    }

    #[test]
    fn equals_its_plain_twin_and_its_central_differences() {
        for (identities, smoothing) in [(5, 0.0), (5, 0.1), (2, 0.3), (1, 0.1)] {
            let labels: Vec<u32> = (0..6).map(|b| b % identities).collect();
            let identities = identities as usize;
            for case in [EdgeCase::random(1, &labels, identities), {
                EdgeCase {
                    name: "all equal",
                    embeddings: vec![0.7; 6 * identities],
                    ..EdgeCase::random(1, &labels, identities)
                }
            }] {
                let loss = cross_entropy(&case.embeddings, &labels, identities, smoothing);
                let smoothing = f64::from(smoothing);
                check::value_and_gradient(&case, loss.value, &loss.gradient, |x| {
                    plain(x, &labels, identities, smoothing)
                });
            }
        }
    }

    #[test]
    fn large_logits_do_not_overflow() {
        let loss = cross_entropy(&[1e30, 0.0, -1e30, 0.0, 1e4, 0.0], &[0, 1], 3, 0.0);
        assert_eq!(loss.value, 0.0);
        assert_eq!(loss.correct, 1.0);
        assert!(loss.gradient.iter().all(|g| g.is_finite()));
    }

    #[test]
    fn correct_counts_largest_logits() {
        assert_eq!(cross_entropy(&[1.0, 0.0, 0.0, 1.0], &[0, 0], 2, 0.1).correct, 0.5);
        assert_eq!(cross_entropy(&[], &[], 2, 0.1).value, 0.0);
    }
}
