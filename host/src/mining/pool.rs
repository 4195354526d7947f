//! A sample of bounded size from a stream of candidates, which does not depend on their order.

use super::{Counts, Triplet, TripletClass};
use std::collections::BinaryHeap;

/// A triplet with its place in a lottery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    ticket: u64,
    class: TripletClass,
    rows: [usize; 3],
}

impl Candidate {
    /// The ticket is a hash of `seed` and the three rows: the same wherever and whenever the triplet turns up.
    pub fn new(seed: u64, class: TripletClass, triplet: Triplet) -> Self {
        let rows = [triplet.anchor, triplet.positive, triplet.negative];
        let ticket = rows.iter().fold(mix(seed), |hash, &row| mix(hash ^ row as u64));
        Self { ticket, class, rows }
    }
}

/// SplitMix64's output function (Steele, Lea, Flood 2014), after its increment so that 0 is no fixed point.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

/// Of each class the wanted number of lowest tickets: an even sample without replacement.
#[derive(Debug, Clone)]
pub struct Pool {
    /// All triplets seen by class, candidates or not.
    pub examined: Counts,
    wanted: Counts,
    kept: [BinaryHeap<Candidate>; 3],
}

impl Pool {
    /// Empty, for so many of each class.
    pub fn new(wanted: Counts) -> Self {
        Self { examined: Counts::default(), wanted, kept: [const { BinaryHeap::new() }; 3] }
    }

    /// Keeps the candidate if its ticket is among the lowest so far.
    pub fn offer(&mut self, candidate: Candidate) {
        let wanted = self.wanted.of(candidate.class) as usize;
        let kept = &mut self.kept[candidate.class as usize];
        if kept.len() < wanted {
            kept.push(candidate);
        } else if let Some(mut highest) = kept.peek_mut()
            && candidate < *highest
        {
            *highest = candidate;
        }
    }

    /// Of both streams.
    pub fn merged(mut self, other: Self) -> Self {
        for class in TripletClass::ALL {
            self.examined.add(class, other.examined.of(class));
        }
        other.kept.into_iter().flatten().for_each(|candidate| self.offer(candidate));
        self
    }

    /// How many of each class are kept.
    pub fn chosen(&self) -> Counts {
        let mut counts = Counts::default();
        TripletClass::ALL.into_iter().zip(&self.kept).for_each(|(class, kept)| counts.add(class, kept.len() as u64));
        counts
    }

    /// Those kept, in the order of anchors, positives, negatives.
    pub fn into_triplets(self) -> Vec<(TripletClass, Triplet)> {
        let mut kept: Vec<Candidate> = self.kept.into_iter().flatten().collect();
        kept.sort_unstable_by_key(|candidate| candidate.rows);
        let triplet = |Candidate { class, rows: [anchor, positive, negative], .. }| {
            (class, Triplet { anchor, positive, negative })
        };
        kept.into_iter().map(triplet).collect()
    }
}
