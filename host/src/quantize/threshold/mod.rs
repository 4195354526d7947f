//! The decision threshold: from which cosine on a camera says that it knows somebody.

mod division;

use deja_shared::embedding::{Embedding, Q15_ONE};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::QuantizeError;
use division::{Division, Scores, people, quantile};

/// What stands in a model's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threshold {
    /// Least cosine of a match, in 1/2¹⁵.
    pub q15: i16,
    /// The false positive identification rate for which it was chosen, in parts per million.
    pub fpir_ppm: u32,
    /// The number of identities in the gallery for which it was chosen.
    pub gallery_identities: u16,
}

impl Threshold {
    /// No threshold has been chosen: the camera takes everybody but an exact copy for a stranger.
    pub const NOBODY: Self = Self { q15: Q15_ONE, fpir_ppm: 0, gallery_identities: 0 };
}

/// What the threshold shall achieve, and with how much certainty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// Wanted false positive identification rate: the fraction of strangers' pictures that are taken for somebody.
    pub fpir: f64,
    /// In which fraction of random divisions into gallery and strangers that rate must be kept. This is the safety
    /// margin: it covers that other people, and other pictures of them, will come.
    pub confidence: f64,
    /// Templates that each identity of the gallery enrolls with.
    pub templates: usize,
    /// Identities that a camera will have in its gallery; `None`: as many as the held-out half.
    pub gallery_identities: Option<u16>,
    /// Number of random divisions.
    pub divisions: usize,
    /// Seed of the divisions.
    pub seed: u64,
}

impl Default for Policy {
    /// 5 % of strangers' pictures, kept in 9 of 10 divisions, 4 templates an identity.
    fn default() -> Self {
        Self { fpir: 0.05, confidence: 0.9, templates: 4, gallery_identities: None, divisions: 200, seed: 0 }
    }
}

/// A chosen threshold and what it does on the held-out identities themselves, over all divisions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice {
    /// For the header.
    pub threshold: Threshold,
    /// Fraction of strangers' pictures taken for somebody, with the gallery of a division.
    pub strangers_accepted: f64,
    /// The false positive identification rate to expect with the gallery that the threshold was chosen for.
    pub fpir: f64,
    /// Between which it lies in 95 % of the divisions; the upper end is not below what so few strangers cannot rule out.
    pub fpir_interval: [f64; 2],
    /// Between which the divisions' own thresholds lie, 95 % of them, in 1/2¹⁵.
    pub q15_interval: [i16; 2],
    /// Fraction of further pictures of people in the gallery that were named rightly.
    pub known_recognised: f64,
    /// Held-out identities that took part.
    pub identities: usize,
}

/// A picture of an identity that the network was not trained on, embedded as the camera does it.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldOut {
    /// What it is compared with as a template.
    pub probe: Embedding,
    /// What it is enrolled with; the same, unless a gallery was adapted from another model.
    pub template: Embedding,
    /// Whom it shows.
    pub identity: u32,
}

/// Chooses the threshold from identities that the network was not trained on.
///
/// Identities with fewer than two pictures take part as strangers only. In each of many random divisions one half of the identities enrolls
/// and the other half are strangers; a picture's score is its greatest cosine to any template, as the camera decides.
/// In each division the (1 − FPIR) quantile of the strangers' scores keeps the rate; the threshold is the quantile of
/// these at [`Policy::confidence`].
///
/// A larger gallery gives strangers more chances: for G held-out identities instead of the wanted N, the rate is kept
/// at 1 − (1 − FPIR)^(G/N), as if each identity was an independent trial (Grother 2019, NISTIR 8271, §2).
///
/// # Errors
/// [`QuantizeError::HeldOut`] for too few identities, [`QuantizeError::Setting`] for rates outside 0..1.
pub fn choose(held_out: &[HeldOut], policy: &Policy) -> Result<Choice, QuantizeError> {
    check(policy)?;
    let people = people(held_out);
    let enrollable = people.iter().filter(|pictures| pictures.len() >= 2).count();
    if enrollable < MIN_ENROLLABLE || people.len() < 2 * MIN_ENROLLABLE {
        return Err(QuantizeError::HeldOut { identities: enrollable, needed: 2 * MIN_ENROLLABLE });
    }
    let scores = Scores::of(held_out);
    let gallery = (people.len() / 2).min(enrollable);
    let wanted = policy.gallery_identities.map_or(gallery as f64, |n| f64::from(n.max(1)));
    let rate = 1.0 - (1.0 - policy.fpir).powf(gallery as f64 / wanted);
    let mut random = ChaCha8Rng::seed_from_u64(policy.seed);
    let divisions: Vec<Division> =
        (0..policy.divisions).map(|_| Division::draw(&people, gallery, policy.templates, &mut random)).collect();
    let strangers: Vec<Vec<i16>> = divisions.iter().map(|division| division.stranger_scores(&scores)).collect();
    let limits: Vec<i16> = strangers.iter().map(|scores| quantile(scores.clone(), 1.0 - rate)).collect();
    // A score of exactly the threshold counts as a match, so the threshold lies one step above the quantile.
    let q15 = quantile(limits.clone(), policy.confidence).saturating_add(1);
    let threshold = Threshold {
        q15,
        fpir_ppm: (policy.fpir * 1e6).round() as u32,
        gallery_identities: policy.gallery_identities.unwrap_or(gallery.try_into().unwrap_or(u16::MAX)),
    };
    let accepted = |scores: &[i16]| fraction(scores.iter().map(|&score| score >= q15));
    let in_wanted = |rate: f64| 1.0 - (1.0 - rate).powf(wanted / gallery as f64);
    let rates: Vec<f64> = strangers.iter().map(|scores| in_wanted(accepted(scores))).collect();
    let fpir = rates.iter().sum::<f64>() / rates.len() as f64;
    Ok(Choice {
        threshold,
        strangers_accepted: accepted(&strangers.concat()),
        fpir,
        fpir_interval: [at(rates.clone(), ENDS[0]), at(rates, ENDS[1]).max(in_wanted(unseen(&strangers)))],
        q15_interval: ENDS.map(|end| quantile(limits.clone(), end).saturating_add(1)),
        known_recognised: fraction(divisions.iter().flat_map(|d| d.named_rightly(&scores, q15))),
        identities: people.len(),
    })
}

/// The ends of a 95 % interval.
const ENDS: [f64; 2] = [0.025, 0.975];

/// The rate that strangers' pictures without a single false match cannot rule out at 95 %: 3/n (the rule of three).
fn unseen(strangers: &[Vec<i16>]) -> f64 {
    let fewest = strangers.iter().map(Vec::len).min().unwrap_or(0);
    (3.0 / fewest.max(1) as f64).min(1.0)
}

/// Fewest identities that can be enrolled, and fewest strangers.
const MIN_ENROLLABLE: usize = 2;

fn check(policy: &Policy) -> Result<(), QuantizeError> {
    let open = "above 0 and below 1";
    for (setting, value) in [("the false positive rate", policy.fpir), ("the confidence", policy.confidence)] {
        if !(value > 0.0 && value < 1.0) {
            return Err(QuantizeError::Setting { setting, value, wanted: open });
        }
    }
    for (setting, value) in
        [("the number of templates", policy.templates), ("the number of divisions", policy.divisions)]
    {
        if value == 0 {
            return Err(QuantizeError::Setting { setting, value: 0.0, wanted: "at least 1" });
        }
    }
    Ok(())
}

/// [`quantile`] of fractions; 0 of none.
fn at(mut values: Vec<f64>, fraction: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (fraction * values.len() as f64).ceil() as usize;
    values.get(rank.clamp(1, values.len().max(1)) - 1).copied().unwrap_or(0.0)
}

fn fraction(outcomes: impl Iterator<Item = bool>) -> f64 {
    let (hits, all) = outcomes.fold((0u64, 0u64), |(hits, all), outcome| (hits + u64::from(outcome), all + 1));
    if all == 0 { 0.0 } else { hits as f64 / all as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    /// `pictures` embeddings around a random centre for each identity; a wide `spread` makes people alike.
    fn crowd(identities: u32, pictures: usize, spread: f32, seed: u64) -> Vec<HeldOut> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut embeddings = vec![];
        for identity in 0..identities {
            let centre: Vec<f32> = (0..32).map(|_| random.random::<f32>() - 0.5).collect();
            for _ in 0..pictures {
                let raw: Vec<i16> =
                    centre.iter().map(|c| ((c + spread * (random.random::<f32>() - 0.5)) * 8000.0) as i16).collect();
                let probe = Embedding::from_raw(&raw).unwrap();
                embeddings.push(HeldOut { template: probe.clone(), probe, identity });
            }
        }
        embeddings
    }

    #[test]
    fn new_strangers_keep_the_rate() {
        let choice = choose(&crowd(40, 8, 1.0, 1), &Policy { fpir: 0.05, ..Policy::default() }).unwrap();
        assert!(choice.strangers_accepted <= 0.05 && choice.strangers_accepted > 0.0, "{choice:?}");
        let fresh = crowd(40, 8, 1.0, 2);
        let (scores, people) = (Scores::of(&fresh), people(&fresh));
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let strangers = (0..50).flat_map(|_| Division::draw(&people, 20, 4, &mut random).stranger_scores(&scores));
        let accepted = fraction(strangers.map(|score| score >= choice.threshold.q15));
        assert!(accepted < 0.08, "{accepted}");
    }

    #[test]
    fn intervals_hold_the_rate_and_the_gallery_counts() {
        let crowd = crowd(40, 8, 1.0, 9);
        let choice = |gallery_identities| {
            choose(&crowd, &Policy { fpir: 0.05, gallery_identities, ..Policy::default() }).unwrap()
        };
        let as_held_out = choice(None);
        assert!((as_held_out.fpir - as_held_out.strangers_accepted).abs() < 1e-3, "{as_held_out:?}");
        for choice in [as_held_out, choice(Some(5)), choice(Some(200))] {
            let ([low, high], [least, greatest]) = (choice.fpir_interval, choice.q15_interval);
            assert!(low <= choice.fpir && choice.fpir <= high && low < high, "{choice:?}");
            assert!(high >= 0.05 && choice.fpir <= 0.06, "kept in nine of ten divisions: {choice:?}");
            assert!(least < choice.threshold.q15 && choice.threshold.q15 <= greatest, "{choice:?}");
        }
    }

    #[test]
    fn people_who_look_different_are_all_known() {
        let choice = choose(&crowd(12, 6, 0.1, 4), &Policy::default()).unwrap();
        assert_eq!((choice.known_recognised, choice.identities), (1.0, 12));
        assert_eq!((choice.threshold.fpir_ppm, choice.threshold.gallery_identities), (50_000, 6));
    }

    #[test]
    fn a_larger_gallery_asks_for_more() {
        let crowd = crowd(30, 6, 1.5, 5);
        let at = |gallery| choose(&crowd, &Policy { gallery_identities: gallery, fpir: 0.1, ..Policy::default() });
        assert!(at(Some(100)).unwrap().threshold.q15 > at(None).unwrap().threshold.q15);
        assert!(at(Some(5)).unwrap().threshold.q15 < at(None).unwrap().threshold.q15);
    }

    #[test]
    fn too_few_identities_and_senseless_rates_are_refused() {
        let few = choose(&crowd(3, 5, 0.5, 6), &Policy::default());
        assert!(matches!(few, Err(QuantizeError::HeldOut { identities: 3, needed: 4 })));
        let single = choose(&crowd(20, 1, 0.5, 7), &Policy::default());
        assert!(matches!(single, Err(QuantizeError::HeldOut { identities: 0, .. })));
        for policy in [Policy { fpir: 0.0, ..Policy::default() }, Policy { templates: 0, ..Policy::default() }] {
            assert!(matches!(choose(&crowd(9, 3, 0.5, 8), &policy), Err(QuantizeError::Setting { .. })));
        }
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_values() {
        assert_eq!(quantile(vec![5, 1, 3, 2, 4], 0.6), 3);
        assert_eq!(quantile(vec![5, 1], 0.99), 5);
        assert_eq!(quantile(vec![7], 0.01), 7);
    }
}
