//! Open-set identification, 1:N with strangers: name whom we know, turn away whom we do not.
//!
//! A probe is named after its most similar gallery entry when that similarity is at least the threshold. Of probes of
//! strangers, FPIR is the share that is named at all; of probes of known people, DIR is the share that is named rightly
//! and FNIR = 1 − DIR. Intervals come from a bootstrap over identities, whose pictures are not independent: each round
//! draws as many known and unknown identities as there are, with repetition, and chooses its threshold anew.

use super::scores::Scorer;
use super::{Embeddings, EvaluationError, threshold_at};
use crate::dataset::Identity;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Rounds of the bootstrap.
const ROUNDS: u64 = 1_000;

/// How well known people are told from strangers.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenSet {
    /// Probes of enrolled identities.
    pub known: usize,
    /// Probes of strangers.
    pub strangers: usize,
    /// Gallery entries of enrolled identities.
    pub enrolled: usize,
    /// One for each rate that was asked for.
    pub points: Vec<OpenSetPoint>,
}

/// What one threshold does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OpenSetPoint {
    /// The false positive identification rate that was asked for.
    pub target: f64,
    /// The lowest threshold at which FPIR is at most that.
    pub threshold: f32,
    /// Share of strangers that are named.
    pub fpir: f64,
    /// Share of known people that are not named, or wrongly.
    pub fnir: f64,
    /// Share of known people that are named rightly.
    pub dir: Interval,
}

/// A figure with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// On all the data.
    pub value: f64,
    /// 2.5th percentile of the bootstrap.
    pub low: f64,
    /// 97.5th percentile.
    pub high: f64,
}

/// Of the queries' identities, in order, every second one: the strangers of an open-set evaluation.
pub fn every_second_identity(queries: &Embeddings) -> BTreeSet<usize> {
    let all: BTreeSet<usize> = queries.identities().iter().filter_map(|identity| identity.known()).collect();
    all.into_iter().skip(1).step_by(2).collect()
}

/// Enrolls the gallery without `strangers`, and probes it with all queries of known identity. Entries of a probe's own
/// identity and camera are left out, as in a ranking. `targets` are rates of FPIR; `seed` is the bootstrap's.
///
/// # Errors
/// [`EvaluationError::Dimensions`]; [`EvaluationError::NoMatches`] without a probe of an enrolled identity,
/// [`EvaluationError::NoImpostors`] without a probe of a stranger.
pub fn open_set(
    queries: &Embeddings,
    gallery: &Embeddings,
    strangers: &BTreeSet<usize>,
    targets: &[f64],
    seed: u64,
) -> Result<OpenSet, EvaluationError> {
    queries.check_against(gallery)?;
    let is_enrolled = |identity: Identity| identity.known().is_some_and(|index| !strangers.contains(&index));
    let enrolled = gallery.filter(|entry| is_enrolled(gallery.identities()[entry]));
    let probes = probe(queries, &enrolled);
    let known = Groups::of(&probes, |probe| probe.present);
    let unknown = Groups::of(&probes, |probe| strangers.contains(&probe.identity));
    if known.0.is_empty() {
        return Err(EvaluationError::NoMatches { queries: queries.len() });
    }
    if unknown.0.is_empty() {
        return Err(EvaluationError::NoImpostors);
    }
    let points = points(&known, &unknown, targets, seed)?;
    Ok(OpenSet { known: known.count(), strangers: unknown.count(), enrolled: enrolled.len(), points })
}

fn points(known: &Groups, unknown: &Groups, targets: &[f64], seed: u64) -> Result<Vec<OpenSetPoint>, EvaluationError> {
    let samples: Vec<Vec<f64>> = (0..ROUNDS)
        .into_par_iter()
        .map(|round| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(round);
            let (known, unknown) = (known.resampled(&mut rng), unknown.resampled(&mut rng));
            targets.iter().map(|&target| Ok(measure(&known, &unknown, target)?.1)).collect()
        })
        .collect::<Result<_, EvaluationError>>()?;
    let (known, unknown) = (known.0.concat(), unknown.0.concat());
    let points = targets.iter().enumerate().map(|(index, &target)| {
        let (threshold, dir) = measure(&known, &unknown, target)?;
        let fpir = share(&unknown, |probe| probe.score >= threshold);
        let dir = interval(dir, samples.iter().map(|round| round[index]).collect());
        Ok(OpenSetPoint { target, threshold, fpir, fnir: 1.0 - dir.value, dir })
    });
    points.collect()
}

/// A probe's best entry.
#[derive(Debug, Clone, Copy)]
struct Probe {
    identity: usize,
    score: f32,
    correct: bool,
    /// Whether its identity could have been found at all.
    present: bool,
}

fn probe(queries: &Embeddings, enrolled: &Embeddings) -> Vec<Probe> {
    let best = |query: usize, scores: &mut [f32]| {
        let identity = queries.identities()[query].known()?;
        let mut probe = Probe { identity, score: f32::NEG_INFINITY, correct: false, present: false };
        for (entry, &score) in scores.iter().enumerate() {
            let same = enrolled.identities()[entry] == Identity::Known(identity);
            if same && enrolled.cameras()[entry] == queries.cameras()[query] {
                continue;
            }
            probe.present |= same;
            if score > probe.score {
                (probe.score, probe.correct) = (score, same);
            }
        }
        Some(probe)
    };
    Scorer::new(queries, enrolled).map(best).into_iter().flatten().collect()
}

/// Probes by identity.
struct Groups(Vec<Vec<Probe>>);

impl Groups {
    fn of(probes: &[Probe], chosen: impl Fn(&Probe) -> bool) -> Self {
        let mut groups = BTreeMap::<usize, Vec<Probe>>::new();
        for probe in probes.iter().filter(|probe| chosen(probe)) {
            groups.entry(probe.identity).or_default().push(*probe);
        }
        Self(groups.into_values().collect())
    }

    fn resampled(&self, rng: &mut ChaCha8Rng) -> Vec<Probe> {
        (0..self.0.len()).flat_map(|_| self.0[rng.random_range(0..self.0.len())].iter().copied()).collect()
    }

    fn count(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }
}

/// The threshold for a rate of FPIR, and DIR at it.
fn measure(known: &[Probe], unknown: &[Probe], target: f64) -> Result<(f32, f64), EvaluationError> {
    let scores: Vec<f32> = unknown.iter().map(|probe| probe.score).collect();
    let threshold = threshold_at(&scores, target)?;
    Ok((threshold, share(known, |probe| probe.correct && probe.score >= threshold)))
}

fn share(probes: &[Probe], of: impl Fn(&Probe) -> bool) -> f64 {
    probes.iter().filter(|probe| of(probe)).count() as f64 / probes.len().max(1) as f64
}

fn interval(value: f64, mut samples: Vec<f64>) -> Interval {
    samples.sort_by(f64::total_cmp);
    let percentile = |share: f64| samples[(share * (samples.len() - 1) as f64).round() as usize];
    Interval { value, low: percentile(0.025), high: percentile(0.975) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On the unit circle, by angle in degrees.
    fn at(entries: &[(f32, usize, u32)]) -> Embeddings {
        let vectors = entries.iter().flat_map(|e| [e.0.to_radians().cos(), e.0.to_radians().sin()]).collect();
        let identities = entries.iter().map(|e| Identity::Known(e.1)).collect();
        Embeddings::new(2, vectors, identities, entries.iter().map(|e| e.2).collect()).unwrap()
    }

    #[test]
    fn a_hand_computed_case() {
        let gallery = at(&[(0.0, 0, 2), (90.0, 2, 2), (45.0, 1, 2)]);
        // Identity 0 at 5°, identity 2 once at 80° and once nearer to identity 0; stranger 1 at 45° and at 20°.
        let queries = at(&[(5.0, 0, 1), (80.0, 2, 1), (10.0, 2, 1), (45.0, 1, 1), (20.0, 1, 1)]);
        let strangers = every_second_identity(&queries);
        assert_eq!(strangers, BTreeSet::from([1]));
        let measured = open_set(&queries, &gallery, &strangers, &[0.0, 0.5, 1.0], 1).unwrap();
        assert_eq!((measured.known, measured.strangers, measured.enrolled), (3, 2, 2));
        // No stranger may pass: the threshold lies above cos 20°, which bars nobody known.
        let strict = measured.points[0];
        assert!((strict.threshold - 20f32.to_radians().cos()).abs() < 1e-5);
        assert_eq!(strict.fpir, 0.0);
        assert!((strict.dir.value - 2.0 / 3.0).abs() < 1e-12, "the probe at 10° is named wrongly");
        assert!((strict.fnir - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(measured.points[1].fpir, 0.5);
        assert_eq!(measured.points[2].fpir, 1.0);
        for point in &measured.points {
            assert!(point.dir.low <= point.dir.value && point.dir.value <= point.dir.high);
        }
        assert_eq!(measured, open_set(&queries, &gallery, &strangers, &[0.0, 0.5, 1.0], 1).unwrap());
    }

    /// Probes of `people`, whose own level varies more than their pictures do, so that pictures are not independent.
    fn people(rng: &mut ChaCha8Rng, people: usize, level: f32) -> Groups {
        let mut bell = |spread: f32| (0..4).map(|_| rng.random_range(-1.0f32..1.0)).sum::<f32>() * spread;
        let mut probe =
            |identity: usize, own: f32| Probe { identity, score: own + bell(0.05), correct: true, present: true };
        let levels: Vec<f32> =
            (0..people).map(|person| level + ((person * 37 % people) as f32 / people as f32 - 0.5)).collect();
        Groups(levels.iter().enumerate().map(|(id, &own)| (0..5).map(|_| probe(id, own)).collect()).collect())
    }

    #[test]
    fn the_interval_covers_the_truth_about_as_often_as_it_says() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let (all_known, all_unknown) = (people(&mut rng, 4_000, 0.4), people(&mut rng, 4_000, 0.0));
        let (_, truth) = measure(&all_known.0.concat(), &all_unknown.0.concat(), 0.1).unwrap();
        assert!((0.1..0.9).contains(&truth), "{truth} leaves nothing to estimate");
        let mut draw =
            |from: &Groups| Groups((0..50).map(|_| from.0[rng.random_range(0..from.0.len())].clone()).collect());
        let (mut covered, mut width) = (0, 0.0);
        for trial in 0..60 {
            let (known, unknown) = (draw(&all_known), draw(&all_unknown));
            let dir = points(&known, &unknown, &[0.1], trial).unwrap()[0].dir;
            covered += usize::from((dir.low..=dir.high).contains(&truth));
            width += (dir.high - dir.low) / 60.0;
        }
        // 57 of 60 are expected; 51 or fewer would happen by chance once in a hundred times.
        assert!(covered > 51, "{covered} of 60 intervals cover {truth}");
        assert!(width < 0.6, "intervals of width {width} say nothing");
    }

    #[test]
    fn without_strangers_or_known_people_there_is_no_rate() {
        let (queries, gallery) = (at(&[(5.0, 0, 1)]), at(&[(0.0, 0, 2)]));
        let nobody = open_set(&queries, &gallery, &BTreeSet::new(), &[0.1], 1);
        assert!(matches!(nobody, Err(EvaluationError::NoImpostors)));
        let everybody = open_set(&queries, &gallery, &BTreeSet::from([0]), &[0.1], 1);
        assert!(matches!(everybody, Err(EvaluationError::NoMatches { .. })));
    }
}
