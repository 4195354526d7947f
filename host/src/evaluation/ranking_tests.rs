//! Ranking against hand-computed cases and against a plain twin that sorts everything.

use super::*;
use proptest::prelude::*;

/// Embeddings in the plane whose similarity with the query `(1, 0)` is the given score.
fn with_scores(entries: &[(f32, Identity, u32)]) -> Embeddings {
    let vectors = entries.iter().flat_map(|&(score, ..)| [score, (1.0 - score * score).sqrt()]).collect();
    let (identities, cameras) = (entries.iter().map(|e| e.1).collect(), entries.iter().map(|e| e.2).collect());
    Embeddings::new(2, vectors, identities, cameras).unwrap()
}

const A: Identity = Identity::Known(0);
const B: Identity = Identity::Known(1);

#[test]
fn a_hand_computed_ranking() {
    // Sorted: 0.9 junk (out), 0.8 A from the query's camera (out), 0.7 B, 0.6 A (rank 2), 0.5 distractor, 0.4 A (rank 4).
    let gallery = with_scores(&[
        (0.4, A, 2),
        (0.9, Identity::Junk, 2),
        (0.7, B, 1),
        (0.8, A, 1),
        (0.5, Identity::Distractor, 3),
        (0.6, A, 3),
    ]);
    let ranking = rank(&with_scores(&[(1.0, A, 1)]), &gallery).unwrap();
    assert!((ranking.map - (1.0 / 2.0 + 2.0 / 4.0) / 2.0).abs() < 1e-12);
    assert!((ranking.minp - 2.0 / 4.0).abs() < 1e-12);
    assert_eq!((ranking.rank1(), ranking.at(2), ranking.rank5(), ranking.rank10()), (0.0, 1.0, 1.0, 1.0));
    assert_eq!((ranking.gallery, ranking.unmatched, ranking.queries[0].first_match), (6, 0, 2));
    let best: Vec<_> = ranking.queries[0].best.iter().map(|c| (c.gallery, c.correct)).collect();
    assert_eq!(best, [(2, false), (5, true), (4, false), (0, true)]);
}

#[test]
fn more_alike_ranks_higher() {
    let gallery = with_scores(&[(0.1, B, 2), (0.99, A, 2), (-0.8, B, 2)]);
    assert_eq!(rank(&with_scores(&[(1.0, A, 1)]), &gallery).unwrap().rank1(), 1.0);
}

#[test]
fn ties_go_to_the_lower_index() {
    let right_last = with_scores(&[(0.5, B, 2), (0.5, A, 2)]);
    let right_first = with_scores(&[(0.5, A, 2), (0.5, B, 2)]);
    let query = with_scores(&[(1.0, A, 1)]);
    assert_eq!(rank(&query, &right_last).unwrap().queries[0].first_match, 2);
    assert_eq!(rank(&query, &right_first).unwrap().queries[0].first_match, 1);
}

#[test]
fn queries_without_a_match_are_counted_apart() {
    let gallery = with_scores(&[(0.5, A, 1), (0.4, A, 2), (0.3, Identity::Junk, 1), (0.2, Identity::Distractor, 1)]);
    let queries = with_scores(&[(1.0, B, 1), (1.0, A, 1), (1.0, Identity::Junk, 2), (1.0, Identity::Distractor, 2)]);
    let ranking = rank(&queries, &gallery).unwrap();
    assert_eq!((ranking.unmatched, ranking.queries.len(), ranking.queries[0].query), (3, 1, 1));
    let error = rank(&with_scores(&[(1.0, B, 1)]), &gallery).unwrap_err();
    assert!(matches!(error, EvaluationError::NoMatches { queries: 1 }));
    assert!(rank(&queries, &with_scores(&[])).is_err());
}

#[test]
fn other_dimensions_are_refused() {
    let other = Embeddings::new(3, vec![1.0; 3], vec![A], vec![2]).unwrap();
    let error = rank(&with_scores(&[(1.0, A, 1)]), &other).unwrap_err();
    assert!(matches!(error, EvaluationError::Dimensions { queries: 2, gallery: 3 }));
}

/// The definition: sort everything, walk down the list.
fn ranked_plainly(identity: Identity, camera: u32, gallery: &Embeddings, scores: &[f32]) -> Option<(f64, f64, usize)> {
    let (who, views) = (gallery.identities(), gallery.cameras());
    let mut order: Vec<usize> = (0..gallery.len())
        .filter(|&i| who[i] != Identity::Junk && !(who[i] == identity && views[i] == camera))
        .collect();
    order.sort_by(|&a, &b| scores[b].partial_cmp(&scores[a]).unwrap().then(a.cmp(&b)));
    let ranks: Vec<usize> =
        (0..order.len()).filter(|&i| identity.known().is_some() && who[order[i]] == identity).map(|i| i + 1).collect();
    let last = *ranks.last()?;
    let precision: f64 = ranks.iter().enumerate().map(|(k, &rank)| (k + 1) as f64 / rank as f64).sum();
    Some((precision / ranks.len() as f64, ranks.len() as f64 / last as f64, ranks[0]))
}

fn identity() -> impl Strategy<Value = Identity> {
    prop_oneof![6 => (0usize..4).prop_map(Identity::Known), 1 => Just(Identity::Junk), 1 => Just(Identity::Distractor)]
}

proptest! {
    #[test]
    fn counting_ranks_is_sorting(
        entries in prop::collection::vec((identity(), 0u32..3, 0u8..6), 1..40), who in identity(), camera in 0u32..3,
    ) {
        // Six different scores only: ties abound.
        let gallery = with_scores(&entries.iter().map(|&(who, view, s)| (f32::from(s) / 6.0, who, view)).collect::<Vec<_>>());
        let query = with_scores(&[(1.0, who, camera)]);
        let scores = Scorer::new(&query, &gallery).map(|_, scores| scores.to_vec()).remove(0);
        match (rank(&query, &gallery), ranked_plainly(who, camera, &gallery, &scores)) {
            (Ok(ranking), Some((precision, penalty, first))) => {
                prop_assert!((ranking.map - precision).abs() < 1e-12);
                prop_assert!((ranking.minp - penalty).abs() < 1e-12);
                prop_assert_eq!(ranking.queries[0].first_match, first);
            }
            (Err(EvaluationError::NoMatches { .. }), None) => {}
            (fast, plain) => prop_assert!(false, "{fast:?} but {plain:?}"),
        }
    }

    #[test]
    fn few_matches_are_counted_and_many_sorted_to_the_same_ranks(
        scores in prop::collection::vec(0u8..9, 1..90), every in 1usize..5,
    ) {
        let scores: Vec<f32> = scores.into_iter().map(|s| if s == 0 { f32::NEG_INFINITY } else { f32::from(s) }).collect();
        let matches: Vec<usize> = (0..scores.len()).step_by(every).filter(|&i| scores[i].is_finite()).collect();
        prop_assert_eq!(counted(&scores, &matches), sorted(&scores, &matches));
    }
}

/// `cargo test --release -p deja ranking::tests::speed -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn speed() {
    let random = |count: usize, salt: u64| {
        let mut state = salt;
        let mut next = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / 8_388_608.0 - 1.0
        };
        let vectors = (0..count * 128).map(|_| next()).collect();
        let identities = (0..count).map(|i| Identity::Known(i % 750)).collect();
        Embeddings::new(128, vectors, identities, (0..count).map(|i| (i / 750 % 6) as u32).collect()).unwrap()
    };
    let (queries, gallery) = (random(3_368, 1), random(15_913, 2));
    let start = std::time::Instant::now();
    let ranking = rank(&queries, &gallery).unwrap();
    println!("3,368 × 15,913 × 128 in {:.2} s, mAP {:.4}", start.elapsed().as_secs_f64(), ranking.map);
}
