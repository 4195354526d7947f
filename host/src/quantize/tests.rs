//! The whole pipeline on a small network with random weights.

use super::fixtures::{INPUT, PICTURE, network, pictures, shallow};
use super::*;
use crate::evaluation::EmbeddingModel;
use crate::network::{Operator, interpreter};
use crate::progress::Silent;

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn folding_changes_no_value_and_leaves_no_batch_norm() {
    let graph = network(1);
    let folded = fold_batch_norm::fold_batch_norm(&graph).unwrap();
    assert!(!folded.nodes.iter().any(|node| matches!(node.operator, Operator::BatchNorm { .. })));
    assert!(matches!(folded.node(folded.embedding).operator, Operator::FullyConnected { .. }));
    for picture in pictures(2, 1).chunks_exact(PICTURE) {
        let (before, after) = (interpreter::run(&graph, picture), interpreter::run(&folded, picture));
        let (before, after) = (&before[graph.embedding.0], &after[folded.embedding.0]);
        let largest = before.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        for (a, b) in before.iter().zip(after) {
            assert!((a - b).abs() < 1e-4 * largest, "{a} became {b}");
        }
    }
}

#[test]
fn int8_follows_float_on_pictures_that_it_was_not_calibrated_with() {
    let (graph, fresh) = (network(2), pictures(8, 3));
    for settings in [Settings::default(), Settings::plain()] {
        let quantized = quantize(&graph, &pictures(24, 2), &settings, &Silent).unwrap();
        let fidelity = compare(&quantized, &fresh, &Silent).unwrap();
        assert!(fidelity.mean_cosine > 0.99 && fidelity.least_cosine > 0.98, "{settings:?}: {fidelity:#?}");
        // Noise adds up through 52 layers of random weights.
        for (depth, layer) in fidelity.layers.iter().enumerate() {
            let least = if depth < 17 { 26.0 } else { 11.0 };
            assert!(layer.cosine > 0.96 && layer.signal_to_noise_db.unwrap() > least, "{layer:?}");
        }
        let mut model = Int8Model::from_bytes(quantized.bytes.clone()).unwrap();
        let rows = model.embed(&fresh, &Silent).unwrap();
        for (picture, row) in fresh.chunks_exact(PICTURE).zip(rows.chunks_exact(64)) {
            assert!(cosine(&interpreter::run(&graph, picture)[graph.embedding.0], row) > 0.98);
        }
    }
}

#[test]
fn every_method_of_calibration_serves_and_the_best_of_them_best() {
    let (graph, pixels, fresh) = (shallow(2), pictures(24, 2), pictures(16, 3));
    let decibels = |method| {
        let quantized = quantize(&graph, &pixels, &Settings { method, ..Settings::plain() }, &Silent).unwrap();
        let fidelity = compare(&quantized, &fresh, &Silent).unwrap();
        fidelity.layers.last().and_then(|head| head.signal_to_noise_db).unwrap()
    };
    let each = calibrate::CANDIDATES.map(decibels);
    assert!(each.iter().all(|&decibels| decibels > 15.0), "{each:?}");
    let best = decibels(Method::Best);
    assert!(each.iter().all(|&decibels| best > decibels - 1.5), "{best} of {each:?}");
}

#[test]
fn the_arena_is_far_below_one_buffer_a_layer_and_near_the_bound() {
    let quantized = quantize(&network(3), &pictures(2, 4), &Settings::default(), &Silent).unwrap();
    let sum: usize = quantized.lowered.tensors.iter().map(lower::LoweredTensor::bytes).sum();
    let plan = &quantized.plan;
    assert!(plan.bytes * 4 < sum && plan.bytes * 10 <= plan.lower_bound * 11, "{} of {sum}", plan.bytes);
}

#[test]
fn golden_pairs_hold_and_a_threshold_keeps_the_file_valid() {
    let mut quantized = quantize(&network(4), &pictures(5, 5), &Settings::default(), &Silent).unwrap();
    let before = Int8Model::from_bytes(quantized.bytes.clone()).unwrap();
    assert_eq!(before.model().golden().count(), 2);
    assert_eq!(before.model().header().threshold, Threshold::NOBODY.q15);
    quantized.set_threshold(&Threshold { q15: 20_000, fpir_ppm: 10_000, gallery_identities: 7 }).unwrap();
    let after = Int8Model::from_bytes(quantized.bytes.clone()).unwrap();
    let header = after.model();
    let header = header.header();
    assert_eq!((header.threshold, header.fpir_ppm, header.gallery_identities), (20_000, 10_000, 7));
    assert_ne!(header.fingerprint, before.model().header().fingerprint);
    let mut arena = vec![0; header.arena_bytes as usize];
    deja_firmware::embedder::check_golden(&after.model(), &mut arena).unwrap();
}

#[test]
fn the_same_input_gives_the_same_file() {
    let (graph, pixels) = (network(5), pictures(6, 6));
    let [a, b] = [(); 2].map(|()| quantize(&graph, &pixels, &Settings::default(), &Silent).unwrap().bytes);
    assert_eq!(a, b);
}

#[test]
fn one_picture_or_flat_pictures_still_make_a_valid_model() {
    for pixels in [pictures(1, 7), vec![128; PICTURE], vec![255; 3 * PICTURE]] {
        let quantized = quantize(&shallow(6), &pixels, &Settings::default(), &Silent).unwrap();
        let fidelity = compare(&quantized, &pixels, &Silent).unwrap();
        assert!(fidelity.least_cosine > 0.95, "{fidelity:#?}");
    }
}

#[test]
fn dead_layers_are_named_or_survived() {
    let mut graph = network(7);
    zero(&mut graph, "blocks.4.expand.norm.gamma");
    zero(&mut graph, "blocks.4.expand.norm.beta");
    let quantized = quantize(&graph, &pictures(4, 8), &Settings::default(), &Silent).unwrap();
    assert!(compare(&quantized, &pictures(2, 9), &Silent).unwrap().least_cosine > 0.98);
    zero(&mut graph, "neck.gamma");
    zero(&mut graph, "neck.beta");
    let error = quantize(&graph, &pictures(4, 8), &Settings::default(), &Silent).unwrap_err();
    assert!(matches!(error, QuantizeError::ZeroEmbedding { picture: 0 }), "{error}");
}

#[test]
fn bad_input_is_named() {
    let error = |graph: &Graph, pixels: &[u8], method| {
        quantize(graph, pixels, &Settings { method, ..Settings::default() }, &Silent).unwrap_err()
    };
    let (graph, pixels) = (network(8), pictures(2, 10));
    assert!(matches!(error(&graph, &[], Method::MinMax), QuantizeError::NoPictures));
    assert!(matches!(error(&graph, &pixels[1..], Method::MinMax), QuantizeError::PictureSize { .. }));
    assert!(matches!(error(&graph, &pixels, Method::Percentile(3.0)), QuantizeError::Setting { .. }));
    let mut sick = graph.clone();
    parameter(&mut sick, "blocks.2.depthwise.weight")[3] = f32::NAN;
    let message = error(&sick, &pixels, Method::MinMax).to_string();
    assert!(message.contains("blocks.2.depthwise.weight"), "{message}");
    let mut huge = graph.clone();
    parameter(&mut huge, "stem.weight").fill(1e38);
    let message = error(&huge, &pixels, Method::MinMax).to_string();
    assert!(message.contains("stem"), "{message}");
}

#[test]
fn a_damaged_file_is_refused_with_its_path() {
    let quantized = quantize(&network(9), &pictures(2, 11), &Settings::default(), &Silent).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.deja");
    let mut bytes = quantized.bytes.to_vec();
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(Int8Model::open(&path).unwrap().input(), INPUT);
    bytes[5000] ^= 4;
    std::fs::write(&path, &bytes).unwrap();
    assert!(Int8Model::open(&path).unwrap_err().to_string().contains("model.deja"));
    assert!(matches!(Int8Model::open(&directory.path().join("none.deja")), Err(Int8Error::Read { .. })));
}

fn parameter<'a>(graph: &'a mut Graph, name: &str) -> &'a mut Vec<f32> {
    &mut graph.parameters.iter_mut().find(|parameter| parameter.name == name).expect(name).values
}

fn zero(graph: &mut Graph, name: &str) {
    parameter(graph, name).fill(0.0);
}
