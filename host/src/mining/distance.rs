//! Euclidean distances between the embeddings of a batch.

use rayon::prelude::*;

/// All pairwise distances of B embeddings, symmetric with a zero diagonal.
#[derive(Debug, Clone, PartialEq)]
pub struct Distances {
    count: usize,
    values: Vec<f32>,
}

impl Distances {
    /// d\[i,j\] = ‖xᵢ − xⱼ‖₂.
    ///
    /// From differences, not from ‖a‖² + ‖b‖² − 2a·b: that form loses every digit of a small distance, and near a collapse
    /// small distances are all there is. 256 embeddings of 128 components take about a millisecond.
    ///
    /// # Shapes
    /// `embeddings`: `[B, dimension]`, row-major.
    pub fn new(embeddings: &[f32], dimension: usize) -> Self {
        let count = embeddings.len() / dimension.max(1);
        let row = |index: usize| &embeddings[index * dimension..(index + 1) * dimension];
        let mut values = vec![0.0; count * count];
        values.par_chunks_mut(count.max(1)).enumerate().for_each(|(i, out)| {
            for (j, out) in out.iter_mut().enumerate() {
                *out = distance(row(i), row(j));
            }
        });
        Self { count, values }
    }

    /// B.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Distances from embedding `index` to all B, itself included.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.count..(index + 1) * self.count]
    }
}

/// ‖a − b‖₂ of two embeddings of one dimension, summed in eight lanes, so that it vectorizes and d(a,b) = d(b,a) to the bit.
pub fn distance(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 8;
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    let mut lanes = [0.0f32; LANES];
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..LANES {
            let difference = a[lane] - b[lane];
            lanes[lane] += difference * difference;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| (a - b) * (a - b)).sum();
    (lanes.iter().sum::<f32>() + rest).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_the_plain_sum(values in prop::collection::vec(-9.0f32..9.0, 1..200), dimension in 1usize..40) {
            let count = values.len() / dimension;
            let embeddings = &values[..count * dimension];
            let distances = Distances::new(embeddings, dimension);
            prop_assert_eq!(distances.count(), count);
            for i in 0..count {
                for j in 0..count {
                    let plain = (0..dimension)
                        .map(|k| f64::from(embeddings[i * dimension + k]) - f64::from(embeddings[j * dimension + k]))
                        .map(|difference| difference * difference)
                        .sum::<f64>()
                        .sqrt();
                    prop_assert!((f64::from(distances.row(i)[j]) - plain).abs() <= 1e-5 * (1.0 + plain));
                    prop_assert_eq!(distances.row(i)[j], distances.row(j)[i]);
                }
            }
        }
    }
}
