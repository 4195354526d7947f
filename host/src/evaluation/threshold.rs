//! The score from which somebody is accepted, chosen by how often strangers may be.

use super::scores::Scorer;
use super::{Embeddings, EvaluationError};
use crate::dataset::Identity;

/// The lowest threshold at which at most the share `rate` of the impostor scores is accepted.
///
/// A score is accepted when it is at least the threshold. With `n` impostors, `k = ⌊rate · n⌋` of them may pass: the
/// threshold is the next number above the `(k + 1)`-th highest score. It never admits more than asked for, also with ties;
/// with fewer than `1 / rate` impostors it lies above all of them. At a rate of 1 everybody passes: −∞.
///
/// # Errors
/// [`EvaluationError::NoImpostors`] without scores.
pub fn threshold_at(impostors: &[f32], rate: f64) -> Result<f32, EvaluationError> {
    if impostors.is_empty() {
        return Err(EvaluationError::NoImpostors);
    }
    let allowed = (rate.clamp(0.0, 1.0) * impostors.len() as f64) as usize;
    if allowed >= impostors.len() {
        return Ok(f32::NEG_INFINITY);
    }
    let mut scores = impostors.to_vec();
    let (_, barred, _) = scores.select_nth_unstable_by(allowed, |a, b| b.total_cmp(a));
    Ok(barred.next_up())
}

/// For each probe of a known identity or a distractor, its highest similarity with a gallery entry of *another* known
/// identity: the score at which a camera would take it for somebody else. Probes without such an entry are left out.
///
/// # Errors
/// [`EvaluationError::Dimensions`].
pub fn impostor_maxima(probes: &Embeddings, gallery: &Embeddings) -> Result<Vec<f32>, EvaluationError> {
    probes.check_against(gallery)?;
    let maxima = Scorer::new(probes, gallery).map(|probe, scores| {
        let who = probes.identities()[probe];
        let is_other = |entry: &Identity| entry.known().is_some() && *entry != who && who != Identity::Junk;
        let entries = gallery.identities().iter().zip(scores.iter().copied());
        entries.filter(|(entry, _)| is_other(entry)).map(|(_, score)| score).max_by(f32::total_cmp)
    });
    Ok(maxima.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Identity::{Distractor, Junk, Known};
    use proptest::prelude::*;

    #[test]
    fn the_threshold_admits_at_most_the_rate_never_the_nearest() {
        let impostors = [0.1, 0.9, 0.5, 0.5, 0.3];
        let accepted = |rate: f64| {
            let threshold = threshold_at(&impostors, rate).unwrap();
            impostors.iter().filter(|&&score| score >= threshold).count()
        };
        assert_eq!(accepted(0.0), 0);
        assert_eq!(accepted(0.19), 0, "0.2 would be nearer");
        assert_eq!(accepted(0.2), 1);
        assert_eq!(accepted(0.4), 1, "a tie is not split");
        assert_eq!(accepted(0.6), 3);
        assert_eq!(accepted(1.0), 5);
        assert!(threshold_at(&[], 0.1).is_err());
    }

    proptest! {
        #[test]
        fn no_lower_threshold_would_do(scores in prop::collection::vec(0u8..20, 1..40), rate in 0.0f64..0.99) {
            let scores: Vec<f32> = scores.into_iter().map(f32::from).collect();
            let threshold = threshold_at(&scores, rate).unwrap();
            let share = |t: f32| scores.iter().filter(|&&s| s >= t).count() as f64 / scores.len() as f64;
            prop_assert!(share(threshold) <= rate);
            prop_assert!(share(threshold.next_down()) > rate);
        }
    }

    #[test]
    fn maxima_are_over_other_known_identities() {
        let gallery =
            Embeddings::new(1, vec![1.0, -1.0, 1.0, 1.0], vec![Known(0), Known(1), Junk, Distractor], vec![0; 4])
                .unwrap();
        let probes = Embeddings::new(1, vec![1.0, 1.0, 1.0], vec![Known(0), Known(7), Junk], vec![1; 3]).unwrap();
        assert_eq!(impostor_maxima(&probes, &gallery).unwrap(), [-1.0, 1.0]);
    }
}
