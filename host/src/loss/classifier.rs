//! The ID classifier: a matrix without bias between the embedding and the logits. It serves training only, so it lives
//! beside the network and not in it.

use super::similarity::{product, transposed};
use rand::{Rng, RngExt};

/// Logits = embedding · W.
#[derive(Debug, Clone, PartialEq)]
pub struct Classifier {
    /// W, `[dimension, identities]`, row-major.
    pub weights: Vec<f32>,
    /// Components of an embedding.
    pub dimension: usize,
    /// Number of identities.
    pub identities: usize,
}

/// Gradients of the classifier's two inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassifierGradient {
    /// ∂L/∂W, `[dimension, identities]`.
    pub weights: Vec<f32>,
    /// ∂L/∂embeddings, `[B, dimension]`.
    pub embeddings: Vec<f32>,
}

impl Classifier {
    /// Uniform weights within ±1/√dimension. Luo et al. 2019 ("Bag of Tricks") begin near zero, behind a backbone that was
    /// trained before; one that begins at random would get no gradient through weights near zero.
    pub fn new(dimension: usize, identities: usize, rng: &mut impl Rng) -> Self {
        let bound = 1.0 / (dimension.max(1) as f32).sqrt();
        let weights = (0..dimension * identities).map(|_| rng.random_range(-bound..bound)).collect();
        Self { weights, dimension, identities }
    }

    /// `embeddings` `[B, dimension]` → logits `[B, identities]`.
    pub fn forward(&self, embeddings: &[f32]) -> Vec<f32> {
        product((embeddings, self.dimension), (&self.weights, self.identities))
    }

    /// From G = ∂L/∂logits `[B, identities]`: ∂L/∂W = Xᵀ·G and ∂L/∂X = G·Wᵀ.
    ///
    /// Each output row is one sum in a fixed order, so the result does not depend on the number of threads.
    pub fn backward(&self, embeddings: &[f32], logits: &[f32]) -> ClassifierGradient {
        let count = embeddings.len() / self.dimension.max(1);
        let columns = transposed(embeddings, self.dimension);
        let weights = product((&columns, count), (logits, self.identities));
        let rows = transposed(&self.weights, self.identities);
        ClassifierGradient { weights, embeddings: product((logits, self.identities), (&rows, self.dimension)) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{check, cross_entropy};
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    /// L(X, W) = Σ_bc G_bc · (X·W)_bc, whose ∂L/∂logits is G.
    fn plain(x: &[f64], w: &[f64], g: &[f32], dimension: usize, identities: usize) -> f64 {
        let mut sum = 0.0;
        for (b, g) in g.chunks_exact(identities).enumerate() {
            for (c, &g) in g.iter().enumerate() {
                let logit: f64 = (0..dimension).map(|k| x[b * dimension + k] * w[k * identities + c]).sum();
                sum += f64::from(g) * logit;
            }
        }
        sum
    }

    #[test]
    fn both_gradients_equal_central_differences() {
        let (dimension, identities) = (5, 11);
        let x = check::EdgeCase::random(1, &[0, 1, 2], dimension).embeddings;
        let g = check::EdgeCase::random(2, &[0, 1, 2], identities).embeddings;
        let weights = check::EdgeCase::random(3, &[0; 5], identities).embeddings;
        let classifier = Classifier { weights: weights.clone(), dimension, identities };
        let gradient = classifier.backward(&x, &g);
        let (x, w) = (wide(&x), wide(&weights));
        let by_x = check::central_differences(|x| plain(x, &w, &g, dimension, identities), &x);
        let by_w = check::central_differences(|w| plain(&x, w, &g, dimension, identities), &w);
        check::gradients("embeddings", &gradient.embeddings, &by_x);
        check::gradients("weights", &gradient.weights, &by_w);
    }

    #[test]
    fn forward_equals_the_plain_product() {
        let (dimension, identities) = (6, 3);
        let mut classifier = Classifier::new(dimension, identities, &mut ChaCha8Rng::seed_from_u64(1));
        assert!(classifier.weights.iter().all(|w| w.abs() <= 1.0 / 6.0f32.sqrt()));
        classifier.weights = check::EdgeCase::random(3, &[0; 6], identities).embeddings;
        let x = check::EdgeCase::random(1, &[0, 1], dimension).embeddings;
        let logits = classifier.forward(&x);
        for (at, &logit) in logits.iter().enumerate() {
            let mut pick = vec![0.0; logits.len()];
            pick[at] = 1.0;
            let expected = plain(&wide(&x), &wide(&classifier.weights), &pick, dimension, identities);
            assert!((f64::from(logit) - expected).abs() < 1e-5);
        }
    }

    #[test]
    fn descending_its_gradient_lowers_the_cross_entropy() {
        let x = check::EdgeCase::random(1, &[0, 1, 2, 3], 8).embeddings;
        let mut classifier = Classifier::new(8, 4, &mut ChaCha8Rng::seed_from_u64(2));
        let mut values = Vec::new();
        for _ in 0..50 {
            let loss = cross_entropy(&classifier.forward(&x), &[0, 1, 2, 3], 4, 0.0);
            let gradient = classifier.backward(&x, &loss.gradient);
            classifier.weights.iter_mut().zip(&gradient.weights).for_each(|(weight, slope)| *weight -= slope);
            values.push(loss.value);
        }
        assert!((values[0] - 4.0f32.ln()).abs() < 0.5);
        assert!(values.windows(2).all(|pair| pair[1] < pair[0]));
    }

    fn wide(values: &[f32]) -> Vec<f64> {
        values.iter().copied().map(f64::from).collect()
    }
}
