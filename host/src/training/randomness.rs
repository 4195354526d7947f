//! Random numbers that depend on where they are used and on nothing else, so that a resumed run repeats them.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What random numbers are for; each purpose has streams of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Which identities are held out.
    Split = 1,
    /// The classifier's first weights.
    Classifier = 2,
    /// The batches of an epoch.
    Sampler = 3,
    /// The changes to one picture of an epoch.
    Augment = 4,
    /// Which pictures stand for their class when classes are embedded.
    Classes = 5,
    /// Which triplets mining chooses.
    Mining = 6,
}

/// The stream of picture `index` (or 0) in `epoch`, for one purpose of the run with this seed.
///
/// The four numbers are the key of the cipher: streams do not overlap, and none has to be saved or be drawn in order.
pub fn stream(seed: u64, purpose: Purpose, epoch: u64, index: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (bytes, number) in key.chunks_exact_mut(8).zip([seed, purpose as u64, epoch, index]) {
        bytes.copy_from_slice(&number.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;
    use std::collections::HashSet;

    #[test]
    fn streams_repeat_and_differ_in_each_of_their_four_numbers() {
        let first = |seed, purpose, epoch, index| stream(seed, purpose, epoch, index).random::<u64>();
        let streams = [
            (0, Purpose::Split, 0, 0),
            (1, Purpose::Split, 0, 0),
            (0, Purpose::Augment, 0, 0),
            (0, Purpose::Split, 1, 0),
            (0, Purpose::Split, 0, 1),
        ];
        let numbers: Vec<u64> = streams.iter().map(|&(s, p, e, i)| first(s, p, e, i)).collect();
        assert_eq!(numbers.iter().collect::<HashSet<_>>().len(), streams.len());
        assert_eq!(numbers[0], first(0, Purpose::Split, 0, 0));
    }
}
