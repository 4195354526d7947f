//! All inner products of a batch: S = X·Xᵀ.

use super::Batch;
use crate::compute::{Kernels, Matmul};
use rayon::prelude::*;

/// Rows of a product that one thread computes at a time.
const ROWS: usize = 32;

/// s\[i,j\] = xᵢ·xⱼ of each anchor and all B embeddings; the cosine where they are normalized.
#[derive(Debug, Clone, PartialEq)]
pub struct Similarities {
    count: usize,
    values: Vec<f32>,
}

impl Similarities {
    /// # Shapes
    /// The batch's embeddings: `[B, dimension]`, of which the first `anchors` are anchors.
    pub fn new(batch: &Batch<'_>, anchors: usize) -> Self {
        let (count, dimension) = (batch.identities.len(), batch.dimension);
        let columns = transposed(batch.embeddings, dimension);
        Self { count, values: product((&batch.embeddings[..anchors * dimension], dimension), (&columns, count)) }
    }

    /// Similarities of anchor `index` to all B, itself included.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.count..(index + 1) * self.count]
    }

    /// Euclidean distance of two anchors, for reports: it has lost digits where the two are near.
    pub fn distance(&self, i: usize, j: usize) -> f32 {
        (self.row(i)[i] + self.row(j)[j] - 2.0 * self.row(i)[j]).max(0.0).sqrt()
    }
}

/// A·B of A `[rows, depth]` and B `[depth, columns]`, each given with the length of its rows, by rows over the threads.
pub(super) fn product((a, depth): (&[f32], usize), (b, columns): (&[f32], usize)) -> Vec<f32> {
    let rows = a.len() / depth.max(1);
    let mut c = vec![0.0; rows * columns];
    let kernels = Kernels::best();
    c.par_chunks_mut((ROWS * columns).max(1)).zip(a.par_chunks((ROWS * depth).max(1))).for_each(|(c, a)| {
        let job = Matmul { rows: a.len() / depth, columns, depth, a, a_row: depth, a_step: 1, b, accumulate: false };
        (kernels.matmul)(&job, c);
    });
    c
}

/// Rows of `columns` values become columns.
pub(super) fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    let count = values.len() / columns.max(1);
    let mut out = vec![0.0; values.len()];
    for (index, row) in values.chunks_exact(columns.max(1)).enumerate() {
        row.iter().enumerate().for_each(|(column, &x)| out[column * count + index] = x);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::check::EdgeCase;
    use super::*;

    #[test]
    fn equals_plain_inner_products() {
        for (count, dimension) in [(1, 1), (7, 3), (70, 33)] {
            let identities = vec![0; count];
            let case = EdgeCase::random(5, &identities, dimension);
            let similarities = Similarities::new(&case.batch(), count);
            for i in 0..count {
                for j in 0..count {
                    let rows = case.batch().row(i).iter().zip(case.batch().row(j));
                    let plain: f64 = rows.map(|(&x, &y)| f64::from(x) * f64::from(y)).sum();
                    assert!((f64::from(similarities.row(i)[j]) - plain).abs() < 1e-5 * (1.0 + plain.abs()));
                }
            }
            assert!(similarities.distance(0, 0) == 0.0);
        }
        let empty = EdgeCase::random(5, &[], 3);
        assert!(Similarities::new(&empty.batch(), 0).values.is_empty());
    }
}
