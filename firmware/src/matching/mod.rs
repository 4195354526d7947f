//! An embedding and a gallery → a decision, in exact integers.
//!
//! Of two cosines the greater one always wins, however close they are; of two equal ones, the lower number. So a camera,
//! a simulator and the host's evaluation decide alike.

mod nearest;

use deja_shared::embedding::{Embedding, Similarity};
use deja_shared::protocol::messages::Decision;

use crate::gallery::Gallery;
use nearest::{Nearest, Score, nearest};

/// An identity and the cosine to the nearest of its templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Its number.
    pub identity: u32,
    /// How near it is.
    pub similarity: Similarity,
}

/// Who a probe shows (1:N, open set).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identification {
    /// Whether `best` reaches the threshold.
    pub decision: Decision,
    /// The nearest identity; `None` for an empty gallery.
    pub best: Option<Candidate>,
    /// The nearest other identity.
    pub runner_up: Option<Candidate>,
    /// Number of templates that were compared.
    pub compared: usize,
}

/// Whether a probe shows one identity (1:1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verification {
    /// Whether the nearest template reaches the threshold.
    pub decision: Decision,
    /// The cosine to it.
    pub similarity: Similarity,
}

impl Identification {
    /// How much nearer the best is than the runner-up, in 1/2¹⁵; `None` where there are not two.
    pub fn margin_q15(&self) -> Option<i32> {
        let (best, runner_up) = (self.best?, self.runner_up?);
        Some(i32::from(best.similarity.to_q15()) - i32::from(runner_up.similarity.to_q15()))
    }
}

/// Compares a probe with every template: max over an identity's templates, then the two nearest identities.
///
/// `threshold` is the least cosine of a match in 1/2¹⁵, decided exactly.
pub fn identify(gallery: &Gallery, probe: &Embedding, threshold: i16) -> Identification {
    let candidate = |score: Score| {
        let similarity = Similarity::new(score.dot, [probe.norm(), score.norm]);
        Candidate { identity: score.identity, similarity }
    };
    let Nearest { best, runner_up } = nearest(gallery.templates(), probe);
    let (best, runner_up) = (best.map(candidate), runner_up.map(candidate));
    let decision = decide(best.map(|candidate| candidate.similarity), threshold);
    Identification { decision, best, runner_up, compared: gallery.templates().len() }
}

/// Compares a probe with the templates of one identity, one by one; `None` if there is no such identity.
///
/// `threshold` as in [`identify`].
pub fn verify(gallery: &Gallery, identity: u32, probe: &Embedding, threshold: i16) -> Option<Verification> {
    let similarities = gallery.templates().of(identity).map(|template| probe.similarity(&template.embedding));
    let similarity = similarities.max()?;
    Some(Verification { decision: decide(Some(similarity), threshold), similarity })
}

fn decide(similarity: Option<Similarity>, threshold: i16) -> Decision {
    match similarity {
        Some(similarity) if similarity.reaches(threshold) => Decision::Match,
        _ => Decision::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deja_shared::embedding::{MAX_DIMENSION, Q15_ONE};
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::format;
    use std::vec::Vec;

    fn embedding(raw: &[i16]) -> Embedding {
        Embedding::from_raw(raw).unwrap()
    }

    fn gallery(templates: &[(&str, &[i16])]) -> Gallery {
        let mut gallery = Gallery::new();
        for (name, raw) in templates {
            gallery.add(&[0; 32], name, &embedding(raw)).unwrap();
        }
        gallery
    }

    fn numbers(found: &Identification) -> (Option<u32>, Option<u32>) {
        (found.best.map(|c| c.identity), found.runner_up.map(|c| c.identity))
    }

    #[test]
    fn an_empty_gallery_knows_nobody() {
        let found = identify(&Gallery::new(), &embedding(&[1, 2]), i16::MIN);
        assert_eq!((found.decision, found.compared), (Decision::Unknown, 0));
        assert_eq!((numbers(&found), found.margin_q15()), ((None, None), None));
        assert_eq!(verify(&Gallery::new(), 1, &embedding(&[1, 2]), i16::MIN), None);
    }

    #[test]
    fn the_runner_up_is_another_identity() {
        let known = gallery(&[("Ada", &[10, 0]), ("Ada", &[10, 1]), ("Bob", &[0, 10]), ("Ada", &[10, 2])]);
        let found = identify(&known, &embedding(&[10, 0]), Q15_ONE);
        assert_eq!((found.decision, numbers(&found)), (Decision::Match, (Some(1), Some(2))));
        assert_eq!((found.margin_q15(), found.compared), (Some(32_767), 4));
    }

    #[test]
    fn equal_cosines_go_to_the_lower_number() {
        let known = gallery(&[("Ada", &[0, 1]), ("Bob", &[1, 1]), ("Cleo", &[1, 1])]);
        assert_eq!(numbers(&identify(&known, &embedding(&[1, 1]), 0)), (Some(2), Some(3)));
        // Templates in another order than the numbers.
        let known = gallery(&[("Ada", &[0, 1]), ("Bob", &[1, 0]), ("Ada", &[1, 0])]);
        assert_eq!(numbers(&identify(&known, &embedding(&[1, 0]), 0)), (Some(1), Some(2)));
    }

    #[test]
    fn the_threshold_decides() {
        let known = gallery(&[("Ada", &[1, 1])]);
        // cos 45° · 2¹⁵ = 23170.475
        assert_eq!(identify(&known, &embedding(&[1, 0]), 23_170).decision, Decision::Match);
        assert_eq!(identify(&known, &embedding(&[1, 0]), 23_171).decision, Decision::Unknown);
        assert_eq!(verify(&known, 1, &embedding(&[1, 0]), 23_170).unwrap().decision, Decision::Match);
        assert_eq!(verify(&known, 1, &embedding(&[1, 0]), 23_171).unwrap().decision, Decision::Unknown);
        assert_eq!(verify(&known, 2, &embedding(&[1, 0]), 0), None);
    }

    proptest! {
        /// Few different components, so that equal cosines are common.
        #[test]
        fn ranks_as_a_sorted_list_does(
            templates in proptest::collection::vec((0..6u8, proptest::collection::vec(-2..=2i16, 3)), 0..20),
            probe in proptest::collection::vec(-2..=2i16, 3),
            threshold: i16,
        ) {
            check(&templates, &probe, threshold)?;
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// So many templates that most are passed over.
        #[test]
        fn ranks_many_templates_as_a_sorted_list_does((templates, probe) in many(), threshold: i16) {
            check(&templates, &probe, threshold)?;
        }
    }

    fn many() -> impl Strategy<Value = (Vec<(u8, Vec<i16>)>, Vec<i16>)> {
        (1..=MAX_DIMENSION).prop_flat_map(|dimension| {
            let component = || prop_oneof![3 => -127..=127i16, 2 => -1..=1i16, 1 => Just(127i16), 1 => Just(-127i16)];
            let raw = move || proptest::collection::vec(component(), dimension);
            (proptest::collection::vec((0..40u8, raw()), 0..150), raw())
        })
    }

    fn check(templates: &[(u8, Vec<i16>)], probe: &[i16], threshold: i16) -> Result<(), TestCaseError> {
        let Ok(probe) = Embedding::from_raw(probe) else { return Ok(()) };
        let (mut known, mut nearest) = (Gallery::new(), BTreeMap::new());
        for (name, raw) in templates {
            let Ok(template) = Embedding::from_raw(raw) else { continue };
            let Ok(number) = known.add(&[0; 32], &format!("{name}"), &template) else { continue };
            let similarity = probe.similarity(&template);
            let entry = nearest.entry(number).or_insert(similarity);
            *entry = similarity.max(*entry);
        }
        let candidate = |(&identity, &similarity)| Candidate { identity, similarity };
        let mut sorted: Vec<_> = nearest.iter().map(candidate).collect();
        // Stable, and the map is by ascending number.
        sorted.sort_by_key(|candidate| core::cmp::Reverse(candidate.similarity));
        let found = identify(&known, &probe, threshold);
        prop_assert_eq!(found.best, sorted.first().copied());
        prop_assert_eq!(found.runner_up, sorted.get(1).copied());
        let matched = sorted.first().is_some_and(|best| best.similarity.reaches(threshold));
        prop_assert_eq!(found.decision == Decision::Match, matched);
        for (&number, &similarity) in &nearest {
            prop_assert_eq!(verify(&known, number, &probe, threshold).map(|v| v.similarity), Some(similarity));
        }
        Ok(())
    }
}
