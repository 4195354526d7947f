//! P×K of classes that are confused with each other: negatives that are hard before any is mined.

use super::pk::PkSampler;
use super::rounds::last;
use super::{ClassEmbeddings, Draw, Members, SamplerError, SamplerSettings};
use crate::mining::distance;
use rand::Rng;

/// Draws the batches of an epoch.
#[derive(Debug, Clone)]
pub struct HardClassSampler {
    pk: PkSampler,
}

impl HardClassSampler {
    /// As [`PkSampler`] takes them.
    ///
    /// # Errors
    /// [`SamplerError::TooFewIdentities`] below two identities.
    pub fn new(members: Members, settings: SamplerSettings) -> Result<Self, SamplerError> {
        Ok(Self { pk: PkSampler::new(members, settings)? })
    }

    /// P·K.
    pub fn batch_size(&self) -> usize {
        self.pk.batch_size()
    }

    /// As P×K has.
    pub fn batches_per_epoch(&self) -> usize {
        self.pk.batches_per_epoch()
    }

    /// Identities with one picture.
    pub fn alone(&self) -> usize {
        self.pk.alone()
    }

    /// Each batch begins with a random class and takes, of the classes still to be visited in this round, those whose centers
    /// are nearest to the first one's. All classes are visited equally often: the end of a round has what is left of it.
    /// Without embeddings: as P×K.
    pub fn epoch(&self, classes: Option<&ClassEmbeddings>, rng: &mut impl Rng) -> Vec<Draw> {
        let Some(classes) = classes else { return self.pk.epoch(rng) };
        let (centers, dimension) = (classes.centers(), classes.dimension);
        let center = |class: usize| &centers[class * dimension..(class + 1) * dimension];
        self.pk.epoch_with(rng, |taken, waiting| match taken {
            [] => last(taken, waiting),
            [first, ..] => nearest(waiting.iter().map(|&class| distance(center(*first), center(class)))),
        })
    }
}

/// Position of the smallest, the first of equals.
fn nearest(distances: impl Iterator<Item = f32>) -> usize {
    let smallest = distances.enumerate().reduce(|best, other| if other.1 < best.1 { other } else { best });
    smallest.map_or(0, |(position, _)| position)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use std::collections::HashSet;

    /// Twelve classes in three crowds of four around the corners of a triangle; class c is of crowd c mod 3.
    fn crowds() -> (Members, ClassEmbeddings) {
        let classes: Vec<u32> = (0..48).map(|picture| picture / 4).collect();
        let members = Members::new(&classes, &[0; 48]);
        let angle = |class: usize| (class % 3) as f32 * 2.1 + (class / 3) as f32 * 0.01;
        let embeddings = (0..24).flat_map(|row| [angle(row / 2).cos(), angle(row / 2).sin()]).collect();
        let embeddings = ClassEmbeddings::new(&members, 12, 2, 2, embeddings);
        (members, embeddings)
    }

    #[test]
    fn batches_are_of_one_crowd_and_all_classes_have_their_turn() {
        let (members, embeddings) = crowds();
        let settings = SamplerSettings { identities: 4, pictures: 2, ..SamplerSettings::default() };
        let sampler = HardClassSampler::new(members, settings).unwrap();
        for seed in 0..20 {
            let draws = sampler.epoch(Some(&embeddings), &mut ChaCha8Rng::seed_from_u64(seed));
            assert_eq!(draws.len(), 6);
            let mut visits = [0; 12];
            for draw in &draws {
                let classes: HashSet<usize> = draw.pictures.iter().map(|picture| picture / 4).collect();
                assert_eq!(classes.len(), 4);
                assert_eq!(classes.iter().map(|class| class % 3).collect::<HashSet<_>>().len(), 1, "{classes:?}");
                classes.into_iter().for_each(|class| visits[class] += 1);
            }
            assert_eq!(visits, [2; 12]);
            assert_eq!(draws, sampler.epoch(Some(&embeddings), &mut ChaCha8Rng::seed_from_u64(seed)));
        }
    }

    #[test]
    fn without_embeddings_it_is_pk() {
        let (members, _) = crowds();
        let settings = SamplerSettings { identities: 4, pictures: 2, ..SamplerSettings::default() };
        let pk = PkSampler::new(members.clone(), settings).unwrap();
        let sampler = HardClassSampler::new(members, settings).unwrap();
        let rng = || ChaCha8Rng::seed_from_u64(1);
        assert_eq!(sampler.epoch(None, &mut rng()), pk.epoch(&mut rng()));
    }
}
