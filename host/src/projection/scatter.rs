//! Means and scatters of embeddings, and their regularization.

use super::ProjectionError;
use crate::dataset::Identity;
use nalgebra::{DMatrix, DVector, SymmetricEigen};
use std::collections::BTreeMap;

/// The least share of the mean variance that a direction is taken to have.
const FLOOR: f64 = 1e-6;

/// Embeddings to learn from.
#[derive(Debug, Clone, Copy)]
pub struct Samples<'a> {
    /// `[n, dimension]`, not normalized.
    pub vectors: &'a [f32],
    /// Components of each.
    pub dimension: usize,
    /// Whose they are, `[n]`; only known identities teach an LDA.
    pub identities: &'a [Identity],
}

/// How a scatter matrix S is drawn towards the sphere of the same trace: (1 − α)·S + α·(tr S / D)·I.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shrinkage {
    /// α is given, 0 to 1.
    Fixed(f64),
    /// α has the least expected error: the less data for the dimensions, the more. Ledoit and Wolf 2004.
    LedoitWolf,
}

impl Samples<'_> {
    /// Rows as columns of a matrix, `[dimension, n]`, if there are at least two of them.
    pub(super) fn columns(&self) -> Result<DMatrix<f64>, ProjectionError> {
        let (dimension, pictures) = (self.dimension, self.identities.len());
        if dimension == 0 || self.vectors.len() != dimension * pictures {
            return Err(ProjectionError::Shape { dimension, vectors: self.vectors.len(), identities: pictures });
        }
        if pictures < 2 {
            return Err(ProjectionError::TooFewPictures { pictures });
        }
        Ok(DMatrix::from_iterator(dimension, pictures, self.vectors.iter().map(|&value| f64::from(value))))
    }

    /// Which rows belong to each known identity.
    pub(super) fn classes(&self) -> Vec<Vec<usize>> {
        let mut classes = BTreeMap::<usize, Vec<usize>>::new();
        for (row, identity) in self.identities.iter().enumerate() {
            if let Some(index) = identity.known() {
                classes.entry(index).or_default().push(row);
            }
        }
        classes.into_values().collect()
    }
}

/// The mean of some columns.
pub(super) fn mean_of(columns: &DMatrix<f64>, which: &[usize]) -> DVector<f64> {
    let sum = which.iter().fold(DVector::zeros(columns.nrows()), |sum, &column| sum + columns.column(column));
    sum / which.len().max(1) as f64
}

/// The regularized scatter (1/n)·X·Xᵀ of centred columns X, as its eigenvectors and -values, largest first. `what` names the
/// pictures should all columns be zero.
pub(super) fn axes(
    centred: &DMatrix<f64>,
    shrinkage: Shrinkage,
    what: &'static str,
) -> Result<(DMatrix<f64>, DVector<f64>), ProjectionError> {
    let (dimension, count) = (centred.nrows(), centred.ncols() as f64);
    let scatter = centred * centred.transpose() / count;
    let mean_variance = scatter.trace() / dimension as f64;
    if mean_variance <= f64::MIN_POSITIVE {
        return Err(ProjectionError::Constant { what });
    }
    let alpha = match shrinkage {
        Shrinkage::Fixed(alpha) => alpha.clamp(0.0, 1.0),
        Shrinkage::LedoitWolf => ledoit_wolf(centred, &scatter, mean_variance),
    };
    let sphere = DMatrix::identity(dimension, dimension) * (alpha * mean_variance);
    let (vectors, mut values) = sorted(SymmetricEigen::new(scatter * (1.0 - alpha) + sphere));
    values.iter_mut().for_each(|value| *value = value.max(FLOOR * mean_variance));
    Ok((vectors, values))
}

/// α = min(β², δ²) / δ² with δ² = ‖S − μI‖² and β² = (1/n²) Σ ‖x·xᵀ − S‖² = (Σ ‖x‖⁴ − n‖S‖²) / n². Ledoit and Wolf 2004, §3.
fn ledoit_wolf(centred: &DMatrix<f64>, scatter: &DMatrix<f64>, mean_variance: f64) -> f64 {
    let count = centred.ncols() as f64;
    let norm = scatter.norm_squared();
    let spread = norm - scatter.nrows() as f64 * mean_variance * mean_variance;
    let fourth: f64 = centred.column_iter().map(|column| column.norm_squared().powi(2)).sum();
    let error = ((fourth - count * norm) / (count * count)).max(0.0);
    if spread <= error { 1.0 } else { error / spread }
}

/// Eigenvectors as columns by falling eigenvalue.
pub(super) fn sorted(eigen: SymmetricEigen<f64, nalgebra::Dyn>) -> (DMatrix<f64>, DVector<f64>) {
    let mut order: Vec<usize> = (0..eigen.eigenvalues.len()).collect();
    order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
    let vectors = DMatrix::from_columns(&order.iter().map(|&i| eigen.eigenvectors.column(i)).collect::<Vec<_>>());
    let values = DVector::from_iterator(order.len(), order.iter().map(|&i| eigen.eigenvalues[i]));
    (vectors, values)
}

/// Λ^(−1/2)·Uᵀ: the rotation onto the axes, each divided by its standard deviation.
pub(super) fn inverse_root(vectors: &DMatrix<f64>, values: &DVector<f64>) -> DMatrix<f64> {
    DMatrix::from_diagonal(&values.map(|value| 1.0 / value.sqrt())) * vectors.transpose()
}
