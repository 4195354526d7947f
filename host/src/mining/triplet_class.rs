//! Easy, semi-hard, hard: how much a triplet has left to teach, and counts of each.

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
        if to_negative <= to_positive {
            Self::Hard
        } else if to_negative <= to_positive + margin {
            Self::SemiHard
        } else {
            Self::Easy
        }
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
