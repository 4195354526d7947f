//! Classes in rounds: each is visited once, in a random order, before any is visited again.

use rand::Rng;
use rand::seq::SliceRandom;

/// Who is still waiting for the present round.
#[derive(Debug, Clone)]
pub struct Rounds<'a> {
    classes: &'a [usize],
    waiting: Vec<usize>,
}

impl<'a> Rounds<'a> {
    /// Over `classes`, which are all different.
    pub fn new(classes: &'a [usize]) -> Self {
        Self { classes, waiting: Vec::new() }
    }

    /// The next `wanted` different classes, at most as many as there are. Where a round ends among them, those left of it come
    /// first and `pick` chooses the rest from the next round: given those already taken and those waiting in random order, it
    /// returns a position in the latter.
    pub fn next(
        &mut self,
        wanted: usize,
        rng: &mut impl Rng,
        pick: impl Fn(&[usize], &[usize]) -> usize,
    ) -> Vec<usize> {
        let wanted = wanted.min(self.classes.len());
        let mut taken = Vec::with_capacity(wanted);
        let mut held_back = Vec::new();
        while taken.len() < wanted {
            if self.waiting.is_empty() {
                let mut round = self.classes.to_vec();
                round.shuffle(rng);
                (held_back, self.waiting) = round.into_iter().partition(|class| taken.contains(class));
            }
            let position = pick(&taken, &self.waiting).min(self.waiting.len() - 1);
            taken.push(self.waiting.remove(position));
        }
        // At the front: the last in line are taken first, and these have just been.
        self.waiting.splice(0..0, held_back);
        taken
    }
}

/// Picks whoever has waited at the end of the line.
pub fn last(_taken: &[usize], waiting: &[usize]) -> usize {
    waiting.len() - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use std::collections::HashSet;

    proptest! {
        #[test]
        fn visits_differ_by_one_at_most_and_batches_hold_different_classes(
            count in 1usize..20,
            wanted in 1usize..9,
            seed: u64,
            first: bool,
        ) {
            let classes: Vec<usize> = (0..count).map(|class| class * 3).collect();
            let mut rounds = Rounds::new(&classes);
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut visits = vec![0usize; count * 3];
            for _ in 0..30 {
                let pick = |taken: &[usize], waiting: &[usize]| if first { 0 } else { last(taken, waiting) };
                let taken = rounds.next(wanted, &mut rng, pick);
                prop_assert_eq!(taken.len(), wanted.min(count));
                prop_assert_eq!(taken.iter().collect::<HashSet<_>>().len(), taken.len());
                taken.iter().for_each(|&class| visits[class] += 1);
                let of = || classes.iter().map(|&class| visits[class]);
                prop_assert!(of().max().unwrap() - of().min().unwrap() <= 1, "{:?}", visits);
            }
        }
    }
}
