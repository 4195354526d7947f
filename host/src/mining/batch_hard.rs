//! Batch-hard: per anchor the farthest positive and the nearest negative of its batch.

use super::{Distances, Triplet};

/// At most one triplet an anchor, in the order of anchors (Hermans, Beyer, Leibe 2017, eq. 5).
///
/// An anchor without a positive or without a negative is left out. Of equal distances the lower row wins, so results repeat.
///
/// # Shapes
/// `identities`: `[B]`, that of every embedding.
pub fn batch_hard(distances: &Distances, identities: &[u32]) -> Vec<Triplet> {
    (0..distances.anchors())
        .filter_map(|anchor| {
            let row = distances.row(anchor);
            let same = |&other: &usize| identities[other] == identities[anchor];
            let positive = farthest(row, (0..row.len()).filter(same).filter(|&other| other != anchor))?;
            let negative = nearest(row, (0..row.len()).filter(|other| !same(other)))?;
            Some(Triplet { anchor, positive, negative })
        })
        .collect()
}

fn farthest(row: &[f32], candidates: impl Iterator<Item = usize>) -> Option<usize> {
    candidates.reduce(|best, other| if row[other] > row[best] { other } else { best })
}

fn nearest(row: &[f32], candidates: impl Iterator<Item = usize>) -> Option<usize> {
    candidates.reduce(|best, other| if row[other] < row[best] { other } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn picks_by_hand() {
        let distances = Distances::new(&[0.0, 1.0, 3.0, 2.0, 10.0], 1);
        let triplets = batch_hard(&distances, &[7, 7, 7, 9, 9]);
        let expected = [(0, 2, 3), (1, 2, 3), (2, 0, 3), (3, 4, 1), (4, 3, 2)]
            .map(|(anchor, positive, negative)| Triplet { anchor, positive, negative });
        assert_eq!(triplets, expected);
    }

    #[test]
    fn an_anchor_without_positive_or_negative_is_left_out() {
        let distances = Distances::new(&[0.0, 1.0, 3.0], 1);
        assert_eq!(batch_hard(&distances, &[1, 1, 1]), []);
        assert_eq!(batch_hard(&distances, &[1, 2, 3]), []);
        assert_eq!(batch_hard(&distances, &[1, 1, 2]).len(), 2);
    }

    proptest! {
        #[test]
        fn no_triplet_of_the_anchor_is_harder(
            rows in prop::collection::vec((0u32..4, -5.0f32..5.0, -5.0f32..5.0), 1..20),
        ) {
            let identities: Vec<u32> = rows.iter().map(|row| row.0).collect();
            let embeddings: Vec<f32> = rows.iter().flat_map(|row| [row.1, row.2]).collect();
            let distances = Distances::new(&embeddings, 2);
            let chosen = batch_hard(&distances, &identities);
            for a in 0..rows.len() {
                let hardness = |p: usize, n: usize| distances.row(a)[p] - distances.row(a)[n];
                let mine = chosen.iter().find(|t| t.anchor == a).map(|t| hardness(t.positive, t.negative));
                let mut hardest = None;
                for p in (0..rows.len()).filter(|&p| p != a && identities[p] == identities[a]) {
                    for n in (0..rows.len()).filter(|&n| identities[n] != identities[a]) {
                        hardest = Some(hardest.map_or(hardness(p, n), |best: f32| best.max(hardness(p, n))));
                    }
                }
                prop_assert_eq!(mine, hardest);
            }
        }
    }
}
