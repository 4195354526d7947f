//! Whole models: the engine against the camera's own code, bit for bit, with every table of kernels.

use deja_firmware::embedder::EmbedError;
use deja_shared::model::{LayerKind, Model};

use super::{Int8Engine, Scratch, Work};
use crate::compute::int8::Int8Kernels;
use crate::network::{Graph, by_name};
use crate::progress::Silent;
use crate::quantize::fixtures::{INPUT, PICTURE, assert_engine_agrees, awake, network, pictures};
use crate::quantize::{AlignedBytes, Settings, quantize};

fn model(graph: &Graph) -> AlignedBytes {
    quantize(graph, &pictures(4, 9), &Settings::default(), &Silent).expect("a network that quantizes").bytes
}

#[test]
fn embeddings_are_the_cameras() {
    let [nano, osnet] =
        ["deja_nano_gem", "osnet_x0.25"].map(|name| awake(by_name(name, INPUT, 48, 3).expect("a known name"), 3));
    for graph in [network(1), nano, osnet] {
        let bytes = model(&graph);
        let mut pixels = pictures(3, 5);
        pixels.extend([vec![0; PICTURE], vec![255; PICTURE], vec![128; PICTURE]].concat());
        assert_engine_agrees(&Model::parse(&bytes).expect("a checked model"), &pixels);
    }
}

#[test]
fn no_layer_of_the_networks_here_needs_the_plain_loops() {
    for name in ["deja_nano", "osnet_x0.25", "mobilenet_v2_0.35"] {
        let bytes = model(&awake(by_name(name, INPUT, 48, 3).expect("a known name"), 3));
        let model = Model::parse(&bytes).expect("a checked model");
        for kernels in Int8Kernels::available() {
            let engine = Int8Engine::new(&model, kernels);
            let plain = |step: &&super::Step| matches!(step.work, Work::Reference);
            assert_eq!(engine.steps.iter().find(plain).map(|step| step.layer.kind), None, "{name}");
        }
    }
}

/// A weight of −128 and another pixel table are no model that is written here, but one that a camera runs.
#[test]
fn weights_that_the_kernels_do_not_take_run_in_the_plain_loops() {
    let mut bytes = model(&network(4));
    let parsed = Model::parse(&bytes).expect("a checked model");
    let kinds = [LayerKind::Convolution, LayerKind::Depthwise, LayerKind::Pointwise, LayerKind::FullyConnected];
    let layer_of = |kind| parsed.layers().find(|layer| layer.kind == kind).expect("one of each kind");
    let weights = kinds.map(|kind| layer_of(kind).weights_offset as usize);
    let table = parsed.header().preprocessing_offset as usize;
    weights.iter().for_each(|start| bytes[*start] = 0x80);
    bytes[table..table + 256].reverse();
    let fingerprint = Model::digest(&bytes);
    bytes[16..48].copy_from_slice(&fingerprint);
    let changed = Model::parse(&bytes).expect("a checked model");
    for kernels in Int8Kernels::available() {
        let engine = Int8Engine::new(&changed, kernels);
        assert_eq!(engine.steps.iter().filter(|step| matches!(step.work, Work::Reference)).count(), 4);
        assert!(engine.table.is_some());
    }
    assert_engine_agrees(&changed, &pictures(2, 6));
}

#[test]
fn a_picture_of_another_size_is_refused() {
    let bytes = model(&network(1));
    let model = Model::parse(&bytes).expect("a checked model");
    for kernels in Int8Kernels::available() {
        let engine = Int8Engine::new(&model, kernels);
        let found = engine.embed(&model, &[0; 7], &mut Scratch::new(&engine));
        assert_eq!(found, Err(EmbedError::Picture { expected: PICTURE as u64, found: 7 }));
    }
}
