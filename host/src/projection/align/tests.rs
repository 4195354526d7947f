//! Known maps are found again, from exact and from stored embeddings, with many pictures and with few.

use super::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn noise(rng: &mut ChaCha8Rng, rows: usize, columns: usize) -> DMatrix<f64> {
    DMatrix::from_fn(rows, columns, |_, _| (0..6).map(|_| rng.random_range(-1.0..1.0)).sum::<f64>() / 2f64.sqrt())
}

/// An orthogonal matrix.
fn turn(rng: &mut ChaCha8Rng, dimension: usize) -> DMatrix<f64> {
    noise(rng, dimension, dimension).qr().q()
}

fn embedding(column: &DVector<f64>) -> Embedding {
    let scale = 30_000.0 / column.amax();
    Embedding::from_raw(&column.iter().map(|value| (value * scale) as i16).collect::<Vec<_>>()).unwrap()
}

/// `count` pictures of as many identities, whose second embedding is `map` of the first one and some noise.
fn pairs(
    count: usize,
    dimension: usize,
    seed: u64,
    blur: f64,
    map: impl Fn(&DVector<f64>) -> DVector<f64>,
) -> Vec<Pair> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let pair = |index: usize| {
        let x = noise(&mut rng, dimension, 1).column(0).normalize();
        let y = map(&x);
        let y = &y + noise(&mut rng, y.len(), 1).column(0) * blur;
        Pair { old: embedding(&x), new: embedding(&y), identity: index }
    };
    (0..count).map(pair).collect()
}

/// Mean cosine of what the alignment makes of new pictures with what they should be.
fn fidelity(alignment: &Alignment, test: &[Pair]) -> f64 {
    let cosine = |pair: &Pair| f64::from(alignment.apply(&pair.old).unwrap().similarity(&pair.new).to_q15()) / 32_768.0;
    test.iter().map(cosine).sum::<f64>() / test.len() as f64
}

#[test]
fn a_known_rotation_is_found_again() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let (q, x) = (turn(&mut rng, 9), noise(&mut rng, 9, 40));
    let y = &q * &x;
    assert!((rotation(&y * x.transpose()) - &q).amax() < 1e-9);
    assert!((ridge_regression(&(&x * x.transpose()), &(&y * x.transpose()), 0.0) - &q).amax() < 1e-9);
    let map = |x: &DVector<f64>| &q * x;
    let found = align(&pairs(120, 9, 2, 0.0, map)).unwrap();
    let test = pairs(50, 9, 3, 0.0, map);
    assert!(found.held_out.map == 1.0 && found.held_out.cosine > 0.999 && fidelity(&found, &test) > 0.999, "{found:?}");
}

#[test]
fn with_few_noisy_pictures_the_rotation_is_taken_and_with_many_the_affine_map() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let q = turn(&mut rng, 16);
    let turned = |x: &DVector<f64>| &q * x;
    let few = align(&pairs(30, 16, 5, 0.05, turned)).unwrap();
    assert_eq!((few.method, few.pairs), (Method::Procrustes, 30));
    assert!(fidelity(&few, &pairs(60, 16, 6, 0.0, turned)) > 0.9);
    // Directions of very different weight, and a shift: no rotation does that.
    let stretch = DMatrix::from_diagonal(&DVector::from_fn(16, |at, _| if at < 8 { 2.0 } else { 0.1 })) * &q;
    let shift = DVector::from_element(16, 0.3);
    let bent = |x: &DVector<f64>| &stretch * x + &shift;
    let many = align(&pairs(900, 16, 7, 0.02, bent)).unwrap();
    assert!(matches!(many.method, Method::LeastSquares { .. }), "{:?}", many.method);
    let test = pairs(60, 16, 8, 0.0, bent);
    let procrustes = {
        let learned = pairs(900, 16, 7, 0.02, bent);
        let (matrix, shift) = Moments::of(&learned.iter().collect::<Vec<_>>()).unwrap().fit(Method::Procrustes);
        Alignment { matrix, shift, method: Method::Procrustes, ..many.clone() }
    };
    assert!(fidelity(&many, &test) > 0.99 && fidelity(&procrustes, &test) < 0.95);
}

/// What all embeddings share makes any map to it look good by the cosine; it finds nobody.
#[test]
fn a_map_that_only_knows_what_all_embeddings_share_is_not_taken() {
    let mut rng = ChaCha8Rng::seed_from_u64(20);
    let (q, common) = (turn(&mut rng, 12), DVector::from_element(12, 1.0));
    let map = |x: &DVector<f64>| &q * x * 0.3 + &common;
    let found = align(&pairs(400, 12, 21, 0.003, map)).unwrap();
    assert!(found.held_out.cosine > 0.98, "{:?}", found.held_out);
    assert!(found.held_out.map > 0.95 && found.method != Method::LeastSquares { ridge: 10.0 }, "{:?}", found.held_out);
}

#[test]
fn dimensions_may_differ_in_both_directions() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    for (from, to) in [(12, 7), (7, 12)] {
        let matrix = noise(&mut rng, to, from);
        let map = |x: &DVector<f64>| &matrix * x;
        let found = align(&pairs(600, from, 10, 0.0, map)).unwrap();
        let test = pairs(40, from, 11, 0.0, map);
        assert!(fidelity(&found, &test) > 0.98, "{from} → {to}: {}", fidelity(&found, &test));
        let orthogonal = rotation(noise(&mut rng, to, from));
        let product =
            if to < from { &orthogonal * orthogonal.transpose() } else { orthogonal.transpose() * &orthogonal };
        assert!((product - DMatrix::identity(7, 7)).amax() < 1e-9);
    }
}

#[test]
fn fewer_pictures_than_components_are_regularized_and_too_few_are_refused() {
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    let q = turn(&mut rng, 40);
    let map = |x: &DVector<f64>| &q * x;
    let scarce = align(&pairs(24, 40, 13, 0.05, map)).unwrap();
    let guess = fidelity(&scarce, &pairs(60, 40, 14, 0.0, map));
    assert!(guess.is_finite() && guess > 0.3, "better than nothing: {guess}");
    let error = align(&pairs(15, 4, 1, 0.0, |x| x.clone())).unwrap_err();
    assert!(matches!(error, ProjectionError::TooFewPairs { pairs: 15, identities: 15 }), "{error}");
    let mut alone = pairs(60, 4, 1, 0.0, |x| x.clone());
    alone.iter_mut().for_each(|pair| pair.identity %= 4);
    assert!(matches!(align(&alone), Err(ProjectionError::TooFewPairs { pairs: 60, identities: 4 })));
    let mut mixed = pairs(60, 4, 1, 0.0, |x| x.clone());
    mixed[7].new = embedding(&DVector::from_element(5, 1.0));
    assert!(matches!(align(&mixed), Err(ProjectionError::PairDimensions)));
    let plain = align(&pairs(60, 4, 1, 0.0, |x| x.clone())).unwrap();
    assert_eq!(plain.apply(&mixed[7].new), None, "another dimension");
    let constant = vec![mixed[0].clone(); 60].into_iter().enumerate();
    let constant: Vec<Pair> = constant.map(|(index, pair)| Pair { identity: index, ..pair }).collect();
    assert!(matches!(align(&constant), Err(ProjectionError::Constant { .. })));
}
