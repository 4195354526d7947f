//! Distances between the embeddings of a batch.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// How far two embeddings are from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// ‖a − b‖₂
    Euclidean,
    /// ‖a − b‖₂². It pulls in proportion to the distance, so of the hardest triplets the far positives may pull harder than
    /// the near negatives push, and those of an untrained network collapse more easily. More and smaller steps helped on a
    /// small set, not on a larger one: begin with another mining, or with an ID loss beside it.
    SquaredEuclidean,
    /// ½‖a − b‖₂², which is 1 − a·b of embeddings of length 1: give those. It pulls as the square does.
    Cosine,
}

impl Metric {
    /// d(a, b); d(a, b) = d(b, a) to the bit.
    pub fn between(self, a: &[f32], b: &[f32]) -> f32 {
        self.of_square(squared_distance(a, b))
    }

    fn of_square(self, square: f32) -> f32 {
        match self {
            Self::Euclidean => square.sqrt(),
            Self::SquaredEuclidean => square,
            Self::Cosine => 0.5 * square,
        }
    }

    /// The factor in ∂d/∂a = factor·(a − b). That of a Euclidean distance of zero is taken as zero, the middle of its
    /// subgradients.
    pub fn pull(self, distance: f32) -> f32 {
        match self {
            Self::Euclidean if distance > 0.0 => 1.0 / distance,
            Self::Euclidean => 0.0,
            Self::SquaredEuclidean => 2.0,
            Self::Cosine => 1.0,
        }
    }
}

/// Distances from each anchor to all embeddings. The anchors are the first of the embeddings: all of them, or those of a
/// batch that stands before past ones.
#[derive(Debug, Clone, PartialEq)]
pub struct Distances {
    metric: Metric,
    anchors: usize,
    count: usize,
    values: Vec<f32>,
}

impl Distances {
    /// d\[i,j\] = ‖xᵢ − xⱼ‖₂; see [`Self::by`].
    pub fn new(embeddings: &[f32], dimension: usize) -> Self {
        Self::by(Metric::Euclidean, embeddings, dimension)
    }

    /// All B² distances by the metric, symmetric with a zero diagonal: from differences, not from ‖a‖² + ‖b‖² − 2a·b: that form loses every digit of a small
    /// distance, and near a collapse small distances are all there is. Half of them are computed, the others mirrored.
    ///
    /// # Shapes
    /// `embeddings`: `[B, dimension]`, row-major.
    pub fn by(metric: Metric, embeddings: &[f32], dimension: usize) -> Self {
        Self::of_anchors(metric, embeddings, dimension, embeddings.len() / dimension.max(1))
    }

    /// d\[i,j\] of the first `anchors` embeddings to all.
    ///
    /// # Shapes
    /// `embeddings`: `[B, dimension]`, `anchors` ≤ B.
    pub fn of_anchors(metric: Metric, embeddings: &[f32], dimension: usize, anchors: usize) -> Self {
        let count = embeddings.len() / dimension.max(1);
        let row = |index: usize| &embeddings[index * dimension..(index + 1) * dimension];
        let mut values = vec![0.0; anchors * count];
        values.par_chunks_mut(count.max(1)).enumerate().for_each(|(i, out)| {
            for (j, out) in out.iter_mut().enumerate().skip(i + 1) {
                *out = metric.between(row(i), row(j));
            }
        });
        for i in 0..anchors {
            for j in 0..i {
                values[i * count + j] = values[j * count + i];
            }
        }
        Self { metric, anchors, count, values }
    }

    /// What was measured.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// How many anchors there are.
    pub fn anchors(&self) -> usize {
        self.anchors
    }

    /// Distances from anchor `index` to all B embeddings, itself included.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.count..(index + 1) * self.count]
    }
}

/// ‖a − b‖₂ of two embeddings of one dimension; d(a,b) = d(b,a) to the bit.
pub fn distance(a: &[f32], b: &[f32]) -> f32 {
    squared_distance(a, b).sqrt()
}

/// ‖a − b‖₂², summed in eight lanes, so that it vectorizes.
fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
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
    lanes.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn metrics_by_hand() {
        for (metric, distance, pull) in
            [(Metric::Euclidean, 5.0, 0.2), (Metric::SquaredEuclidean, 25.0, 2.0), (Metric::Cosine, 12.5, 1.0)]
        {
            let distances = Distances::by(metric, &[1.0, 1.0, 4.0, 5.0], 2);
            assert_eq!((distances.row(0), distances.row(1)), (&[0.0, distance][..], &[distance, 0.0][..]));
            assert_eq!(distances.metric().pull(distance), pull);
        }
        assert_eq!(Metric::Euclidean.pull(0.0), 0.0);
    }

    proptest! {
        #[test]
        fn equals_the_plain_sum(values in prop::collection::vec(-9.0f32..9.0, 1..200), dimension in 1usize..40) {
            let count = values.len() / dimension;
            let embeddings = &values[..count * dimension];
            let distances = Distances::new(embeddings, dimension);
            prop_assert_eq!(distances.anchors(), count);
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
