//! A map of embeddings: their two directions of greatest variance, each identity in its own colour.

use nalgebra::{DMatrix, SymmetricEigen};
use plotters::prelude::*;

use super::chart::{self, ChartError, Labels};

/// Projects embeddings (`[n, dimension]`, row-major) on their two principal components: `[n]` points.
///
/// Rows beyond the last whole one are ignored; fewer than two components give zeros for the missing ones.
pub fn project(vectors: &[f32], dimension: usize) -> Vec<(f64, f64)> {
    if dimension == 0 || vectors.len() < dimension {
        return Vec::new();
    }
    let count = vectors.len() / dimension;
    let mut centred =
        DMatrix::from_row_iterator(count, dimension, vectors.iter().take(count * dimension).map(|&v| f64::from(v)));
    let mean = centred.row_mean();
    for mut row in centred.row_iter_mut() {
        row -= &mean;
    }
    let eigen = SymmetricEigen::new(centred.transpose() * &centred);
    let mut order: Vec<usize> = (0..dimension).collect();
    order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
    let along = |rank: usize| order.get(rank).map(|&column| &centred * eigen.eigenvectors.column(column));
    let (first, second) = (along(0), along(1));
    let value = |column: &Option<nalgebra::DVector<f64>>, row: usize| column.as_ref().map_or(0.0, |c| c[row]);
    (0..count).map(|row| (value(&first, row), value(&second, row))).collect()
}

/// Draws points as dots; `groups[i]` chooses the colour of point i.
///
/// # Errors
/// [`ChartError`] when there is no point.
pub fn map(labels: Labels<'_>, points: &[(f64, f64)], groups: &[usize]) -> Result<String, ChartError> {
    let x = chart::extent(points.iter().map(|p| p.0)).unwrap_or(0.0..1.0);
    let y = chart::extent(points.iter().map(|p| p.1)).unwrap_or(0.0..1.0);
    chart::draw(labels, |root| {
        let mut axes = chart::axes(root, labels, x, y)?;
        let dot = |(&point, &group): (&(f64, f64), &usize)| Circle::new(point, 4, colour(group).filled());
        axes.draw_series(points.iter().zip(groups).map(dot))?;
        Ok(())
    })
}

/// Successive groups lie far apart on the colour circle (by the golden angle).
fn colour(group: usize) -> HSLColor {
    HSLColor((group as f64 * 0.381_966) % 1.0, 0.65, 0.35 + 0.2 * ((group % 3) as f64 / 2.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_axis_is_that_of_greatest_variance() {
        // Points on a line along (3, 4, 0), with a little of (0, 0, 1).
        let points: Vec<f32> = (-3..=3).flat_map(|i| [3.0 * i as f32, 4.0 * i as f32, (i % 2) as f32 * 0.1]).collect();
        let projected = project(&points, 3);
        assert_eq!(projected.len(), 7);
        for (i, (x, y)) in (-3..=3).zip(projected) {
            assert!((x.abs() - 5.0 * f64::from(i).abs()).abs() < 0.01, "{x}");
            assert!(y.abs() < 0.2);
        }
        assert!(project(&[], 3).is_empty());
    }
}
