//! N-pair batches: N classes with two pictures each, so that each pair sees N − 1 negatives at once (Sohn 2016).

use super::rounds::{Rounds, last};
use super::{ClassEmbeddings, Draw, Members, SamplerError, SamplerSettings};
use crate::mining::n_pair_classes;
use rand::Rng;

/// Draws the batches of an epoch.
#[derive(Debug, Clone)]
pub struct NPairSampler {
    members: Members,
    /// With two pictures at least: a pair of a picture and itself teaches nothing.
    classes: Vec<usize>,
    settings: SamplerSettings,
}

impl NPairSampler {
    /// N as large as the classes with two pictures allow; the others are left out ([`Self::left_out`]).
    ///
    /// # Errors
    /// [`SamplerError::TooFewPairs`] below two such classes; [`SamplerError::MinesTooFew`] when 0 < C ≤ N.
    pub fn new(members: Members, settings: SamplerSettings) -> Result<Self, SamplerError> {
        let classes = members.with_at_least(2);
        if classes.len() < 2 {
            let identities = members.with_at_least(1).len();
            return Err(SamplerError::TooFewPairs { identities, paired: classes.len() });
        }
        let SamplerSettings { identities, mine_classes: mined, .. } = settings;
        if (1..=identities).contains(&mined) {
            return Err(SamplerError::MinesTooFew { mined, identities });
        }
        let settings = SamplerSettings { identities: identities.clamp(2, classes.len()), ..settings };
        Ok(Self { members, classes, settings })
    }

    /// 2·N.
    pub fn batch_size(&self) -> usize {
        2 * self.settings.identities
    }

    /// About as many batches as it takes to see each picture once, and at least one.
    pub fn batches_per_epoch(&self) -> usize {
        let pictures: usize = self.classes.iter().filter_map(|&class| self.members.of(class)).map(<[usize]>::len).sum();
        pictures.div_ceil(self.batch_size()).max(1)
    }

    /// Whether the classes of a batch are mined.
    pub fn mines_classes(&self) -> bool {
        self.settings.mine_classes > 0
    }

    /// Identities with one picture.
    pub fn left_out(&self) -> usize {
        self.members.with_at_least(1).len() - self.classes.len()
    }

    /// Batches of N pairs, the two of a class side by side.
    ///
    /// Classes come in rounds. With mining and embeddings, a batch's C classes come in rounds and N of them stay: the first,
    /// and those that violate the triplet constraint most ([`n_pair_classes()`]). The two pictures are drawn anew, also then.
    pub fn epoch(&self, embeddings: Option<&ClassEmbeddings>, rng: &mut impl Rng) -> Vec<Draw> {
        let SamplerSettings { identities, mine_classes, camera_balanced, .. } = self.settings;
        let mut rounds = Rounds::new(&self.classes);
        let batch = |_| {
            let chosen = match embeddings.filter(|_| self.mines_classes()) {
                Some(embeddings) => mined(embeddings, &rounds.next(mine_classes, rng, last), identities),
                None => rounds.next(identities, rng, last),
            };
            Draw::of(chosen.into_iter().flat_map(|class| self.members.draw(class, 2, camera_balanced, rng)).collect())
        };
        (0..self.batches_per_epoch()).map(batch).collect()
    }
}

/// N of the candidate classes, beginning with the first.
fn mined(embeddings: &ClassEmbeddings, candidates: &[usize], n: usize) -> Vec<usize> {
    let pairs: Vec<f32> = candidates.iter().flat_map(|&class| embeddings.pair(class)).copied().collect();
    n_pair_classes(&pairs, embeddings.dimension, 0, n).into_iter().map(|place| candidates[place]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use std::collections::HashSet;

    fn settings(identities: usize, mine_classes: usize) -> SamplerSettings {
        SamplerSettings { identities, mine_classes, ..SamplerSettings::default() }
    }

    /// Class c has c + 1 pictures.
    fn members(count: u32) -> (Members, Vec<u32>) {
        let classes: Vec<u32> = (0..count).flat_map(|class| vec![class; class as usize + 1]).collect();
        let cameras = vec![0; classes.len()];
        (Members::new(&classes, &cameras), classes)
    }

    #[test]
    fn batches_are_pairs_of_different_pictures_and_single_pictures_are_left_out() {
        let (members, classes) = members(9);
        let sampler = NPairSampler::new(members, settings(4, 0)).unwrap();
        assert_eq!((sampler.left_out(), sampler.batch_size()), (1, 8));
        for draw in sampler.epoch(None, &mut ChaCha8Rng::seed_from_u64(2)) {
            let of_batch: HashSet<u32> = draw.pictures.iter().map(|&picture| classes[picture]).collect();
            assert!(of_batch.len() == 4 && !of_batch.contains(&0));
            let pairs = draw.pictures.chunks_exact(2);
            assert!(pairs.clone().all(|pair| pair[0] != pair[1] && classes[pair[0]] == classes[pair[1]]));
        }
    }

    #[test]
    fn mined_batches_hold_the_neighbours_of_their_first_class() {
        let (members, classes) = members(13);
        // Classes on a circle, in two crowds: odd ones and even ones.
        let angle = |class: usize| (class % 2) as f32 * 3.0 + class as f32 * 0.01;
        let embedded: Vec<f32> = (0..26).flat_map(|row| [angle(row / 2).cos(), angle(row / 2).sin()]).collect();
        let embeddings = ClassEmbeddings::new(&members, 13, 2, 2, embedded);
        let sampler = NPairSampler::new(members, settings(4, 12)).unwrap();
        assert!(sampler.mines_classes());
        let draws = sampler.epoch(Some(&embeddings), &mut ChaCha8Rng::seed_from_u64(2));
        assert_eq!(draws.len(), sampler.batches_per_epoch());
        for draw in &draws {
            let crowds: HashSet<u32> = draw.pictures.iter().map(|&picture| classes[picture] % 2).collect();
            assert_eq!(crowds.len(), 1, "{draw:?}");
        }
        let firsts: HashSet<u32> = draws.iter().map(|draw| classes[draw.pictures[0]]).collect();
        assert!(firsts.len() > 3, "batches begin with different classes: {firsts:?}");
    }

    #[test]
    fn without_pairs_there_is_no_batch() {
        let single = Members::new(&[0, 1, 2, 2], &[0; 4]);
        let error = NPairSampler::new(single, settings(4, 0)).unwrap_err();
        assert_eq!(error, SamplerError::TooFewPairs { identities: 3, paired: 1 });
        assert!(error.to_string().contains("two pictures"));
        let error = NPairSampler::new(members(9).0, settings(4, 4)).unwrap_err();
        assert_eq!(error, SamplerError::MinesTooFew { mined: 4, identities: 4 });
    }
}
