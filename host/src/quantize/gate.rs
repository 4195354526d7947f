//! Step 8: what int8 costs in retrieval, on identities that the network was not trained on.

use super::QuantizeError;
use crate::evaluation::{
    Embeddings, EvaluationError, Ranking, Verification, neighbour_agreement, pair_scores, rank, verify,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use std::collections::BTreeMap;

/// What int8 may cost in mAP unless told otherwise: half a point.
pub const BUDGET: f64 = 0.005;
/// Neighbours of each picture that are compared.
pub const NEIGHBOURS: usize = 10;
/// Resamplings of the identities.
const BOOTSTRAPS: usize = 1000;
/// Identities below which chance rules, and no model is refused.
const LEAST_IDENTITIES: usize = 10;
/// Impostor pairs that a false accept rate must let through to be measured at all.
const LEAST_ACCEPTED: f64 = 10.0;

/// How well one network finds the held-out identities again; fractions of 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Retrieval {
    /// Mean average precision, every picture searching all others of other cameras.
    pub map: f64,
    /// Share of pictures whose nearest is of their identity.
    pub rank1: f64,
    /// True accept rate at [`Gate::far`].
    pub tar: f64,
}

/// Float and int8 side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Gate {
    /// Pictures that search.
    pub queries: usize,
    /// Identities that they show.
    pub identities: usize,
    /// The float network.
    pub float: Retrieval,
    /// The camera's.
    pub int8: Retrieval,
    /// mAP of float − int8: what was lost, below zero where int8 does better.
    pub map_loss: f64,
    /// Between which the loss lies in 90 % of bootstraps over identities, both networks on the same ones.
    pub map_loss_interval: [f64; 2],
    /// The false accept rate at which `tar` is measured: the least of 0.1, 0.01, 0.001 and 0.0001 that ten impostor pairs show.
    pub far: f64,
    /// Share of each picture's ten nearest that both networks name.
    pub neighbour_agreement: f64,
    /// Mean over the pictures of the cosine between their int8 and their float embedding.
    pub mean_cosine: f64,
    /// The least of them.
    pub least_cosine: f64,
}

impl Gate {
    /// Measures both: rows of `float` and `int8` are embeddings of the same pictures. `reference` is what int8 stands for: the
    /// float embeddings, turned into fewer components where a camera does not hold them all.
    ///
    /// # Errors
    /// [`EvaluationError`] where nothing can be ranked: no identity seen by two cameras, or one identity only.
    pub fn measure(float: &Embeddings, reference: &Embeddings, int8: &Embeddings) -> Result<Self, EvaluationError> {
        let agreement = neighbour_agreement(float, int8, NEIGHBOURS)?;
        let rankings = [rank(float, float)?, rank(int8, int8)?];
        let pairs = [verify(&pair_scores(float, float)?), verify(&pair_scores(int8, int8)?)];
        let far = measurable(&pairs[0]);
        let [of_float, of_int8] = [0, 1].map(|network| Retrieval {
            map: rankings[network].map,
            rank1: rankings[network].rank1(),
            tar: pairs[network].operating.iter().find(|point| point.target == far).map_or(0.0, |point| point.tar),
        });
        let losses = losses(float, &rankings);
        let rows = (0..float.len())
            .map(|row| reference.row(row).iter().zip(int8.row(row)).map(|(a, b)| f64::from(a * b)).sum());
        let cosines: Vec<f64> = rows.collect();
        Ok(Self {
            queries: rankings[0].queries.len(),
            identities: losses.len(),
            float: of_float,
            int8: of_int8,
            map_loss: of_float.map - of_int8.map,
            map_loss_interval: interval(&losses),
            far,
            neighbour_agreement: agreement,
            mean_cosine: cosines.iter().sum::<f64>() / cosines.len() as f64,
            least_cosine: cosines.iter().copied().fold(1.0, f64::min),
        })
    }

    /// Whether int8 loses more than `budget` of mAP, and not by chance: with few identities a rank that two alike pictures
    /// swap weighs more than the budget. So there must be ten, and the lower end of the interval must be above zero.
    pub fn exceeds(&self, budget: f64) -> bool {
        self.identities >= LEAST_IDENTITIES && self.map_loss > budget && self.map_loss_interval[0] > 0.0
    }

    /// The error that refuses the model, and blames `layer`.
    pub fn refusal(&self, budget: f64, layer: String) -> QuantizeError {
        QuantizeError::Budget { loss: self.map_loss, budget, identities: self.identities, layer }
    }
}

/// The least rate that the impostor pairs can show.
fn measurable(verification: &Verification) -> f64 {
    let shown = |target: f64| target * verification.impostors as f64 >= LEAST_ACCEPTED;
    let targets = verification.operating.iter().map(|point| point.target);
    let greatest = targets.clone().fold(0.0, f64::max);
    targets.filter(|&target| shown(target)).fold(greatest, f64::min)
}

/// For each identity how much average precision its pictures lose together, and how many they are.
fn losses(embeddings: &Embeddings, [float, int8]: &[Ranking; 2]) -> Vec<(f64, usize)> {
    let mut by_identity = BTreeMap::<usize, (f64, usize)>::new();
    for (float, int8) in float.queries.iter().zip(&int8.queries) {
        if let Some(identity) = embeddings.identities()[float.query].known() {
            let entry = by_identity.entry(identity).or_default();
            *entry = (entry.0 + float.average_precision - int8.average_precision, entry.1 + 1);
        }
    }
    by_identity.into_values().collect()
}

/// The 5th and 95th percentile of the mean loss over identities drawn with replacement.
fn interval(losses: &[(f64, usize)]) -> [f64; 2] {
    if losses.is_empty() {
        return [0.0; 2];
    }
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let mut mean = || {
        let drawn = (0..losses.len()).map(|_| losses[random.random_range(0..losses.len())]);
        let (sum, count) = drawn.fold((0.0, 0), |(sum, count), (loss, pictures)| (sum + loss, count + pictures));
        sum / count as f64
    };
    let mut means: Vec<f64> = (0..BOOTSTRAPS).map(|_| mean()).collect();
    means.sort_by(f64::total_cmp);
    [means[BOOTSTRAPS / 20], means[BOOTSTRAPS - 1 - BOOTSTRAPS / 20]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Identity;

    /// `identities` directions with four pictures of two cameras each around them, some farther off than others.
    fn crowd(identities: usize, noise: f32, seed: u64) -> Embeddings {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut centres = ChaCha8Rng::seed_from_u64(99);
        let (mut vectors, mut who, mut cameras) = (vec![], vec![], vec![]);
        for identity in 0..identities {
            let centre: Vec<f32> = (0..16).map(|_| centres.random::<f32>() - 0.5).collect();
            for picture in 0..4 {
                vectors.extend(centre.iter().map(|c| c + noise * (random.random::<f32>() - 0.5)));
                who.push(Identity::Known(identity));
                cameras.push(picture % 2);
            }
        }
        Embeddings::new(16, vectors, who, cameras).unwrap()
    }

    #[test]
    fn the_same_embeddings_lose_nothing() {
        let float = crowd(30, 0.8, 1);
        let gate = Gate::measure(&float, &float, &float).unwrap();
        assert_eq!((gate.map_loss, gate.map_loss_interval, gate.neighbour_agreement), (0.0, [0.0; 2], 1.0));
        assert!((gate.mean_cosine - 1.0).abs() < 1e-6 && gate.float == gate.int8 && !gate.exceeds(0.0));
        assert_eq!((gate.queries, gate.identities, gate.far), (120, 30, 0.001));
        assert!(gate.float.map > 0.5 && gate.float.tar > 0.3 && gate.float.rank1 > 0.5, "{gate:?}");
    }

    #[test]
    fn noise_is_a_loss_that_the_budget_refuses_and_the_other_way_round_it_is_a_gain() {
        let (float, noisy) = (crowd(40, 0.6, 2), crowd(40, 1.6, 3));
        let gate = Gate::measure(&float, &float, &noisy).unwrap();
        assert!(gate.map_loss > 0.05 && gate.exceeds(BUDGET) && !gate.exceeds(0.9), "{gate:?}");
        assert!(gate.map_loss_interval[0] < gate.map_loss && gate.map_loss < gate.map_loss_interval[1]);
        assert!(gate.neighbour_agreement < 0.8 && gate.mean_cosine < 0.95 && gate.least_cosine < gate.mean_cosine);
        assert!(!Gate::measure(&noisy, &noisy, &float).unwrap().exceeds(0.0));
        let message = gate.refusal(BUDGET, "blocks.3.project (its weights)".into()).to_string();
        assert!(["blocks.3.project", "40", "0.50", "--force"].iter().all(|part| message.contains(part)), "{message}");
    }

    /// Of a few identities, one pair of pictures that swaps places is more than the budget, and yet chance.
    #[test]
    fn one_swap_among_few_is_no_reason_to_refuse() {
        let entries = |last: f32| {
            let angles = [0.0, 5.0, 20.0, 25.0, 40.0, last, 60.0, 65.0];
            let entries: Vec<(f32, usize, u32)> =
                angles.iter().enumerate().map(|(i, &angle)| (angle, i / 2, (i % 2) as u32)).collect();
            Embeddings::on_the_circle(&entries)
        };
        let float = entries(45.0);
        let gate = Gate::measure(&float, &float, &entries(50.5)).unwrap();
        assert!(gate.map_loss > BUDGET && !gate.exceeds(BUDGET), "{gate:?}");
    }

    #[test]
    fn pictures_that_nobody_can_match_are_an_error() {
        let alone = Embeddings::on_the_circle(&[(0.0, 0, 0), (9.0, 1, 0)]);
        assert!(matches!(Gate::measure(&alone, &alone, &alone), Err(EvaluationError::NoMatches { .. })));
    }
}
