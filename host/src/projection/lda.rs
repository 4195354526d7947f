//! Linear discriminant analysis: the directions in which identities differ most for how much their pictures differ.

use super::scatter::{axes, inverse_root, mean_of, sorted};
use super::{Projection, ProjectionError, Samples, Shrinkage};
use nalgebra::{DMatrix, DVector, SymmetricEigen};

/// z = Vᵀ·W·(x − m): W makes the regularized scatter within identities spherical, V are the principal axes of the identities'
/// means after that, largest first. Kept are min(dimension, identities − 1) components: beyond, the means do not differ.
///
/// The scatter within is over identities with at least two pictures, each residual times √(k/(k−1)) for the k pictures its
/// mean is of. m is the mean of all pictures, and the means count by their pictures. Fisher 1936; Rao 1948.
///
/// # Errors
/// [`ProjectionError::Shape`], [`ProjectionError::TooFewPictures`]; [`ProjectionError::TooFewIdentities`] unless there are two
/// identities and one has two pictures; [`ProjectionError::Constant`] when pictures of an identity never differ.
pub fn lda(samples: &Samples<'_>, shrinkage: Shrinkage) -> Result<Projection, ProjectionError> {
    let columns = samples.columns()?;
    let classes = samples.classes();
    let repeated = classes.iter().filter(|class| class.len() >= 2).count();
    if classes.len() < 2 || repeated == 0 {
        return Err(ProjectionError::TooFewIdentities { identities: classes.len(), repeated });
    }
    let means: Vec<DVector<f64>> = classes.iter().map(|class| mean_of(&columns, class)).collect();
    let centre = mean_of(&columns, &classes.concat());
    let residuals = residuals(&columns, &classes, &means);
    let (vectors, values) = axes(&residuals, shrinkage, "all pictures of each identity")?;
    let within = inverse_root(&vectors, &values);
    let weighted: Vec<DVector<f64>> = means
        .iter()
        .zip(&classes)
        .map(|(mean, class)| &within * (mean - &centre) * (class.len() as f64).sqrt())
        .collect();
    let between = DMatrix::from_columns(&weighted);
    let (axes, _) = sorted(SymmetricEigen::new(&between * between.transpose()));
    let kept = samples.dimension.min(classes.len() - 1);
    Ok(Projection { matrix: axes.columns(0, kept).transpose() * within, centre })
}

/// What pictures differ from their identity's mean by, a column each.
fn residuals(columns: &DMatrix<f64>, classes: &[Vec<usize>], means: &[DVector<f64>]) -> DMatrix<f64> {
    let of_class = |(class, mean): (&Vec<usize>, &DVector<f64>)| -> Vec<DVector<f64>> {
        let count = class.len() as f64;
        let unbiased = (count / (count - 1.0)).sqrt();
        class.iter().map(|&row| (columns.column(row) - mean) * unbiased).collect()
    };
    let repeated = classes.iter().zip(means).filter(|(class, _)| class.len() >= 2);
    DMatrix::from_columns(&repeated.flat_map(of_class).collect::<Vec<_>>())
}
