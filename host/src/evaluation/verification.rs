//! Verification, 1:1: are two pictures of the same identity?
//!
//! A pair is accepted when its similarity is at least the threshold. TAR: accepted share of the genuine pairs. FAR:
//! accepted share of the impostor pairs. EER: where FAR = 1 − TAR.

use super::scores::Scorer;
use super::{Embeddings, EvaluationError};
use crate::dataset::Identity;
use rayon::prelude::*;

/// Points of the ROC curve: per decade of FAR, over this many decades.
const PER_DECADE: u32 = 20;
const DECADES: u32 = 5;
/// The false accept rates whose operating points are reported.
const TARGETS: [f64; 4] = [1e-1, 1e-2, 1e-3, 1e-4];

/// Similarities of all pairs of a query and a gallery entry, both from the highest to the lowest.
#[derive(Debug, Clone, PartialEq)]
pub struct PairScores {
    /// Of the same identity, from different cameras.
    pub genuine: Vec<f32>,
    /// Of different identities.
    pub impostor: Vec<f32>,
}

/// How pairs are told apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Verification {
    /// Genuine pairs.
    pub genuine: usize,
    /// Impostor pairs.
    pub impostors: usize,
    /// Equal error rate, interpolated between the two nearest thresholds.
    pub eer: f64,
    /// At FAR ≤ 0.1, 0.01, 0.001 and 0.0001.
    pub operating: Vec<OperatingPoint>,
    /// From the lowest FAR to 1, evenly in its logarithm.
    pub roc: Vec<OperatingPoint>,
}

/// What one threshold does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OperatingPoint {
    /// The false accept rate that was asked for; fewer than `1 / target` impostor pairs cannot show it.
    pub target: f64,
    /// The lowest threshold whose FAR is at most `target`.
    pub threshold: f32,
    /// The false accept rate at it.
    pub far: f64,
    /// The true accept rate at it.
    pub tar: f64,
}

/// Scores every pair. Junk is left out, and so are pairs of one identity from one camera and pairs of two distractors.
///
/// # Errors
/// [`EvaluationError::Dimensions`]; [`EvaluationError::NoMatches`] and [`EvaluationError::NoImpostors`] when one kind of
/// pair is missing.
pub fn pair_scores(queries: &Embeddings, gallery: &Embeddings) -> Result<PairScores, EvaluationError> {
    queries.check_against(gallery)?;
    let rows = Scorer::new(queries, gallery).map(|query, scores| {
        let mut pairs = PairScores { genuine: Vec::new(), impostor: Vec::new() };
        for (entry, &score) in scores.iter().enumerate() {
            let same_view = queries.cameras()[query] == gallery.cameras()[entry];
            match (queries.identities()[query], gallery.identities()[entry]) {
                (Identity::Junk, _) | (_, Identity::Junk) | (Identity::Distractor, Identity::Distractor) => {}
                (a, b) if a != b => pairs.impostor.push(score),
                _ if same_view => {}
                _ => pairs.genuine.push(score),
            }
        }
        pairs
    });
    let (genuine, impostor): (Vec<_>, Vec<_>) = rows.into_iter().map(|row| (row.genuine, row.impostor)).unzip();
    let (mut genuine, mut impostor) = (genuine.concat(), impostor.concat());
    if genuine.is_empty() {
        return Err(EvaluationError::NoMatches { queries: queries.len() });
    }
    if impostor.is_empty() {
        return Err(EvaluationError::NoImpostors);
    }
    for scores in [&mut genuine, &mut impostor] {
        scores.par_sort_unstable_by(|a, b| b.total_cmp(a));
    }
    Ok(PairScores { genuine, impostor })
}

/// Measures how well a threshold can tell genuine from impostor pairs.
///
/// `pairs` must be sorted as [`pair_scores`] does, with at least one of each kind.
pub fn verify(pairs: &PairScores) -> Verification {
    let steps = PER_DECADE * DECADES;
    let targets = (0..=steps).rev().map(|step| 10f64.powf(-f64::from(step) / f64::from(PER_DECADE)));
    Verification {
        genuine: pairs.genuine.len(),
        impostors: pairs.impostor.len(),
        eer: equal_error_rate(pairs),
        operating: TARGETS.iter().map(|&target| operating_point(pairs, target)).collect(),
        roc: targets.map(|target| operating_point(pairs, target)).collect(),
    }
}

/// As [`super::threshold_at`], on scores that are sorted already.
fn operating_point(pairs: &PairScores, target: f64) -> OperatingPoint {
    let allowed = (target * pairs.impostor.len() as f64) as usize;
    let threshold = pairs.impostor.get(allowed).map_or(f32::NEG_INFINITY, |barred| barred.next_up());
    let accepted =
        |scores: &[f32]| scores.partition_point(|&score| score >= threshold) as f64 / scores.len().max(1) as f64;
    OperatingPoint { target, threshold, far: accepted(&pairs.impostor), tar: accepted(&pairs.genuine) }
}

/// Lowers the threshold from score to score until false accepts outweigh false rejects, and interpolates there.
fn equal_error_rate(PairScores { genuine, impostor }: &PairScores) -> f64 {
    let (mut accepted, mut fooled) = (0, 0);
    let rates = |accepted: usize, fooled: usize| {
        (fooled as f64 / impostor.len().max(1) as f64, 1.0 - accepted as f64 / genuine.len().max(1) as f64)
    };
    let (mut far, mut frr) = (0.0, 1.0);
    while far < frr {
        let next = |scores: &[f32], at: usize| scores.get(at).copied().unwrap_or(f32::NEG_INFINITY);
        let threshold = next(genuine, accepted).max(next(impostor, fooled));
        if threshold == f32::NEG_INFINITY {
            return far;
        }
        accepted += genuine[accepted..].iter().take_while(|&&score| score >= threshold).count();
        fooled += impostor[fooled..].iter().take_while(|&&score| score >= threshold).count();
        let (new_far, new_frr) = rates(accepted, fooled);
        if new_far >= new_frr {
            let (gap, overshoot) = (frr - far, new_far - new_frr);
            return far + (new_far - far) * gap / (gap + overshoot);
        }
        (far, frr) = (new_far, new_frr);
    }
    far
}

#[cfg(test)]
mod tests {
    use super::*;
    use Identity::{Distractor, Junk, Known};
    use proptest::prelude::*;

    fn pairs(genuine: &[f32], impostor: &[f32]) -> PairScores {
        PairScores { genuine: genuine.to_vec(), impostor: impostor.to_vec() }
    }

    #[test]
    fn separable_pairs_have_no_error_and_the_direction_is_right() {
        let good = verify(&pairs(&[0.9, 0.8], &[0.2, 0.1]));
        assert_eq!(good.eer, 0.0);
        assert!(good.operating.iter().all(|point| point.tar == 1.0 && point.far == 0.0));
        assert_eq!(verify(&pairs(&[0.2, 0.1], &[0.9, 0.8])).eer, 1.0);
    }

    #[test]
    fn a_hand_computed_curve() {
        let genuine = [0.9, 0.7, 0.5, 0.3];
        let impostor = [0.8, 0.6, 0.4, 0.35, 0.25, 0.2, 0.15, 0.1, 0.05, 0.0];
        let measured = verify(&pairs(&genuine, &impostor));
        // FAR ≤ 0.1 lets one impostor pass: the threshold is just above 0.6.
        let point = measured.operating[0];
        assert!((point.threshold - 0.6).abs() < 1e-6 && point.threshold > 0.6);
        assert_eq!((point.far, point.tar), (0.1, 0.5));
        assert_eq!(measured.operating[1].tar, 0.25, "at FAR 0 only 0.9 passes");
        // Below 0.5: FAR 0.2, FRR 0.25. Below 0.4: FAR 0.3, FRR 0.25. The lines cross at 0.25.
        assert!((measured.eer - 0.25).abs() < 1e-12);
        assert!(measured.roc.windows(2).all(|two| two[0].far <= two[1].far && two[0].tar <= two[1].tar));
        assert_eq!(measured.roc.last().unwrap().tar, 1.0);
    }

    #[test]
    fn pairs_are_sorted_into_genuine_and_impostor() {
        let queries = Embeddings::new(1, vec![1.0; 3], vec![Known(0), Junk, Distractor], vec![1; 3]).unwrap();
        let gallery = Embeddings::new(
            1,
            vec![1.0, 1.0, -1.0, 1.0, 1.0],
            vec![Known(0), Known(0), Known(1), Junk, Distractor],
            vec![1, 2, 1, 2, 2],
        )
        .unwrap();
        let pairs = pair_scores(&queries, &gallery).unwrap();
        assert_eq!(pairs.genuine, [1.0]);
        assert_eq!(pairs.impostor, [1.0, 1.0, 1.0, -1.0, -1.0]);
        let nobody = gallery.filter(|index| index == 0);
        assert!(matches!(pair_scores(&queries, &nobody), Err(EvaluationError::NoMatches { .. })));
        let alone = (queries.filter(|index| index == 0), gallery.filter(|index| index == 1));
        assert!(matches!(pair_scores(&alone.0, &alone.1), Err(EvaluationError::NoImpostors)));
    }

    /// The definition: FAR and FRR at a threshold, by counting.
    fn rates_plainly(genuine: &[f32], impostor: &[f32], threshold: f32) -> (f64, f64) {
        let share = |scores: &[f32]| scores.iter().filter(|&&s| s >= threshold).count() as f64 / scores.len() as f64;
        (share(impostor), 1.0 - share(genuine))
    }

    proptest! {
        #[test]
        fn no_threshold_of_that_far_accepts_more_and_errors_are_equal_at_the_eer(
            mut genuine in prop::collection::vec(0u8..30, 1..40), mut impostor in prop::collection::vec(0u8..25, 1..60),
        ) {
            genuine.sort_unstable_by(|a, b| b.cmp(a));
            impostor.sort_unstable_by(|a, b| b.cmp(a));
            let [genuine, impostor] = [genuine, impostor].map(|scores| scores.into_iter().map(f32::from).collect::<Vec<_>>());
            let measured = verify(&pairs(&genuine, &impostor));
            let rates: Vec<(f64, f64)> = (0..=31).map(|t| rates_plainly(&genuine, &impostor, t as f32)).collect();
            for point in measured.operating.iter().chain(&measured.roc) {
                let allowed = rates.iter().filter(|(far, _)| *far <= point.target);
                let best = allowed.map(|(_, frr)| 1.0 - frr).fold(0.0, f64::max);
                prop_assert!((point.tar - best).abs() < 1e-12, "{} instead of {best}", point.tar);
                prop_assert!(point.far <= point.target);
                prop_assert_eq!(rates_plainly(&genuine, &impostor, point.threshold).0, point.far);
            }
            let low = rates.iter().map(|(far, frr)| far.min(*frr)).fold(0.0, f64::max);
            let high = rates.iter().map(|(far, frr)| far.max(*frr)).fold(1.0, f64::min);
            prop_assert!((low - 1e-12..=high + 1e-12).contains(&measured.eer), "{low} ≤ {} ≤ {high}", measured.eer);
        }
    }
}
