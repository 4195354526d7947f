//! What mining and losses cost on this computer.

use super::{Batch, LossError, LossTerm, Outputs, Sizes};
use crate::mining::{Triplet, batch_hard, distance::Distances};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use std::time::Instant;

/// Pictures of one identity in a batch.
const PICTURES: usize = 4;
/// Identities that an ID loss tells apart, as many as Market-1501 has to train on.
const IDENTITIES: usize = 751;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workload {
    /// Embeddings in a batch.
    pub batch: usize,
    /// Components of an embedding.
    pub dimension: usize,
    /// Batches measured; one more runs first to warm up.
    pub steps: usize,
}

/// The cost of one loss.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cost {
    /// One of [`LossTerm::NAMES`].
    pub loss: &'static str,
    /// Wall time of mining, value and gradient, by the median batch.
    pub milliseconds: f64,
    /// Share of its terms that were active: random embeddings, so most are.
    pub active_fraction: Option<f32>,
}

/// Evaluates every loss on random embeddings, on the threads of the pool it is called in.
///
/// # Errors
/// None: every name of [`LossTerm::NAMES`] is a loss.
pub fn costs(workload: Workload) -> Result<Vec<Cost>, LossError> {
    let Workload { batch, dimension, .. } = workload;
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let embeddings: Vec<f32> = (0..batch * dimension).map(|_| rng.random_range(-1.0..1.0)).collect();
    let identities: Vec<u32> = (0..batch).map(|row| (row / PICTURES % IDENTITIES) as u32).collect();
    let rows = Batch { embeddings: &embeddings, dimension, identities: &identities };
    let triplets = batch_hard(&Distances::new(&embeddings, dimension), &identities);
    let pictures: Vec<usize> = (0..batch).collect();
    LossTerm::NAMES.iter().map(|name| cost(name, workload, &rows, (&pictures, &triplets))).collect()
}

fn cost(
    name: &'static str,
    workload: Workload,
    batch: &Batch<'_>,
    (pictures, triplets): (&[usize], &[Triplet]),
) -> Result<Cost, LossError> {
    let term = LossTerm::named(name)?;
    let sizes = Sizes { dimension: workload.dimension, identities: IDENTITIES, teacher: None };
    let learned = term.loss().untrained(sizes, &mut ChaCha8Rng::seed_from_u64(1));
    let outputs = Outputs { raw: *batch, neck: *batch, pictures, triplets, teacher: None, past: None };
    let mut active_fraction = None;
    let mut milliseconds: Vec<f64> = (0..=workload.steps)
        .map(|_| {
            let start = Instant::now();
            let value = term.loss().evaluate(&outputs, &learned);
            active_fraction = value.pairs.map(|[active, ..]| active);
            start.elapsed().as_secs_f64() * 1e3
        })
        .skip(1)
        .collect();
    milliseconds.sort_by(f64::total_cmp);
    let median = milliseconds.get(milliseconds.len() / 2).copied().unwrap_or(0.0);
    Ok(Cost { loss: name, milliseconds: median, active_fraction })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_loss_is_measured() {
        let costs = costs(Workload { batch: 8, dimension: 4, steps: 2 }).unwrap();
        assert_eq!(costs.len(), LossTerm::NAMES.len());
        assert!(costs.iter().all(|cost| cost.milliseconds > 0.0));
        let active = |name| costs.iter().find(|cost| cost.loss == name).unwrap().active_fraction;
        assert!(active("offline").unwrap() > 0.0 && active("cross_entropy").is_none());
    }
}
