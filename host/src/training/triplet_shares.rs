//! How many of a batch's triplets are easy, semi-hard and hard.

use crate::mining::Distances;
use serde::{Deserialize, Serialize};

/// Shares of the three classes among all valid triplets; they sum to 1, or are all 0 where there is no triplet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TripletShares {
    /// d(a,n) > d(a,p) + m: nothing left to learn.
    pub easy: f32,
    /// d(a,p) < d(a,n) ≤ d(a,p) + m.
    pub semi_hard: f32,
    /// d(a,n) ≤ d(a,p).
    pub hard: f32,
}

impl TripletShares {
    /// Counts every (anchor, positive, negative) of the batch, by one comparison of each (a,p) with each n.
    ///
    /// # Shapes
    /// `identities`: `[B]`, that of every embedding.
    pub fn of(distances: &Distances, identities: &[u32], margin: f32) -> Self {
        let (mut hard, mut within, mut total) = (0u64, 0u64, 0u64);
        let mut negatives = Vec::with_capacity(identities.len());
        for (anchor, identity) in identities.iter().enumerate() {
            let row = distances.row(anchor);
            let known = || row.iter().zip(identities).enumerate();
            negatives.clear();
            negatives.extend(known().filter(|(_, (_, other))| *other != identity).map(|(_, (&d, _))| d));
            for (_, (&positive, _)) in known().filter(|(index, (_, other))| *other == identity && *index != anchor) {
                let limit = positive + margin;
                hard += negatives.iter().map(|&d| u64::from(d <= positive)).sum::<u64>();
                within += negatives.iter().map(|&d| u64::from(d <= limit)).sum::<u64>();
                total += negatives.len() as u64;
            }
        }
        let share = |count: u64| if total == 0 { 0.0 } else { (count as f64 / total as f64) as f32 };
        Self { easy: share(total - within), semi_hard: share(within - hard), hard: share(hard) }
    }

    /// As an array, easy first.
    pub fn to_array(self) -> [f32; 3] {
        [self.easy, self.semi_hard, self.hard]
    }

    /// The inverse of [`TripletShares::to_array`].
    pub fn from_array([easy, semi_hard, hard]: [f32; 3]) -> Self {
        Self { easy, semi_hard, hard }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_class_by_hand() {
        // The anchors at 0 and 1 are of one identity; their negatives lie at 0.5 and 1.25 and 9.
        let distances = Distances::new(&[0.0, 1.0, 0.5, 1.25, 9.0], 1);
        let shares = TripletShares::of(&distances, &[0, 0, 1, 2, 3], 0.3);
        // From 0: 0.5 hard, 1.25 semi-hard, 9 easy. From 1: 0.5 hard, 0.25 hard, 8 easy.
        assert!((shares.hard - 0.5).abs() < 1e-6 && (shares.semi_hard - 1.0 / 6.0).abs() < 1e-6);
        assert!((shares.easy - 1.0 / 3.0).abs() < 1e-6);
        assert_eq!(TripletShares::of(&distances, &[0; 5], 0.3), TripletShares::default());
    }

    proptest! {
        #[test]
        fn equals_the_three_plain_loops(
            rows in prop::collection::vec((0u32..4, -2.0f32..2.0, -2.0f32..2.0), 0..16), margin in 0.0f32..1.0,
        ) {
            let identities: Vec<u32> = rows.iter().map(|row| row.0).collect();
            let distances = Distances::new(&rows.iter().flat_map(|row| [row.1, row.2]).collect::<Vec<_>>(), 2);
            let mut counts = [0u32; 3];
            for a in 0..rows.len() {
                for p in (0..rows.len()).filter(|&p| p != a && identities[p] == identities[a]) {
                    for n in (0..rows.len()).filter(|&n| identities[n] != identities[a]) {
                        let (positive, negative) = (distances.row(a)[p], distances.row(a)[n]);
                        counts[if negative <= positive { 2 } else { usize::from(negative <= positive + margin) }] += 1;
                    }
                }
            }
            let total = counts.iter().sum::<u32>().max(1) as f32;
            let shares = TripletShares::of(&distances, &identities, margin).to_array();
            for (share, count) in shares.into_iter().zip(counts) {
                prop_assert!((share - count as f32 / total).abs() < 1e-6);
            }
        }
    }
}
