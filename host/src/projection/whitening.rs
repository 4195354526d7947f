//! PCA whitening: every direction gets the same variance.

use super::scatter::{axes, inverse_root};
use super::{Projection, ProjectionError, Samples, Shrinkage};

/// z = Λ^(−1/2)·Uᵀ·(x − m), with the mean m and the regularized covariance U·Λ·Uᵀ of the samples.
///
/// Without shrinkage, and with more pictures than components, the covariance of z is the identity. Components stand by
/// falling variance. Jégou and Chum 2012, "Negative evidences and co-occurrences in image retrieval".
///
/// # Errors
/// [`ProjectionError::Shape`], [`ProjectionError::TooFewPictures`], [`ProjectionError::Constant`].
pub fn whitening(samples: &Samples<'_>, shrinkage: Shrinkage) -> Result<Projection, ProjectionError> {
    let mut columns = samples.columns()?;
    let centre = columns.column_mean();
    columns.column_iter_mut().for_each(|mut column| column -= &centre);
    let (vectors, values) = axes(&columns, shrinkage, "all training pictures")?;
    Ok(Projection { matrix: inverse_root(&vectors, &values), centre })
}
