//! The way back against the engine's, the camera against its float twin, and whole fine-tunings of a small network.

use super::super::calibrate::{Method, calibrate};
use super::super::fixtures::{INPUT, PICTURE, awake, network, pictures};
use super::super::fold_batch_norm::fold_batch_norm;
use super::super::order::lower_smallest;
use super::super::scale::Quantization;
use super::super::{Int8Model, emit};
use super::backward::{activations, through_rounding, walk};
use super::*;
use crate::network::builder::{Builder, Filter};
use crate::network::curve::Curve;
use crate::network::{by_name, interpreter};
use crate::progress::{Progress, Silent};
use deja_shared::embedding::Embedding;

/// A folded network with the bounds of its activations.
fn placed(graph: &Graph, seed: u64) -> Placed {
    let graph = fold_batch_norm(graph).unwrap();
    let ranges = calibrate(&graph, &pictures(16, seed), Method::Percentile(99.9), &Silent).unwrap();
    lower_smallest(graph, &ranges, None).unwrap()
}

fn calibrated(seed: u64) -> Placed {
    placed(&network(seed), seed)
}

/// Every operator that `by_name` has no network of.
fn sketch() -> Graph {
    let mut b = Builder::new(INPUT, 5);
    let input = b.input();
    let x = b.convolution("stem", input, 8, Filter { kernel: 3, stride: 4, padding: 1 });
    let x = b.norm_and_activation("stem", x, None);
    let left = b.slice("left", x, 0, 3);
    let right = b.slice("right", x, 3, 5);
    let left = b.curve("swish", left, Curve::HardSwish);
    let right = b.curve("gate", right, Curve::HardSigmoid);
    let x = b.concat("both", &[right, left]);
    let x = b.prelu("bent", x);
    let x = b.average_pool("mean", x, 4, 4);
    let x = b.flatten("flat", x);
    let embedding = b.fully_connected("head", x, 16);
    awake(b.finish("sketch".into(), embedding, embedding), 6)
}

#[test]
fn without_rounding_the_way_back_is_the_engines() {
    let named = ["mobilenet_v2_0.25_gem", "deja_nano", "osnet_x0.25"].map(|name| by_name(name, INPUT, 16, 5).unwrap());
    for graph in named.into_iter().map(|graph| awake(graph, 5)).chain([sketch()]) {
        let (name, graph) = (&graph.name, fold_batch_norm(&graph).unwrap());
        let picture = &pictures(1, 5)[..graph.input().len()];
        let d_embedding: Vec<f32> = (0..16).map(|i| (i as f32).sin()).collect();
        let mut expected = crate::network::Gradients::zeros(&graph);
        let (mut engine, mut trained) = (Engine::new(&graph, 1, 1), graph.clone());
        engine.forward(&mut trained, picture, 1);
        engine.backward(&trained, &[0.0; 16], &d_embedding, &mut expected);
        let mut found = Gradients::zeros(&graph).parameters;
        walk(&graph, &interpreter::run(&graph, picture), &d_embedding, &mut found, |_, _| {}).unwrap();
        for (parameter, (found, expected)) in graph.parameters.iter().zip(found.iter().zip(&expected.values)) {
            if ["exponent", "slope"].iter().any(|end| parameter.name.ends_with(end)) {
                continue;
            }
            let largest = expected.iter().fold(0.0f32, |largest, g| largest.max(g.abs()));
            for (found, expected) in found.iter().zip(expected) {
                assert!(
                    (found - expected).abs() <= 2e-4 * largest + 1e-6,
                    "{name} {}: {found} {expected}",
                    parameter.name
                );
            }
        }
    }
}

/// The float network with rounded weights, fed with what the camera computed, rounds to the very integers of the camera.
#[test]
fn the_float_twin_rounds_to_the_cameras_integers() {
    for (graph, least) in [(network(7), 50_000), (awake(by_name("osnet_x0.25", INPUT, 16, 5).unwrap(), 5), 50_000)] {
        let calibrated = placed(&graph, 7);
        let camera = Camera::new(calibrated.graph.clone(), &calibrated.ranges, &calibrated).unwrap();
        let compared = compare(&camera, &pictures(2, 8));
        assert!(compared > least, "{compared}");
    }
}

/// How many values of the camera were compared.
fn compare(camera: &Camera, pixels: &[u8]) -> usize {
    let (graph, mut compared) = (&camera.rounded, 0);
    for (picture, trace) in pixels.chunks_exact(PICTURE).zip(camera.traces(pixels).unwrap()) {
        let real = activations(camera, picture, &trace).real;
        for (tensor, integers) in camera.lowered.tensors.iter().zip(&trace.tensors) {
            for (&x, &q) in real[tensor.node.0].iter().zip(integers) {
                let v = f64::from(x) / f64::from(tensor.quantization.scale);
                // Biases and multipliers are rounded too: a value on the edge between two integers may fall to either side.
                if (v - v.floor() - 0.5).abs() > 0.02 {
                    assert_eq!(tensor.quantization.quantize(x), q, "{}: {v}", graph.node(tensor.node).name);
                    compared += 1;
                }
            }
        }
    }
    compared
}

/// A range from −1 to 1.55, of steps of 0.01 with zero at −28.
#[test]
fn rounding_passes_the_gradient_within_the_range_and_moves_its_ends() {
    let range = Quantization::eight(0.01, -28);
    let real = [0.5, 0.004, -2.0, 3.0];
    let integers = real.map(|x| range.quantize(x));
    assert_eq!(integers, [22, -28, -128, 127]);
    let (mut d, mut d_range) = ([1.0, 10.0, 100.0, 1000.0], [0.0; 2]);
    through_rounding(range, &real, &integers, &mut d, &mut d_range);
    assert_eq!(d, [1.0, 10.0, 0.0, 0.0]);
    // 0.5 stands for itself; 0.004 was rounded down by 0.4 steps.
    let inner = -0.4 * 10.0 / 255.0;
    assert!((d_range[0] - (100.0 - inner)).abs() < 1e-3 && (d_range[1] - (1000.0 + inner)).abs() < 1e-3, "{d_range:?}");
}

fn tune(settings: &Settings, progress: &dyn Progress) -> Result<Tuned, QuantizeError> {
    let (pixels, augment) = (pictures(48, 9), Augment::none());
    let calibrated = calibrated(9);
    fine_tune((&calibrated, &calibrated.graph), Pictures { pixels: &pixels, augment: &augment }, settings, progress)
}

#[test]
fn int8_comes_nearer_to_float_and_what_was_learned_with_is_what_ships() {
    let before = calibrated(9);
    let Placed { graph, ranges, .. } = &before;
    let settings = Settings { epochs: 12, batch: 12, learning_rate: 3e-5, ..Settings::default() };
    let tuned = tune(&settings, &Silent).unwrap();
    assert!(tuned.loss.after < 0.95 * tuned.loss.before, "{} → {}", tuned.loss.before, tuned.loss.after);
    let moved = ranges.iter().zip(&tuned.ranges).filter(|(before, after)| before.high != after.high).count();
    assert!(moved > 10, "the scales are learned too: {moved}");
    assert!(ranges.iter().zip(&tuned.ranges).all(|(before, after)| before.low < 0.0 || before.low == after.low));
    assert!(graph.parameters[0].values != tuned.graph.parameters[0].values);

    let model = Int8Model::from_bytes(emit::emit(&tuned.lowered, &before.plan, &[]).unwrap()).unwrap();
    let fresh = pictures(4, 10);
    let shipped = model.embeddings(&fresh, &Silent).unwrap();
    let learned_with = Camera::new(tuned.graph, &tuned.ranges, &before).unwrap().traces(&fresh).unwrap();
    for (shipped, trace) in shipped.into_iter().zip(learned_with) {
        assert_eq!(shipped.unwrap(), Embedding::from_raw(&trace.raw).unwrap());
    }
}

#[test]
fn a_run_repeats_to_the_bit() {
    let before = calibrated(9);
    let pixels = pictures(20, 9);
    let augment = Augment::default();
    let settings = Settings { epochs: 1, batch: 10, ..Settings::default() };
    let run = || {
        let pictures = Pictures { pixels: &pixels, augment: &augment };
        let mut tuning = Tuning::new((&before, &before.graph), pictures, &settings).unwrap();
        tuning.run(&Silent).unwrap();
        (tuning.parameters.clipped(), tuning.parameters.ranges().to_vec())
    };
    let first = run();
    assert!(first.0 != before.graph && first == run());
}

#[test]
fn an_interruption_ends_it_and_pictures_are_checked() {
    struct Stop;
    impl Progress for Stop {
        fn start(&self, _label: &str, _total: u64) {}
        fn advance(&self, _steps: u64) {}
        fn message(&self, _text: &str) {}
        fn finish(&self) {}
        fn interrupted(&self) -> bool {
            true
        }
    }
    assert!(matches!(tune(&Settings::default(), &Stop), Err(QuantizeError::Interrupted)));
    let before = calibrated(9);
    let none = Pictures { pixels: &[], augment: &Augment::none() };
    assert!(matches!(
        fine_tune((&before, &before.graph), none, &Settings::default(), &Silent),
        Err(QuantizeError::NoPictures)
    ));
    let part = Pictures { pixels: &[0; 10], augment: &Augment::none() };
    assert!(matches!(
        fine_tune((&before, &before.graph), part, &Settings::default(), &Silent),
        Err(QuantizeError::PictureSize { bytes: 10, .. })
    ));
}
