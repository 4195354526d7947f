//! Distances from a few embeddings to all of a set, without the set's whole matrix.

use super::distance;
use std::ops::Range;

/// Embeddings read at a time: with a block of anchors they stay in the first caches.
const TILE: usize = 64;

/// d\[a,j\] = ‖xₐ − xⱼ‖₂ for a in `anchors` and every j, `[anchors, N]`: the rows of [`super::Distances`], to the bit.
///
/// # Shapes
/// `embeddings`: `[N, dimension]`, row-major; `anchors` within 0..N.
pub fn distance_rows(embeddings: &[f32], dimension: usize, anchors: Range<usize>) -> Vec<f32> {
    let count = embeddings.len() / dimension.max(1);
    let row = |index: usize| &embeddings[index * dimension..(index + 1) * dimension];
    let mut rows = vec![0.0; anchors.len() * count];
    for start in (0..count).step_by(TILE) {
        let tile = start..(start + TILE).min(count);
        for (out, anchor) in rows.chunks_exact_mut(count).zip(anchors.clone()) {
            for (out, other) in out[tile.clone()].iter_mut().zip(tile.clone()) {
                *out = distance(row(anchor), row(other));
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mining::Distances;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_are_those_of_the_whole_matrix(
            values in prop::collection::vec(-9.0f32..9.0, 1..700),
            dimension in 1usize..4,
            ends in (0.0f64..1.0, 0.0f64..1.0),
        ) {
            let count = values.len() / dimension;
            let embeddings = &values[..count * dimension];
            let whole = Distances::new(embeddings, dimension);
            let [a, b] = [ends.0, ends.1].map(|end| (end * count as f64) as usize);
            let rows = distance_rows(embeddings, dimension, a.min(b)..a.max(b));
            let expected: Vec<f32> = (a.min(b)..a.max(b)).flat_map(|row| whole.row(row).to_vec()).collect();
            prop_assert_eq!(rows, expected);
        }
    }
}
