//! Triplets of anchors in a batch whose positives and negatives are embeddings of past batches.

use super::{Triplet, distance};
use crate::loss::Batch;
use rayon::prelude::*;

/// Per anchor of `batch` the farthest positive and the nearest negative of `past`, whose rows count on from those of the
/// batch: row j of `past` is B + j. An anchor without a positive or without a negative there is left out; of equal distances
/// the lower row wins.
pub fn hardest_past(batch: &Batch<'_>, past: &Batch<'_>) -> Vec<Triplet> {
    per_anchor(batch, past, |positives, negatives| {
        let farthest = positives.iter().reduce(|best, other| if other.1 > best.1 { other } else { best });
        let nearest = negatives.iter().reduce(|best, other| if other.1 < best.1 { other } else { best });
        farthest.zip(nearest).map(|(positive, negative)| (positive.0, negative.0)).into_iter().collect()
    })
}

/// Per anchor of `batch` and positive of `past` the nearest negative of `past` with d(a,p) < d(a,n) ≤ d(a,p) + margin; pairs
/// without one are left out. Rows count as in [`hardest_past`].
pub fn semi_hard_past(batch: &Batch<'_>, past: &Batch<'_>, margin: f32) -> Vec<Triplet> {
    per_anchor(batch, past, |positives, negatives| {
        negatives.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        let semi_hard = |&(positive, near): &(usize, f32)| {
            let farther = negatives.partition_point(|negative| negative.1 <= near);
            let &(negative, far) = negatives.get(farther)?;
            (far <= near + margin).then_some((positive, negative))
        };
        positives.iter().filter_map(semi_hard).collect()
    })
}

/// Gives each anchor's positives and negatives (row and distance, by row) to `choose`, and names what it chooses.
fn per_anchor(
    batch: &Batch<'_>,
    past: &Batch<'_>,
    choose: impl Fn(&mut Vec<(usize, f32)>, &mut Vec<(usize, f32)>) -> Vec<(usize, usize)> + Sync,
) -> Vec<Triplet> {
    let count = batch.identities.len();
    let triplets: Vec<Vec<Triplet>> = (0..count)
        .into_par_iter()
        .map(|anchor| {
            let from = batch.row(anchor);
            let all = (0..past.identities.len()).map(|row| (row, distance(from, past.row(row))));
            let (mut positives, mut negatives) =
                all.partition(|&(row, _)| past.identities[row] == batch.identities[anchor]);
            let chosen = choose(&mut positives, &mut negatives).into_iter();
            let name =
                |(positive, negative)| Triplet { anchor, positive: count + positive, negative: count + negative };
            chosen.map(name).collect()
        })
        .collect();
    triplets.concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(rows: &[(u32, f32, f32)]) -> (Vec<f32>, Vec<u32>) {
        (rows.iter().flat_map(|row| [row.1, row.2]).collect(), rows.iter().map(|row| row.0).collect())
    }

    proptest! {
        /// Against every combination of a positive and a negative.
        #[test]
        fn chooses_as_the_definitions_do(
            present in prop::collection::vec((0u32..3, -3.0f32..3.0, -3.0f32..3.0), 0..6),
            earlier in prop::collection::vec((0u32..3, -3.0f32..3.0, -3.0f32..3.0), 0..12),
        ) {
            let ((x, who), (y, whose)) = (rows(&present), rows(&earlier));
            let batch = Batch { embeddings: &x, dimension: 2, identities: &who };
            let past = Batch { embeddings: &y, dimension: 2, identities: &whose };
            let (hardest, semi_hard) = (hardest_past(&batch, &past), semi_hard_past(&batch, &past, 0.5));
            let d = |a: usize, j: usize| distance(batch.row(a), past.row(j));
            for a in 0..who.len() {
                let positives: Vec<usize> = (0..whose.len()).filter(|&j| whose[j] == who[a]).collect();
                let negatives: Vec<usize> = (0..whose.len()).filter(|&j| whose[j] != who[a]).collect();
                let far = positives.iter().map(|&p| d(a, p)).reduce(f32::max);
                let near = negatives.iter().map(|&n| d(a, n)).reduce(f32::min);
                let got = hardest.iter().find(|t| t.anchor == a);
                let got = got.map(|t| (d(a, t.positive - who.len()), d(a, t.negative - who.len())));
                prop_assert_eq!(got, far.zip(near));
                for &p in &positives {
                    let band = negatives.iter().map(|&n| d(a, n)).filter(|&n| n > d(a, p) && n <= d(a, p) + 0.5);
                    let got = semi_hard.iter().find(|t| (t.anchor, t.positive) == (a, who.len() + p));
                    prop_assert_eq!(got.map(|t| d(a, t.negative - who.len())), band.reduce(f32::min));
                }
            }
        }
    }
}
