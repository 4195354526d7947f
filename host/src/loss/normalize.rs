//! L2 normalization of embeddings, and its gradient.

use super::{Batch, MetricLoss};

/// Unit embeddings, with what the way back needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalized {
    /// `[B, dimension]`, rows of length 1; a zero row stays zero.
    pub rows: Vec<f32>,
    lengths: Vec<f32>,
    dimension: usize,
}

impl Normalized {
    /// u = x / ‖x‖₂ for each row of `[B, dimension]`.
    pub fn new(embeddings: &[f32], dimension: usize) -> Self {
        let mut rows = embeddings.to_vec();
        let lengths = rows.chunks_exact_mut(dimension.max(1)).map(normalize).collect();
        Self { rows, lengths, dimension }
    }

    /// A loss of the normalized embeddings, with its gradient with respect to those of the batch.
    pub fn through(batch: &Batch<'_>, loss: impl FnOnce(&Batch<'_>) -> MetricLoss) -> MetricLoss {
        let normalized = Self::new(batch.embeddings, batch.dimension);
        let mut loss = loss(&Batch { embeddings: &normalized.rows, ..*batch });
        normalized.backward(&mut loss.gradient);
        loss
    }

    /// ∂L/∂x = (g − u·(u·g)) / ‖x‖ from g = ∂L/∂u, in place; 0 for a zero row.
    pub fn backward(&self, gradient: &mut [f32]) {
        let rows = self.rows.chunks_exact(self.dimension.max(1));
        for ((gradient, unit), &length) in gradient.chunks_exact_mut(self.dimension.max(1)).zip(rows).zip(&self.lengths)
        {
            let radial: f32 = gradient.iter().zip(unit).map(|(g, u)| g * u).sum();
            let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
            gradient.iter_mut().zip(unit).for_each(|(g, u)| *g = scale * (*g - radial * u));
        }
    }
}

/// Divides a vector by its Euclidean length, which is returned; a zero vector stays as it is.
pub fn normalize(vector: &mut [f32]) -> f32 {
    let length = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt() as f32;
    if length > 0.0 {
        vector.iter_mut().for_each(|x| *x /= length);
    }
    length
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn gradient_equals_central_differences() {
        let case = check::EdgeCase::random(4, &[0, 1, 2], 5);
        let weights: Vec<f32> = (0..15).map(|k| ((k * 7) % 11) as f32 - 5.0).collect();
        let plain = |x: &[f64]| {
            x.chunks_exact(5)
                .zip(weights.chunks_exact(5))
                .map(|(x, w)| {
                    let length = x.iter().map(|x| x * x).sum::<f64>().sqrt();
                    x.iter().zip(w).map(|(x, &w)| x / length * f64::from(w)).sum::<f64>()
                })
                .sum()
        };
        let normalized = Normalized::new(&case.embeddings, 5);
        let value = normalized.rows.iter().zip(&weights).map(|(u, w)| u * w).sum();
        let mut gradient = weights.clone();
        normalized.backward(&mut gradient);
        check::value_and_gradient(&case, value, &gradient, plain);
    }

    #[test]
    fn a_zero_row_stays_zero_without_nan() {
        let normalized = Normalized::new(&[0.0, 0.0, 3.0, 4.0], 2);
        assert_eq!(normalized.rows, [0.0, 0.0, 0.6, 0.8]);
        let mut gradient = [1.0; 4];
        normalized.backward(&mut gradient);
        assert_eq!(gradient[..2], [0.0, 0.0]);
    }
}
