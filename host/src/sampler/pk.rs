//! P×K: P identities with K pictures each, so that every anchor finds positives and negatives in its batch.

use super::members::Members;
use super::rounds::{Rounds, last};
use super::{Draw, SamplerError, SamplerSettings};
use rand::Rng;

/// Draws the batches of an epoch.
#[derive(Debug, Clone)]
pub struct PkSampler {
    members: Members,
    classes: Vec<usize>,
    settings: SamplerSettings,
}

impl PkSampler {
    /// P as large as the classes allow, and K from the settings.
    ///
    /// # Errors
    /// [`SamplerError::TooFewIdentities`] below two identities.
    pub fn new(members: Members, settings: SamplerSettings) -> Result<Self, SamplerError> {
        let classes = members.with_at_least(1);
        if classes.len() < 2 {
            return Err(SamplerError::TooFewIdentities { found: classes.len() });
        }
        let identities = settings.identities.clamp(2, classes.len());
        let settings = SamplerSettings { identities, pictures: settings.pictures.max(1), ..settings };
        Ok(Self { members, classes, settings })
    }

    /// P·K.
    pub fn batch_size(&self) -> usize {
        self.settings.identities * self.settings.pictures
    }

    /// About as many batches as it takes to see each picture once, and at least one.
    pub fn batches_per_epoch(&self) -> usize {
        self.members.pictures().div_ceil(self.batch_size()).max(1)
    }

    /// Batches of P·K pictures, with the K of one identity side by side.
    pub fn epoch(&self, rng: &mut impl Rng) -> Vec<Draw> {
        self.epoch_with(rng, last)
    }

    /// [`Self::epoch`] with another choice of who stands together: see [`Rounds::next`].
    pub fn epoch_with(&self, rng: &mut impl Rng, pick: impl Fn(&[usize], &[usize]) -> usize) -> Vec<Draw> {
        let SamplerSettings { identities, pictures, camera_balanced, .. } = self.settings;
        let mut rounds = Rounds::new(&self.classes);
        let batch = |_| {
            let chosen = rounds.next(identities, rng, &pick);
            let draw = |class| self.members.draw(class, pictures, camera_balanced, rng);
            Draw::of(chosen.into_iter().flat_map(draw).collect())
        };
        (0..self.batches_per_epoch()).map(batch).collect()
    }

    /// The identities with one picture, which only repeats: its copies are its only positives.
    pub fn alone(&self) -> usize {
        self.classes.len() - self.members.with_at_least(2).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use std::collections::{HashMap, HashSet};

    fn sampler(
        classes: &[u32],
        cameras: &[u32],
        identities: usize,
        pictures: usize,
        camera_balanced: bool,
    ) -> Result<PkSampler, SamplerError> {
        let settings = SamplerSettings { identities, pictures, camera_balanced, ..SamplerSettings::default() };
        PkSampler::new(Members::new(classes, cameras), settings)
    }

    fn epoch(sampler: &PkSampler, seed: u64) -> Vec<Vec<usize>> {
        sampler.epoch(&mut ChaCha8Rng::seed_from_u64(seed)).into_iter().map(|draw| draw.pictures).collect()
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
            let sampler = sampler(&classes, &cameras, identities, pictures, camera_balanced).unwrap();
            let p = identities.clamp(2, sizes.len());
            let batches = epoch(&sampler, seed);
            prop_assert_eq!(&batches, &epoch(&sampler, seed));
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
        let sampler = sampler(&classes, &cameras, 2, 3, true).unwrap();
        for seed in 0..50 {
            for group in epoch(&sampler, seed).concat().chunks_exact(3) {
                let views: HashSet<u32> = group.iter().map(|&picture| cameras[picture]).collect();
                assert_eq!(views.len(), if classes[group[0]] == 0 { 3 } else { 2 });
            }
        }
    }

    #[test]
    fn every_picture_of_an_identity_has_its_turn() {
        let (classes, cameras) = ([0, 0, 0, 0, 0, 1, 1], [0, 0, 0, 0, 1, 0, 1]);
        let sampler = sampler(&classes, &cameras, 2, 2, false).unwrap();
        let mut counts: HashMap<usize, usize> = HashMap::new();
        for seed in 0..500 {
            let pictures = epoch(&sampler, seed).concat();
            pictures.into_iter().for_each(|picture| *counts.entry(picture).or_default() += 1);
        }
        assert!((0..5).all(|picture| (300..=500).contains(&counts[&picture])), "{counts:?}");
    }

    #[test]
    fn one_identity_is_an_error_that_says_so() {
        let error = sampler(&[3, 3, 3], &[0, 1, 2], 16, 4, true).unwrap_err();
        assert_eq!(error, SamplerError::TooFewIdentities { found: 1 });
        assert!(error.to_string().contains("at least 2"));
        assert!(sampler(&[], &[], 16, 4, true).is_err());
    }
}
