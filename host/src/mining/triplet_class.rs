//! Easy, semi-hard, hard: how much a triplet has left to teach, and how many there are of each.

use super::Distances;
use serde::{Deserialize, Serialize};

/// How far a triplet is from what the margin asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TripletClass {
    /// d(a,n) > d(a,p) + m: satisfied.
    Easy,
    /// d(a,p) < d(a,n) ≤ d(a,p) + m: in the right order, but inside the margin.
    SemiHard,
    /// d(a,n) ≤ d(a,p): in the wrong order.
    Hard,
}

impl TripletClass {
    /// All, in the order of [`Counts`].
    pub const ALL: [Self; 3] = [Self::Easy, Self::SemiHard, Self::Hard];

    /// Of a triplet with these distances.
    pub fn of(to_positive: f32, to_negative: f32, margin: f32) -> Self {
        let [hard, semi_hard] = Self::limits(to_positive, margin);
        if to_negative <= hard {
            Self::Hard
        } else if to_negative <= semi_hard {
            Self::SemiHard
        } else {
            Self::Easy
        }
    }

    /// The largest d(a,n) of a hard triplet, and that of a semi-hard one.
    pub fn limits(to_positive: f32, margin: f32) -> [f32; 2] {
        [to_positive, to_positive + margin]
    }

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Easy => "easy",
            Self::SemiHard => "semi-hard",
            Self::Hard => "hard",
        }
    }
}

/// A histogram of triplets by class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Easy ones.
    pub easy: u64,
    /// Semi-hard ones.
    pub semi_hard: u64,
    /// Hard ones.
    pub hard: u64,
}

impl Counts {
    /// Every (anchor, positive, negative) of a batch, by one comparison of each (a,p) with each n and each limit.
    ///
    /// # Shapes
    /// `identities`: `[B]`, that of every embedding.
    pub fn of_batch(distances: &Distances, identities: &[u32], margin: f32) -> Self {
        let (mut hard, mut within, mut total) = (0u64, 0u64, 0u64);
        let mut negatives = Vec::with_capacity(identities.len());
        for (anchor, identity) in identities.iter().enumerate().take(distances.anchors()) {
            let row = distances.row(anchor);
            let known = || row.iter().zip(identities).enumerate();
            negatives.clear();
            negatives.extend(known().filter(|(_, (_, other))| *other != identity).map(|(_, (&d, _))| d));
            for (_, (&positive, _)) in known().filter(|(index, (_, other))| *other == identity && *index != anchor) {
                let limits = TripletClass::limits(positive, margin);
                let [up_to_hard, up_to_semi_hard] =
                    limits.map(|limit| negatives.iter().map(|&d| u64::from(d <= limit)).sum::<u64>());
                hard += up_to_hard;
                within += up_to_semi_hard;
                total += negatives.len() as u64;
            }
        }
        Self { easy: total - within, semi_hard: within - hard, hard }
    }

    /// The share of each class.
    pub fn shares(&self) -> TripletShares {
        let [easy, semi_hard, hard] = TripletClass::ALL.map(|class| self.share(class) as f32);
        TripletShares { easy, semi_hard, hard }
    }

    /// How many of one class.
    pub fn of(&self, class: TripletClass) -> u64 {
        match class {
            TripletClass::Easy => self.easy,
            TripletClass::SemiHard => self.semi_hard,
            TripletClass::Hard => self.hard,
        }
    }

    /// `more` of one class.
    pub fn add(&mut self, class: TripletClass, more: u64) {
        match class {
            TripletClass::Easy => self.easy += more,
            TripletClass::SemiHard => self.semi_hard += more,
            TripletClass::Hard => self.hard += more,
        }
    }

    /// Of all classes.
    pub fn total(&self) -> u64 {
        self.easy + self.semi_hard + self.hard
    }

    /// Share of one class, 0..1; 0 where there is nothing.
    pub fn share(&self, class: TripletClass) -> f64 {
        self.of(class) as f64 / self.total().max(1) as f64
    }
}

/// Shares of the three classes; they sum to 1, or are all 0 where there is no triplet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TripletShares {
    /// Of easy ones.
    pub easy: f32,
    /// Of semi-hard ones.
    pub semi_hard: f32,
    /// Of hard ones.
    pub hard: f32,
}

impl TripletShares {
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
    use crate::mining::Metric;
    use proptest::prelude::*;

    #[test]
    fn bands_by_hand() {
        let class = |negative| TripletClass::of(1.0, negative, 0.5);
        assert_eq!([0.0, 1.0].map(class), [TripletClass::Hard; 2]);
        assert_eq!([1.1, 1.5].map(class), [TripletClass::SemiHard; 2]);
        assert_eq!([1.6, f32::MAX].map(class), [TripletClass::Easy; 2]);
    }

    #[test]
    fn counts_are_a_histogram() {
        let mut counts = Counts::default();
        assert_eq!(counts.share(TripletClass::Hard), 0.0);
        TripletClass::ALL.into_iter().zip([6, 3, 1]).for_each(|(class, more)| counts.add(class, more));
        assert_eq!((counts.total(), counts.share(TripletClass::SemiHard)), (10, 0.3));
        assert_eq!(TripletClass::ALL.map(|class| counts.of(class)), [6, 3, 1]);
    }

    #[test]
    fn a_batch_by_hand() {
        // The anchors at 0 and 1 are of one identity; their negatives lie at 0.5 and 1.25 and 9.
        let line = [0.0, 1.0, 0.5, 1.25, 9.0];
        let counts = |identities: &[u32]| Counts::of_batch(&Distances::new(&line, 1), identities, 0.3);
        // From 0: 0.5 hard, 1.25 semi-hard, 9 easy. From 1: 0.5 hard, 0.25 hard, 8 easy.
        assert_eq!(counts(&[0, 0, 1, 2, 3]), Counts { easy: 2, semi_hard: 1, hard: 3 });
        assert_eq!(counts(&[0, 0, 1, 2, 3]).shares().to_array(), [2.0 / 6.0, 1.0 / 6.0, 0.5]);
        assert_eq!(counts(&[0; 5]).shares(), TripletShares::default());
    }

    proptest! {
        /// Of the first anchors of a batch, or of all.
        #[test]
        fn a_batch_is_counted_as_by_three_plain_loops(
            rows in prop::collection::vec((0u32..4, -2.0f32..2.0, -2.0f32..2.0), 0..16),
            margin in 0.0f32..1.0,
            anchors in 0usize..16,
        ) {
            let identities: Vec<u32> = rows.iter().map(|row| row.0).collect();
            let embeddings: Vec<f32> = rows.iter().flat_map(|row| [row.1, row.2]).collect();
            let anchors = anchors.min(rows.len());
            let distances = Distances::of_anchors(Metric::Euclidean, &embeddings, 2, anchors);
            let mut counts = Counts::default();
            for a in 0..anchors {
                for p in (0..rows.len()).filter(|&p| p != a && identities[p] == identities[a]) {
                    for n in (0..rows.len()).filter(|&n| identities[n] != identities[a]) {
                        let (positive, negative) = (distances.row(a)[p], distances.row(a)[n]);
                        counts.add(TripletClass::of(positive, negative, margin), 1);
                    }
                }
            }
            prop_assert_eq!(Counts::of_batch(&distances, &identities, margin), counts);
        }
    }
}
