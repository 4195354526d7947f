//! What a batch's embeddings say about the health of a run: how far apart they lie, how long and how varied they are.

/// Rows that the rank is estimated from, evenly spaced through the batch: a batch of any size costs the same.
const RANKED_ROWS: usize = 64;

/// Measurements of one batch. Not finite where the embeddings are not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Vitals {
    /// √(mean ‖x − x̄‖²), where the loss takes its distances.
    pub spread: f32,
    /// Mean ‖x‖ of the raw embeddings.
    pub norm: f32,
    /// Effective rank: the participation ratio (Σλ)² / Σλ² of the covariance's eigenvalues λ, at most 64. 1 is a line,
    /// D a ball; 0 where all embeddings coincide.
    pub rank: f32,
}

impl Vitals {
    /// Measures `[B, dimension]` raw embeddings, and `measured`, the same where the loss takes its distances (normalized
    /// for a loss that normalizes).
    pub fn of(raw: &[f32], measured: &[f32], dimension: usize) -> Self {
        Self { spread: spread(measured, dimension), norm: mean_norm(raw, dimension), rank: rank(measured, dimension) }
    }
}

/// √(mean over the batch of ‖x − x̄‖²); 0 for an empty batch.
///
/// # Shapes
/// `embeddings`: `[B, dimension]`.
pub fn spread(embeddings: &[f32], dimension: usize) -> f32 {
    let rows = embeddings.chunks_exact(dimension.max(1));
    let count = rows.len();
    if count == 0 {
        return 0.0;
    }
    let mean = mean(rows.clone(), dimension);
    let squares: f64 = rows.flat_map(|row| row.iter().zip(&mean)).map(|(&x, mean)| (f64::from(x) - mean).powi(2)).sum();
    (squares / count as f64).sqrt() as f32
}

fn mean_norm(embeddings: &[f32], dimension: usize) -> f32 {
    let rows = embeddings.chunks_exact(dimension.max(1));
    let count = rows.len().max(1) as f64;
    (rows.map(|row| row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt()).sum::<f64>() / count) as f32
}

/// (Σλ)² / Σλ², from the Gram matrix G of the centred rows: Σλ = tr G and Σλ² = ‖G‖²_F need no eigenvalue.
fn rank(embeddings: &[f32], dimension: usize) -> f32 {
    let total = embeddings.len() / dimension.max(1);
    let step = total.div_ceil(RANKED_ROWS).max(1);
    let chosen = embeddings.chunks_exact(dimension.max(1)).step_by(step);
    let mean = mean(chosen.clone(), dimension);
    let centred: Vec<Vec<f64>> =
        chosen.map(|row| row.iter().zip(&mean).map(|(&x, mean)| f64::from(x) - mean).collect()).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (mut trace, mut squares) = (0.0, 0.0);
    for (index, row) in centred.iter().enumerate() {
        let length = dot(row, row);
        trace += length;
        squares += length * length + centred[..index].iter().map(|other| 2.0 * dot(row, other).powi(2)).sum::<f64>();
    }
    if squares == 0.0 { 0.0 } else { (trace * trace / squares) as f32 }
}

fn mean<'a>(rows: impl ExactSizeIterator<Item = &'a [f32]>, dimension: usize) -> Vec<f64> {
    let count = rows.len() as f64;
    let mut mean = vec![0.0f64; dimension];
    for row in rows {
        mean.iter_mut().zip(row).for_each(|(mean, &x)| *mean += f64::from(x) / count);
    }
    mean
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::randomness::{Purpose, stream};
    use nalgebra::{DMatrix, SymmetricEigen};
    use rand::RngExt;

    #[test]
    fn spread_and_norm_by_hand() {
        assert_eq!(spread(&[0.0, 0.0, 2.0, 0.0], 2), 1.0);
        assert_eq!(mean_norm(&[3.0, 4.0, 0.0, 1.0], 2), 3.0);
        assert_eq!((spread(&[], 2), mean_norm(&[], 2), rank(&[], 2)), (0.0, 0.0, 0.0));
    }

    #[test]
    fn rank_counts_directions() {
        let line: Vec<f32> = (0..20).flat_map(|i| [i as f32, 2.0 * i as f32, 5.0]).collect();
        assert!((rank(&line, 3) - 1.0).abs() < 1e-4);
        let axes = [1.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, -1.0];
        assert!((rank(&axes, 3) - 3.0).abs() < 1e-4);
        assert_eq!(rank(&[7.0; 12], 3), 0.0);
        assert!(rank(&[f32::NAN; 12], 3).is_nan());
    }

    #[test]
    fn rank_equals_that_of_the_eigenvalues() {
        let mut rng = stream(3, Purpose::Split, 0, 0);
        let (rows, dimension) = (30, 7);
        let x: Vec<f32> = (0..rows * dimension)
            .map(|i| (rng.random::<f32>() - 0.5) * [9.0, 4.0, 2.0, 1.0, 1.0, 0.5, 0.1][i % dimension])
            .collect();
        let mut matrix = DMatrix::from_row_iterator(rows, dimension, x.iter().map(|&x| f64::from(x)));
        let mean = matrix.row_mean();
        matrix.row_iter_mut().for_each(|mut row| row -= &mean);
        let eigen = SymmetricEigen::new(matrix.transpose() * matrix).eigenvalues;
        let plain = eigen.sum().powi(2) / eigen.iter().map(|l| l * l).sum::<f64>();
        assert!((f64::from(rank(&x, dimension)) - plain).abs() < 1e-4);
    }
}
