//! Maps against their definitions, folded networks against explicit maps, and data that teaches nothing.

use super::*;
use crate::dataset::Identity;
use crate::evaluation::{Embeddings, rank};
use crate::network::{by_name, interpreter};
use crate::progress::Silent;
use nalgebra::{DMatrix, SymmetricEigen};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Roughly normal.
fn bell(rng: &mut ChaCha8Rng) -> f32 {
    (0..6).map(|_| rng.random_range(-1.0f32..1.0)).sum::<f32>() / 2f32.sqrt()
}

/// `people` with `pictures` each: means differ a little in the first two of `dimension` components, pictures of one person
/// differ a lot in the third, and hardly in the others.
fn people(people: usize, pictures: usize, dimension: usize, seed: u64) -> (Vec<f32>, Vec<Identity>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut vectors, mut identities) = (vec![], vec![]);
    for person in 0..people {
        let mean: Vec<f32> = (0..dimension).map(|c| if c < 2 { bell(&mut rng) } else { 0.0 }).collect();
        for _ in 0..pictures {
            let spread = |c: usize| if c == 2 { 8.0 } else { 0.2 };
            vectors.extend((0..dimension).map(|c| 5.0 + mean[c] + spread(c) * bell(&mut rng)));
            identities.push(Identity::Known(person));
        }
    }
    (vectors, identities)
}

fn samples<'a>((vectors, identities): &'a (Vec<f32>, Vec<Identity>), dimension: usize) -> Samples<'a> {
    Samples { vectors, dimension, identities }
}

/// (1/n) Σ (x − m)(x − m)ᵀ by the definition.
fn covariance(vectors: &[f32], dimension: usize) -> DMatrix<f64> {
    let count = (vectors.len() / dimension) as f64;
    let mean = |c: usize| vectors.iter().skip(c).step_by(dimension).map(|&v| f64::from(v)).sum::<f64>() / count;
    let means: Vec<f64> = (0..dimension).map(mean).collect();
    DMatrix::from_fn(dimension, dimension, |a, b| {
        vectors
            .chunks_exact(dimension)
            .map(|x| (f64::from(x[a]) - means[a]) * (f64::from(x[b]) - means[b]))
            .sum::<f64>()
            / count
    })
}

#[test]
fn whitened_samples_have_no_mean_and_unit_covariance() {
    let data = people(40, 6, 5, 1);
    let map = whitening(&samples(&data, 5), Shrinkage::Fixed(0.0)).unwrap();
    let whitened = map.apply(&data.0);
    assert!((covariance(&whitened, 5) - DMatrix::identity(5, 5)).abs().max() < 1e-4);
    for component in 0..5 {
        let mean = whitened.iter().skip(component).step_by(5).sum::<f32>() / 240.0;
        assert!(mean.abs() < 1e-4, "{mean}");
    }
    let shrunk = map_covariance(&whitening(&samples(&data, 5), Shrinkage::LedoitWolf).unwrap(), &data.0);
    assert!(
        (0.9..1.1).contains(&shrunk[(0, 0)]) && (0.0..0.9).contains(&shrunk[(4, 4)]),
        "the quiet stay quieter: {shrunk}"
    );
    let sphere = map_covariance(&whitening(&samples(&data, 5), Shrinkage::Fixed(1.0)).unwrap(), &data.0);
    assert!((contrast(sphere) / contrast(covariance(&data.0, 5)) - 1.0).abs() < 1e-3, "only rotates");
}

/// The largest eigenvalue over the smallest.
fn contrast(matrix: DMatrix<f64>) -> f64 {
    let values = SymmetricEigen::new(matrix).eigenvalues;
    values.max() / values.min()
}

fn map_covariance(map: &Projection, vectors: &[f32]) -> DMatrix<f64> {
    covariance(&map.apply(vectors), map.output())
}

#[test]
fn lda_finds_again_who_is_hidden_by_a_loud_direction() {
    let (train, test) = (people(60, 5, 6, 1), people(30, 4, 6, 2));
    let map = lda(&samples(&train, 6), Shrinkage::LedoitWolf).unwrap();
    assert_eq!((map.input(), map.output()), (6, 6));
    let found = |vectors: Vec<f32>, dimension: usize| {
        let all = Embeddings::new(dimension, vectors, test.1.clone(), (0..120).map(|i| i % 4).collect()).unwrap();
        rank(&all, &all).unwrap().map
    };
    let (before, after) = (found(test.0.clone(), 6), found(map.apply(&test.0), 6));
    assert!(after > before + 0.2, "mAP {before} → {after}");
    // Fisher's ratio in the first component is the largest that any direction has.
    let ratio = |vectors: &[f32], dimension: usize, component: usize| {
        let value = |row: usize| f64::from(vectors[row * dimension + component]);
        let means: Vec<f64> = (0..60).map(|p| (0..5).map(|k| value(p * 5 + k)).sum::<f64>() / 5.0).collect();
        let mean = means.iter().sum::<f64>() / 60.0;
        let within: f64 = (0..300).map(|row| (value(row) - means[row / 5]).powi(2)).sum();
        means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / within
    };
    let projected = lda(&samples(&train, 6), Shrinkage::Fixed(0.0)).unwrap().apply(&train.0);
    let best = (0..6).map(|component| ratio(&train.0, 6, component)).fold(0.0, f64::max);
    assert!(ratio(&projected, 6, 0) >= 0.999 * best);
    let ratios: Vec<f64> = (0..6).map(|component| ratio(&projected, 6, component)).collect();
    assert!(ratios.windows(2).all(|two| two[0] >= 0.99 * two[1]), "{ratios:?}");
}

#[test]
fn too_little_data_is_regularized_or_refused_but_never_nan() {
    // Four pictures in sixteen dimensions, and two identities: one discriminant direction.
    let few = people(2, 2, 16, 3);
    for map in [whitening(&samples(&few, 16), Shrinkage::LedoitWolf), lda(&samples(&few, 16), Shrinkage::LedoitWolf)] {
        assert!(map.unwrap().apply(&few.0).iter().all(|value| value.is_finite()));
    }
    let singular = whitening(&samples(&few, 16), Shrinkage::Fixed(0.0)).unwrap();
    assert!(singular.apply(&few.0).iter().all(|value| value.is_finite()));
    assert_eq!(lda(&samples(&few, 16), Shrinkage::LedoitWolf).unwrap().output(), 1);

    let constant =
        (vec![3.0; 16], vec![Identity::Known(0), Identity::Known(0), Identity::Known(1), Identity::Known(1)]);
    for map in
        [whitening(&samples(&constant, 4), Shrinkage::LedoitWolf), lda(&samples(&constant, 4), Shrinkage::LedoitWolf)]
    {
        assert!(matches!(map, Err(ProjectionError::Constant { .. })), "{map:?}");
    }
    let alone = people(1, 6, 4, 4);
    let error = lda(&samples(&alone, 4), Shrinkage::LedoitWolf).unwrap_err();
    assert!(matches!(error, ProjectionError::TooFewIdentities { identities: 1, repeated: 1 }), "{error}");
    assert!(whitening(&samples(&alone, 4), Shrinkage::LedoitWolf).is_ok());
    let singles = people(6, 1, 4, 5);
    let error = lda(&samples(&singles, 4), Shrinkage::LedoitWolf).unwrap_err();
    assert!(matches!(error, ProjectionError::TooFewIdentities { identities: 6, repeated: 0 }), "{error}");
    let one = people(1, 1, 4, 6);
    let error = whitening(&samples(&one, 4), Shrinkage::LedoitWolf).unwrap_err();
    assert!(matches!(error, ProjectionError::TooFewPictures { pictures: 1 }), "{error}");
    assert!(matches!(whitening(&samples(&one, 3), Shrinkage::LedoitWolf), Err(ProjectionError::Shape { .. })));
}

/// A network with a neck that does something, and pictures of it.
fn network() -> (Graph, Images) {
    let mut graph = by_name("mobilenet_v2_0.25", [16, 16], 12, 1).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    for parameter in graph.parameters.iter_mut().filter(|p| p.name.starts_with("neck") || p.name == "head.bias") {
        let around = if parameter.name.ends_with("gamma") || parameter.name.ends_with("variance") { 1.0 } else { 0.0 };
        parameter.values.iter_mut().for_each(|value| *value = around + rng.random_range(-0.5f32..0.5));
    }
    let pixels: Vec<u8> = (0..24 * 16 * 16 * 3).map(|_| rng.random::<u8>()).collect();
    let identities = (0..24).map(|picture| Identity::Known(picture / 3)).collect();
    let images =
        Images { size: [16, 16], pixels, identities, cameras: vec![0; 24], kept: (0..24).collect(), skipped: vec![] };
    (graph, images)
}

#[test]
fn the_folded_network_computes_the_map() {
    let (graph, images) = network();
    let mut engine = Engine::new(&graph, 8, 1);
    let plain = embed(&mut engine, &graph, &images, &Silent).unwrap();
    let all = Samples { vectors: &plain, dimension: 12, identities: &images.identities };
    for (map, outputs) in
        [(whitening(&all, Shrinkage::LedoitWolf).unwrap(), 12), (lda(&all, Shrinkage::LedoitWolf).unwrap(), 7)]
    {
        let folded = fold(&graph, &map).unwrap();
        assert_eq!((folded.dimension(), map.output()), (outputs, outputs));
        let expected = map.apply(&plain);
        let got = Engine::new(&folded, 8, 1).embed(&folded, &images.pixels, 24);
        let size = expected.iter().map(|v| v.abs()).fold(0.0, f32::max);
        for (got, expected) in got.iter().zip(&expected) {
            assert!((got - expected).abs() < 2e-4 * size.max(1.0), "{got} instead of {expected}");
        }
        let nodes = interpreter::run(&folded, images.picture(0));
        for (raw, embedding) in nodes[folded.raw_embedding.0].iter().zip(&nodes[folded.embedding.0]) {
            assert!((raw - embedding).abs() <= 1e-6 * raw.abs(), "the neck is left as the identity");
        }
        assert_eq!(graph.macs() - folded.macs(), head_inputs(&graph) * (12 - outputs as u64), "nothing is added");
    }
    let wrong = fold(&graph, &whitening(&samples(&people(4, 3, 5, 1), 5), Shrinkage::LedoitWolf).unwrap());
    assert!(matches!(wrong, Err(ProjectionError::Dimensions { map: 5, network: 12 })));
}

fn head_inputs(graph: &Graph) -> u64 {
    graph.parameters.iter().find(|parameter| parameter.name == "head.weight").unwrap().shape[0] as u64
}

#[test]
fn every_named_network_takes_a_metric() {
    let map = whitening(&samples(&people(9, 3, 6, 1), 6), Shrinkage::LedoitWolf).unwrap();
    for name in crate::network::NAMES {
        let graph = by_name(name, [32, 32], 6, 1).unwrap();
        assert!(fold(&graph, &map).is_ok(), "{name}");
    }
}

#[test]
fn a_network_without_a_linear_head_is_refused_and_none_changes_nothing() {
    let (graph, images) = network();
    let map = whitening(&samples(&people(9, 3, 12, 1), 12), Shrinkage::LedoitWolf).unwrap();
    let mut rectified = graph.clone();
    rectified.nodes[graph.raw_embedding.0].operator =
        crate::network::Operator::Activation(crate::network::Activation::Relu);
    let error = fold(&rectified, &map).unwrap_err();
    assert!(matches!(error, ProjectionError::NotFoldable { .. }), "{error}");
    let mut engine = Engine::new(&graph, 8, 1);
    assert!(MetricOnTop::None.applied(&mut engine, &graph, &images, &Silent).unwrap() == graph);
    for method in [MetricOnTop::Whitening, MetricOnTop::Lda] {
        let folded = method.applied(&mut engine, &graph, &images, &Silent).unwrap();
        assert!(folded != graph && folded.parameters.iter().flat_map(|p| &p.values).all(|value| value.is_finite()));
    }
}
