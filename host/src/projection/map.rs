//! An affine map of embeddings.

use nalgebra::{DMatrix, DVector};

/// z = M·(x − c): a matrix `[out, in]` behind the subtraction of a centre.
#[derive(Debug, Clone, PartialEq)]
pub struct Projection {
    pub(super) matrix: DMatrix<f64>,
    pub(super) centre: DVector<f64>,
}

impl Projection {
    /// Components it takes.
    pub fn input(&self) -> usize {
        self.matrix.ncols()
    }

    /// Components it gives.
    pub fn output(&self) -> usize {
        self.matrix.nrows()
    }

    /// `[n, input()]` → `[n, output()]`.
    ///
    /// # Panics
    /// When `vectors` are not whole rows.
    pub fn apply(&self, vectors: &[f32]) -> Vec<f32> {
        assert!(vectors.len().is_multiple_of(self.input()), "{} numbers are not rows", vectors.len());
        let project = |row: &[f32]| {
            let row = DVector::from_iterator(row.len(), row.iter().map(|&value| f64::from(value)));
            (&self.matrix * (row - &self.centre)).iter().map(|&value| value as f32).collect::<Vec<_>>()
        };
        vectors.chunks_exact(self.input()).flat_map(project).collect()
    }
}
