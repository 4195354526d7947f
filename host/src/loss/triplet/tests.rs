//! Every mining, distance and margin against the definition, in f64 and O(B³).

use super::super::check::{self, EdgeCase, plain_normalize};
use super::*;

const MININGS: [Mining; 4] = [Mining::BatchHard, Mining::BatchAll, Mining::BatchWeighted, Mining::SemiHard];
const METRICS: [Metric; 3] = [Metric::Euclidean, Metric::SquaredEuclidean, Metric::Cosine];
const FALLBACKS: [Fallback; 3] = [Fallback::Skip, Fallback::Farthest, Fallback::Hardest];

/// Each setting that passes its own check.
fn all_settings() -> Vec<TripletSettings> {
    let mut all = Vec::new();
    for mining in MININGS {
        for distance in METRICS {
            for (margin, soft_margin) in [(0.3, false), (5.0, false), (0.3, true)] {
                for (normalize, fallback) in
                    FALLBACKS.map(|f| (false, f)).into_iter().chain(FALLBACKS.map(|f| (true, f)))
                {
                    all.push(TripletSettings {
                        weight: 1.0,
                        mining,
                        margin,
                        soft_margin,
                        distance,
                        normalize,
                        fallback,
                    });
                }
            }
        }
    }
    all.retain(|settings| settings.check().is_ok());
    all
}

/// The definition.
struct Plain<'a> {
    settings: TripletSettings,
    identities: &'a [u32],
    /// The first rows, which alone are anchors.
    anchors: usize,
}

impl Plain<'_> {
    fn value(&self, x: &[f64], dimension: usize) -> f64 {
        let normalized = plain_normalize(x, dimension);
        let x = if self.settings.normalizes() { &normalized } else { x };
        let distance = |i: usize, j: usize| {
            let length = check::plain_distance(x, dimension, i, j);
            match self.settings.distance {
                Metric::Euclidean => length,
                Metric::SquaredEuclidean => length.powi(2),
                Metric::Cosine => 1.0 - check::plain_product(x, dimension, i, j),
            }
        };
        let mut charges = Vec::new();
        for anchor in 0..self.anchors {
            let (positives, negatives) = check::plain_partition(self.identities, anchor);
            let near: Vec<f64> = positives.iter().map(|&p| distance(anchor, p)).collect();
            let far: Vec<f64> = negatives.iter().map(|&n| distance(anchor, n)).collect();
            if !near.is_empty() && !far.is_empty() {
                charges.extend(self.differences(&near, &far).into_iter().map(|z| self.charge(z)));
            }
        }
        if self.settings.mining == Mining::BatchAll && !self.settings.soft_margin {
            charges.retain(|&charge| charge > 0.0);
        }
        if charges.is_empty() { 0.0 } else { charges.iter().sum::<f64>() / charges.len() as f64 }
    }

    /// d(a,p) − d(a,n) of each of the anchor's triplets, from its distances to positives and negatives.
    fn differences(&self, near: &[f64], far: &[f64]) -> Vec<f64> {
        let pairs = near.iter().flat_map(|&p| far.iter().map(move |&n| p - n));
        match self.settings.mining {
            Mining::BatchAll => pairs.collect(),
            Mining::BatchHard => vec![pairs.fold(f64::NEG_INFINITY, f64::max)],
            Mining::BatchWeighted => vec![weighted(near, 1.0) - weighted(far, -1.0)],
            Mining::SemiHard => near.iter().filter_map(|&p| Some(p - self.semi_hard(p, far)?)).collect(),
            Mining::Offline => unreachable!("mined elsewhere"),
        }
    }

    fn semi_hard(&self, near: f64, far: &[f64]) -> Option<f64> {
        let margin = f64::from(self.settings.margin);
        let band = far.iter().copied().filter(|&n| n > near && n <= near + margin);
        band.reduce(f64::min).or_else(|| match self.settings.fallback {
            Fallback::Skip => None,
            Fallback::Farthest => far.iter().copied().reduce(f64::max),
            Fallback::Hardest => far.iter().copied().reduce(f64::min),
        })
    }

    fn charge(&self, z: f64) -> f64 {
        if self.settings.soft_margin { z.exp().ln_1p() } else { (z + f64::from(self.settings.margin)).max(0.0) }
    }
}

fn weighted(distances: &[f64], sign: f64) -> f64 {
    let sum: f64 = distances.iter().map(|d| (sign * d).exp()).sum();
    distances.iter().map(|d| d * (sign * d).exp() / sum).sum()
}

#[test]
fn every_setting_equals_its_plain_twin_and_its_central_differences() {
    for settings in all_settings() {
        for case in check::cases() {
            let loss = settings.on(&case.batch(), &[]);
            eprintln!("{settings:?}, {}: {loss:?}", case.name);
            assert!(loss.value.is_finite() && loss.gradient.iter().all(|g| g.is_finite()));
            let twin = Plain { settings, identities: &case.identities, anchors: case.identities.len() };
            let plain = |x: &[f64]| twin.value(x, case.dimension);
            match comparison(&settings, &case) {
                Comparison::Gradient => check::value_and_gradient(&case, loss.value, &loss.gradient, plain),
                Comparison::Value => {
                    let at: Vec<f64> = case.embeddings.iter().copied().map(f64::from).collect();
                    assert!((f64::from(loss.value) - plain(&at)).abs() < 1e-4);
                }
                Comparison::Zero => assert!(loss.gradient.iter().all(|&g| g.abs() < 1e-6)),
                Comparison::None => {}
            }
        }
    }
}

#[test]
fn with_past_batches_too() {
    for settings in all_settings() {
        check::with_past(&settings, |x, &check::Rows { dimension, identities, anchors, .. }| {
            Plain { settings, identities, anchors }.value(x, dimension)
        });
    }
}

/// How far the plain twin can be followed.
enum Comparison {
    Gradient,
    /// Of two coinciding negatives either may be chosen, and one as far as the positive is on the edge of the semi-hard band:
    /// the loss has a kink or a jump.
    Value,
    /// Where all coincide, a picture's distance to the rest grows in both directions: no difference to compare.
    Zero,
    /// The twin's e^−d is 0 for squared distances of thousands; the fast one subtracts the nearest first.
    None,
}

fn comparison(settings: &TripletSettings, case: &EdgeCase) -> Comparison {
    let squared = settings.distance == Metric::SquaredEuclidean && !settings.normalizes();
    match (case.name, settings.mining) {
        ("all equal", _) => Comparison::Zero,
        ("satisfied", Mining::BatchWeighted) if squared => Comparison::None,
        ("two identical embeddings", Mining::SemiHard) => Comparison::Value,
        _ => Comparison::Gradient,
    }
}

#[test]
fn nothing_to_compare_and_nothing_active_cost_nothing() {
    for settings in all_settings() {
        for case in check::cases() {
            let loss = settings.on(&case.batch(), &[]);
            let alone = ["one identity only", "no positives", "empty"].contains(&case.name);
            let satisfied = case.name == "satisfied" && !settings.soft_margin && !settings.normalizes();
            if alone || (satisfied && settings.margin < 1.0) {
                assert_eq!((loss.value, loss.active_fraction), (0.0, 0.0), "{settings:?} {}", case.name);
                assert!(loss.gradient.iter().all(|&g| g == 0.0), "{settings:?} {}", case.name);
            }
        }
    }
}

#[test]
fn all_equal_is_stuck_at_the_margin_with_all_active() {
    let case = EdgeCase::all_equal();
    for mining in MININGS {
        let hinge = TripletSettings { mining, ..TripletSettings::default() }.on(&case.batch(), &[]);
        assert_eq!((hinge.value, hinge.active_fraction), (0.3, 1.0), "{mining:?}");
        let soft = TripletSettings { mining, soft_margin: true, ..TripletSettings::default() }.on(&case.batch(), &[]);
        assert!((soft.value - std::f32::consts::LN_2).abs() < 1e-6, "{mining:?}");
    }
}

/// Anchors 0 and 1 at 0 and 1, negatives at 1.5 and 3: z + m = −0.2, −1.7, 0.8 and −0.7 for m = 0.3.
#[test]
fn batch_all_averages_over_the_active_only() {
    let batch = Batch { embeddings: &[0.0, 1.0, 1.5, 3.0], dimension: 1, identities: &[0, 0, 1, 2] };
    let loss = TripletSettings { mining: Mining::BatchAll, ..TripletSettings::default() }.on(&batch, &[]);
    assert!((loss.value - 0.8).abs() < 1e-6, "{}", loss.value);
    assert_eq!(loss.active_fraction, 0.25);
    assert_eq!((loss.positive_distance, loss.negative_distance), (1.0, 1.75));
    assert_eq!(loss.gradient, [-1.0, 2.0, -1.0, 0.0]);
}

#[test]
fn triplets_mined_before_are_charged_as_given() {
    let batch = Batch { embeddings: &[0.0, 1.0, 1.5, 3.0], dimension: 1, identities: &[0, 0, 1, 2] };
    let settings = TripletSettings { mining: Mining::Offline, ..TripletSettings::default() };
    let triplets = [(1, 0, 2), (0, 1, 3)].map(|(anchor, positive, negative)| Triplet { anchor, positive, negative });
    let loss = settings.on(&batch, &triplets);
    assert!((loss.value - 0.4).abs() < 1e-6 && loss.active_fraction == 0.5);
    assert_eq!(settings.on(&batch, &[]), MetricLoss::nothing(4));
}

#[test]
fn settings_that_cannot_stand_together_are_named() {
    let semi_hard = TripletSettings { mining: Mining::SemiHard, soft_margin: true, ..TripletSettings::default() };
    let fallback = TripletSettings { fallback: Fallback::Skip, ..TripletSettings::default() };
    for (settings, part) in [(semi_hard, "soft_margin"), (fallback, "fallback")] {
        let message = settings.check().unwrap_err().to_string();
        assert!(message.contains("semi_hard") && message.contains(part), "{message}");
    }
}

#[test]
fn normalized_distances_ignore_the_length_of_embeddings() {
    let settings = TripletSettings { soft_margin: true, normalize: true, ..TripletSettings::default() };
    let case = EdgeCase::random(11, &[0, 0, 1, 1, 2, 2], 4);
    let longer: Vec<f32> = case.embeddings.iter().map(|x| x * 8.0).collect();
    let short = settings.on(&case.batch(), &[]);
    let long = settings.on(&Batch { embeddings: &longer, ..case.batch() }, &[]);
    assert!((short.value - long.value).abs() < 1e-6);
    assert!(short.positive_distance <= 2.0 && short.negative_distance <= 2.0);
}

#[test]
fn the_result_does_not_depend_on_the_number_of_threads() {
    let identities: Vec<u32> = (0..60).map(|row| row / 4).collect();
    let case = EdgeCase::random(12, &identities, 20);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    for settings in all_settings() {
        assert_eq!(settings.on(&case.batch(), &[]), pool.install(|| settings.on(&case.batch(), &[])));
    }
}
