//! Carves identities out of the training set: whom the network never sees tells how it will do on strangers.

use super::randomness::{Purpose, stream};
use rand::seq::SliceRandom;

/// Below this many identities none is held out: two less to learn from would cost more than they tell.
pub const LEAST: usize = 6;

/// Indices of the identities to train on and of those held out, each in ascending order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// To train on; position in this list is the class.
    pub train: Vec<usize>,
    /// Held out.
    pub held_out: Vec<usize>,
}

/// Holds out `fraction` of the identities 0..count, rounded, but at least two and never more than half; none if the
/// fraction is 0 or there are fewer than [`LEAST`]. By identity, so that no picture of a held-out one is trained on.
pub fn split(count: usize, fraction: f32, seed: u64) -> Split {
    let mut order: Vec<usize> = (0..count).collect();
    if fraction <= 0.0 || count < LEAST {
        return Split { train: order, held_out: Vec::new() };
    }
    let size = ((count as f32 * fraction).round() as usize).clamp(2, count / 2);
    order.shuffle(&mut stream(seed, Purpose::Split, 0, 0));
    let mut held_out = order.split_off(count - size);
    order.sort_unstable();
    held_out.sort_unstable();
    Split { train: order, held_out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_together_are_all_and_repeat() {
        for (count, fraction, size) in
            [(100, 0.1, 10), (20, 0.01, 2), (7, 0.9, 3), (5, 0.5, 0), (50, 0.0, 0), (0, 0.1, 0)]
        {
            let parts = split(count, fraction, 3);
            assert_eq!(parts.held_out.len(), size);
            let mut all = [parts.train.clone(), parts.held_out.clone()].concat();
            all.sort_unstable();
            assert_eq!(all, (0..count).collect::<Vec<_>>());
            assert_eq!(parts, split(count, fraction, 3));
        }
        assert_ne!(split(100, 0.1, 3), split(100, 0.1, 4));
    }
}
