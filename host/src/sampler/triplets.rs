//! Batches of mined triplets.

use super::{Draw, Members, SamplerError, SamplerSettings};
use crate::mining::Triplet;
use rand::Rng;
use rand::seq::SliceRandom;
use std::collections::HashMap;

/// Draws the batches of an epoch.
#[derive(Debug, Clone)]
pub struct TripletSampler {
    /// T, triplets in a batch.
    triplets: usize,
    pictures: usize,
    alone: usize,
}

impl TripletSampler {
    /// T = P·K/3, so that a batch is about as large as it would be with P×K.
    ///
    /// # Errors
    /// [`SamplerError::TooFewIdentities`] below two identities.
    pub fn new(members: &Members, settings: SamplerSettings) -> Result<Self, SamplerError> {
        let [identities, paired] = [1, 2].map(|pictures| members.with_at_least(pictures).len());
        if identities < 2 {
            return Err(SamplerError::TooFewIdentities { found: identities });
        }
        let triplets = (settings.identities * settings.pictures / 3).max(1);
        Ok(Self { triplets, pictures: members.pictures(), alone: identities - paired })
    }

    /// 3·T: fewer where triplets share pictures.
    pub fn batch_size(&self) -> usize {
        3 * self.triplets
    }

    /// As many as it takes to show as many pictures as there are, and at least one.
    pub fn batches_per_epoch(&self) -> usize {
        self.pictures.div_ceil(self.batch_size()).max(1)
    }

    /// Identities with one picture.
    pub fn alone(&self) -> usize {
        self.alone
    }

    /// Batches of T triplets from `mined`, whose rows are pictures of the set; a picture that several of them share stands in
    /// the batch once. A triplet comes again only when all have been drawn. None where nothing was mined.
    pub fn epoch(&self, mined: &[Triplet], rng: &mut impl Rng) -> Vec<Draw> {
        let mut waiting: Vec<Triplet> = Vec::new();
        let mut next = || {
            if waiting.is_empty() {
                waiting.extend_from_slice(mined);
                waiting.shuffle(rng);
            }
            waiting.pop()
        };
        let batches = if mined.is_empty() { 0 } else { self.batches_per_epoch() };
        (0..batches).map(|_| gather((0..self.triplets).filter_map(|_| next()))).collect()
    }
}

/// The pictures of some triplets, each once in the order in which they first occur, and the triplets as rows among them.
fn gather(triplets: impl Iterator<Item = Triplet>) -> Draw {
    let mut rows: HashMap<usize, usize> = HashMap::new();
    let mut draw = Draw::of(Vec::new());
    for Triplet { anchor, positive, negative } in triplets {
        let [anchor, positive, negative] = [anchor, positive, negative].map(|picture| {
            *rows.entry(picture).or_insert_with(|| {
                draw.pictures.push(picture);
                draw.pictures.len() - 1
            })
        });
        draw.triplets.push(Triplet { anchor, positive, negative });
    }
    draw
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn sampler(pictures: usize, identities: usize) -> TripletSampler {
        let classes: Vec<u32> = (0..pictures as u32).map(|picture| picture / 3).collect();
        let settings = SamplerSettings { identities, pictures: 3, ..SamplerSettings::default() };
        TripletSampler::new(&Members::new(&classes, &vec![0; pictures]), settings).unwrap()
    }

    proptest! {
        #[test]
        fn rows_lead_back_to_the_mined_triplets(
            mined in prop::collection::vec((0usize..30, 0usize..30, 0usize..30), 1..60),
            t in 1usize..7,
            seed: u64,
        ) {
            let mined: Vec<Triplet> =
                mined.iter().map(|&(anchor, positive, negative)| Triplet { anchor, positive, negative }).collect();
            let sampler = sampler(30, t);
            let draws = sampler.epoch(&mined, &mut ChaCha8Rng::seed_from_u64(seed));
            prop_assert_eq!(draws.len(), 30usize.div_ceil(3 * t));
            let mut counts = vec![0usize; mined.len()];
            for draw in &draws {
                prop_assert_eq!(draw.triplets.len(), t);
                prop_assert!(draw.pictures.len() <= sampler.batch_size());
                let mut pictures = draw.pictures.clone();
                pictures.sort_unstable();
                pictures.dedup();
                prop_assert_eq!(pictures.len(), draw.pictures.len());
                for rows in &draw.triplets {
                    let of = |row: usize| draw.pictures[row];
                    let back = Triplet {
                        anchor: of(rows.anchor),
                        positive: of(rows.positive),
                        negative: of(rows.negative),
                    };
                    let equal: Vec<usize> = (0..mined.len()).filter(|&index| mined[index] == back).collect();
                    prop_assert!(!equal.is_empty());
                    let least = *equal.iter().min_by_key(|&&index| counts[index]).unwrap();
                    counts[least] += 1;
                }
            }
            prop_assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{:?}", counts);
        }
    }

    #[test]
    fn nothing_mined_gives_no_batch_and_one_identity_is_an_error() {
        assert!(sampler(9, 2).epoch(&[], &mut ChaCha8Rng::seed_from_u64(1)).is_empty());
        let single = Members::new(&[0, 0], &[0, 0]);
        let error = TripletSampler::new(&single, SamplerSettings::default()).unwrap_err();
        assert_eq!(error, SamplerError::TooFewIdentities { found: 1 });
        let alone = Members::new(&[0, 0, 1], &[0, 0, 0]);
        assert_eq!(TripletSampler::new(&alone, SamplerSettings::default()).unwrap().alone(), 1);
    }
}
