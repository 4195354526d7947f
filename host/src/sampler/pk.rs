//! P×K: P identities with K pictures each, so that every anchor finds positives and negatives in its batch.

use rand::Rng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

/// The make-up of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PkSettings {
    /// P, identities in a batch. A set with fewer has them all in every batch.
    pub identities: usize,
    /// K, pictures of each. An identity with fewer repeats some; augmentation makes the copies differ.
    pub pictures: usize,
    /// Whether the K pictures are taken from as many cameras as possible before one repeats: the positives that matter are
    /// those another camera saw.
    pub camera_balanced: bool,
}

impl Default for PkSettings {
    fn default() -> Self {
        Self { identities: 16, pictures: 4, camera_balanced: true }
    }
}

/// Why no batch can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SamplerError {
    /// Nothing to tell apart.
    #[error(
        "{found} identities to train on, but a batch needs at least 2 to tell apart: add pictures of other identities"
    )]
    TooFewIdentities {
        /// Identities with at least one picture.
        found: usize,
    },
}

/// Draws the batches of an epoch.
#[derive(Debug, Clone)]
pub struct PkSampler {
    members: Vec<Vec<usize>>,
    cameras: Vec<u32>,
    settings: PkSettings,
}

impl PkSampler {
    /// Over pictures 0..n, of which picture i shows class `classes[i]` from camera `cameras[i]`.
    ///
    /// # Errors
    /// [`SamplerError::TooFewIdentities`] below two identities.
    pub fn new(classes: &[u32], cameras: &[u32], settings: PkSettings) -> Result<Self, SamplerError> {
        let count = classes.iter().max().map_or(0, |&last| last as usize + 1);
        let mut members = vec![Vec::new(); count];
        for (picture, &class) in classes.iter().enumerate() {
            members[class as usize].push(picture);
        }
        members.retain(|pictures| !pictures.is_empty());
        if members.len() < 2 {
            return Err(SamplerError::TooFewIdentities { found: members.len() });
        }
        let identities = settings.identities.clamp(2, members.len());
        let settings = PkSettings { identities, pictures: settings.pictures.max(1), ..settings };
        Ok(Self { members, cameras: cameras.to_vec(), settings })
    }

    /// P·K, with P as large as the set allows.
    pub fn batch_size(&self) -> usize {
        self.settings.identities * self.settings.pictures
    }

    /// About as many batches as it takes to see each picture once, and at least one.
    pub fn batches_per_epoch(&self) -> usize {
        self.cameras.len().div_ceil(self.batch_size()).max(1)
    }

    /// Batches of picture indices, each `[P·K]` with the K of one identity side by side.
    ///
    /// Identities come in rounds: each is visited once, in a random order, before any is visited again.
    pub fn epoch(&self, rng: &mut impl Rng) -> Vec<Vec<usize>> {
        let mut waiting = Vec::new();
        let mut batches = Vec::with_capacity(self.batches_per_epoch());
        for _ in 0..self.batches_per_epoch() {
            let identities = self.next_identities(&mut waiting, rng);
            batches.push(identities.into_iter().flat_map(|identity| self.draw(identity, rng)).collect());
        }
        batches
    }

    /// The next P different identities off the end of `waiting`, which a new round refills *below* those of the old round.
    fn next_identities(&self, waiting: &mut Vec<usize>, rng: &mut impl Rng) -> Vec<usize> {
        let wanted = self.settings.identities;
        if waiting.len() >= wanted {
            return waiting.split_off(waiting.len() - wanted);
        }
        let mut chosen = std::mem::take(waiting);
        let mut round: Vec<usize> = (0..self.members.len()).collect();
        round.shuffle(rng);
        let (seen, fresh): (Vec<usize>, Vec<usize>) = round.into_iter().partition(|identity| chosen.contains(identity));
        *waiting = seen;
        waiting.extend(fresh);
        chosen.extend(waiting.split_off(waiting.len() - (wanted - chosen.len())));
        chosen
    }

    /// K pictures of one identity, repeated in turn where it has fewer.
    fn draw(&self, identity: usize, rng: &mut impl Rng) -> Vec<usize> {
        let mut pictures = self.members[identity].clone();
        pictures.shuffle(rng);
        if self.settings.camera_balanced {
            pictures = self.interleave(&pictures);
        }
        pictures.into_iter().cycle().take(self.settings.pictures).collect()
    }

    /// One picture of each camera in turn; cameras in the order in which they first occur, which is random already.
    fn interleave(&self, pictures: &[usize]) -> Vec<usize> {
        let mut turns: Vec<(usize, usize)> = Vec::with_capacity(pictures.len());
        for (position, &picture) in pictures.iter().enumerate() {
            let earlier = pictures[..position].iter().filter(|&&other| self.cameras[other] == self.cameras[picture]);
            turns.push((earlier.count(), picture));
        }
        turns.sort_by_key(|&(turn, _)| turn);
        turns.into_iter().map(|(_, picture)| picture).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use std::collections::{HashMap, HashSet};

    fn rng(seed: u64) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(seed)
    }

    proptest! {
        #[test]
        fn batches_hold_p_identities_with_k_pictures_each(
            sizes in prop::collection::vec(1usize..9, 2..12),
            identities in 1usize..8,
            pictures in 1usize..6,
            camera_balanced: bool,
            seed: u64,
        ) {
            let classes: Vec<u32> = (0u32..).zip(&sizes).flat_map(|(class, &n)| vec![class; n]).collect();
            let cameras: Vec<u32> = (0..classes.len() as u32).map(|i| i * 7 % 3).collect();
            let settings = PkSettings { identities, pictures, camera_balanced };
            let sampler = PkSampler::new(&classes, &cameras, settings).unwrap();
            let p = identities.clamp(2, sizes.len());
            let batches = sampler.epoch(&mut rng(seed));
            prop_assert_eq!(&batches, &sampler.epoch(&mut rng(seed)));
            prop_assert_eq!(batches.len(), classes.len().div_ceil(p * pictures));
            let mut visits = vec![0usize; sizes.len()];
            for batch in &batches {
                prop_assert_eq!(batch.len(), p * pictures);
                let mut seen = HashSet::new();
                for group in batch.chunks_exact(pictures) {
                    let class = classes[group[0]];
                    prop_assert!(group.iter().all(|&picture| classes[picture] == class));
                    prop_assert!(seen.insert(class));
                    let different = group.iter().collect::<HashSet<_>>().len();
                    prop_assert_eq!(different, pictures.min(sizes[class as usize]));
                    visits[class as usize] += 1;
                }
            }
            prop_assert!(visits.iter().max().unwrap() - visits.iter().min().unwrap() <= 1, "rounds: {:?}", visits);
        }
    }

    #[test]
    fn camera_balance_takes_other_cameras_first() {
        let classes = [vec![0; 8], vec![1; 8]].concat();
        let cameras = [0, 0, 0, 0, 0, 1, 2, 2, 0, 0, 0, 0, 0, 0, 0, 3];
        let settings = PkSettings { identities: 2, pictures: 3, camera_balanced: true };
        let sampler = PkSampler::new(&classes, &cameras, settings).unwrap();
        for seed in 0..50 {
            for group in sampler.epoch(&mut rng(seed)).concat().chunks_exact(3) {
                let views: HashSet<u32> = group.iter().map(|&picture| cameras[picture]).collect();
                assert_eq!(views.len(), if classes[group[0]] == 0 { 3 } else { 2 });
            }
        }
    }

    #[test]
    fn every_picture_of_an_identity_has_its_turn() {
        let (classes, cameras) = ([0, 0, 0, 0, 0, 1, 1], [0, 0, 0, 0, 1, 0, 1]);
        let settings = PkSettings { identities: 2, pictures: 2, camera_balanced: false };
        let sampler = PkSampler::new(&classes, &cameras, settings).unwrap();
        let mut counts: HashMap<usize, usize> = HashMap::new();
        for seed in 0..500 {
            sampler
                .epoch(&mut rng(seed))
                .concat()
                .into_iter()
                .for_each(|picture| *counts.entry(picture).or_default() += 1);
        }
        assert!((0..5).all(|picture| (300..=500).contains(&counts[&picture])), "{counts:?}");
    }

    #[test]
    fn one_identity_is_an_error_that_says_so() {
        let error = PkSampler::new(&[3, 3, 3], &[0, 1, 2], PkSettings::default()).unwrap_err();
        assert_eq!(error, SamplerError::TooFewIdentities { found: 1 });
        assert!(error.to_string().contains("at least 2"));
        assert!(PkSampler::new(&[], &[], PkSettings::default()).is_err());
    }
}
