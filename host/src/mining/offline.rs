//! Offline mining: of all triplets of a set, those of each class that are nearest to their band's lower end, by quota.
//!
//! All N³ triplets are *counted* by class, none is stored: an anchor's negatives are sorted once, and then each of its
//! positives cuts them into hard, semi-hard and easy by two binary searches. O(N² (D + log N)) time; in memory a block of
//! distance rows a thread and at most as many triplets as are asked for.

use super::pool::{Candidate, Pool};
use super::{Counts, MiningError, Triplet, TripletClass, distance_rows};
use crate::progress::Progress;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Anchors whose distances are computed together.
const BLOCK: usize = 16;

/// Which triplets to choose.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OfflineSettings {
    /// Epochs between two minings of a training run; 0 keeps the triplets that the run began with.
    pub every: u64,
    /// How many to choose; fewer where a class does not have its share.
    pub triplets: usize,
    /// m, between L2-normalized embeddings: it divides easy from semi-hard.
    pub margin: f32,
    /// Share of easy triplets.
    pub easy: f32,
    /// Share of semi-hard triplets.
    pub semi_hard: f32,
    /// Share of hard triplets. The hardest of a set are often mistakes in its labels: a share of 1 learns those.
    pub hard: f32,
    /// k: of each anchor–positive pair and class only the k nearest negatives can be chosen.
    pub candidates: usize,
}

impl Default for OfflineSettings {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl OfflineSettings {
    /// Mostly semi-hard.
    pub const DEFAULT: Self =
        Self { every: 0, triplets: 20_000, margin: 0.3, easy: 0.1, semi_hard: 0.6, hard: 0.3, candidates: 8 };

    /// Checks every number.
    ///
    /// # Errors
    /// [`MiningError::Setting`] or [`MiningError::Quota`].
    pub fn check(&self) -> Result<(), MiningError> {
        let setting = |name, fits: bool, value: String, expected| {
            fits.then_some(()).ok_or(MiningError::Setting { name, value, expected })
        };
        setting("triplets", self.triplets > 0, self.triplets.to_string(), "at least 1")?;
        setting("candidates", self.candidates > 0, self.candidates.to_string(), "at least 1")?;
        let fits = self.margin > 0.0 && self.margin.is_finite();
        setting("margin", fits, self.margin.to_string(), "a number above 0")?;
        let quotas = [self.easy, self.semi_hard, self.hard];
        let sum: f32 = quotas.iter().sum();
        let fits = quotas.iter().all(|quota| (0.0..=1.0).contains(quota)) && (sum - 1.0).abs() < 1e-3;
        let [easy, semi_hard, hard] = quotas;
        fits.then_some(()).ok_or(MiningError::Quota { easy, semi_hard, hard })
    }

    /// How many triplets of each class are wanted, rounded.
    pub fn wanted(&self) -> Counts {
        let of = |quota: f32| (self.triplets as f64 * f64::from(quota)).round() as u64;
        Counts { easy: of(self.easy), semi_hard: of(self.semi_hard), hard: of(self.hard) }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Mined {
    /// Rows of the set, in the order of anchors, then positives, then negatives.
    pub triplets: Vec<(TripletClass, Triplet)>,
    /// All triplets of the set by class.
    pub examined: Counts,
    /// Those chosen.
    pub chosen: Counts,
}

/// Counts all triplets of a set by class and chooses some by quota, evenly at random among the candidates: for each
/// anchor–positive pair and each class the `candidates` nearest negatives.
///
/// Follows from the embeddings and `seed` alone, whatever the number of threads. An identity with one picture gives no
/// anchor, only negatives. Of equal distances the lower row is the nearer.
///
/// # Shapes
/// `embeddings`: `[N, dimension]`, L2-normalized; `identities`: `[N]`.
///
/// # Errors
/// [`MiningError`]: settings, an embedding that is not finite, no pair of one identity or only one identity, nothing of the
/// wanted classes, or an interruption.
pub fn mine(
    embeddings: &[f32],
    dimension: usize,
    identities: &[u32],
    settings: &OfflineSettings,
    seed: u64,
    progress: &dyn Progress,
) -> Result<Mined, MiningError> {
    settings.check()?;
    if let Some(index) = embeddings.iter().position(|x| !x.is_finite()) {
        return Err(MiningError::NotFinite { row: index / dimension.max(1) });
    }
    let set = Set { embeddings, dimension, identities, settings, seed };
    let wanted = settings.wanted();
    let blocks: Vec<usize> = (0..identities.len()).step_by(BLOCK).collect();
    progress.start("mining triplets", identities.len() as u64);
    let pool = blocks
        .into_par_iter()
        .try_fold(
            || Pool::new(wanted),
            |mut pool, start| {
                let block = start..(start + BLOCK).min(identities.len());
                progress.advance(block.len() as u64);
                set.examine(block, &mut pool);
                (!progress.interrupted()).then_some(pool).ok_or(MiningError::Interrupted)
            },
        )
        .try_reduce(|| Pool::new(wanted), |a, b| Ok(a.merged(b)));
    progress.finish();
    finish(pool?, wanted)
}

fn finish(pool: Pool, wanted: Counts) -> Result<Mined, MiningError> {
    let examined = pool.examined;
    let mined = Mined { chosen: pool.chosen(), triplets: pool.into_triplets(), examined };
    if examined.total() == 0 {
        return Err(MiningError::NoTriplets);
    }
    if mined.triplets.is_empty() {
        return Err(MiningError::NothingWanted { wanted, examined });
    }
    Ok(mined)
}

/// A frozen set.
struct Set<'a> {
    embeddings: &'a [f32],
    dimension: usize,
    identities: &'a [u32],
    settings: &'a OfflineSettings,
    seed: u64,
}

impl Set<'_> {
    fn examine(&self, block: Range<usize>, pool: &mut Pool) {
        let rows = distance_rows(self.embeddings, self.dimension, block.clone());
        let mut negatives = Vec::new();
        for (row, anchor) in rows.chunks_exact(self.identities.len()).zip(block) {
            self.anchor(anchor, row, &mut negatives, pool);
        }
    }

    /// `negatives` is scratch: (distance, row) in one number each, which sorts by distance and then by row.
    fn anchor(&self, anchor: usize, row: &[f32], negatives: &mut Vec<u64>, pool: &mut Pool) {
        let identity = self.identities[anchor];
        let is_positive = |other: usize| other != anchor && self.identities[other] == identity;
        let positives: Vec<usize> = (0..row.len()).filter(|&other| is_positive(other)).collect();
        if positives.is_empty() {
            return;
        }
        negatives.clear();
        let others = (0..row.len()).filter(|&other| self.identities[other] != identity);
        // Bits of floats from 0 are in the order of the floats.
        negatives.extend(others.map(|other| u64::from(row[other].to_bits()) << 32 | other as u64));
        negatives.sort_unstable();
        let nearer = |limit: f32| negatives.partition_point(|&key| f32::from_bits((key >> 32) as u32) <= limit);
        for positive in positives {
            let [hard, semi_hard] = TripletClass::limits(row[positive], self.settings.margin).map(nearer);
            let bands = [semi_hard..negatives.len(), hard..semi_hard, 0..hard];
            for (class, band) in TripletClass::ALL.into_iter().zip(bands) {
                pool.examined.add(class, band.len() as u64);
                for &key in negatives[band].iter().take(self.settings.candidates) {
                    let negative = (key & u64::from(u32::MAX)) as usize;
                    pool.offer(Candidate::new(self.seed, class, Triplet { anchor, positive, negative }));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
