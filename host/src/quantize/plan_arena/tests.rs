//! Whole networks: how little memory they need, and that it changes nothing that they compute.

use deja_firmware::embedder;
use deja_shared::model::Model;

use super::{Plan, plan};
use crate::network::{Graph, by_name};
use crate::quantize::calibrate::Range;
use crate::quantize::emit::emit;
use crate::quantize::fixtures::{INPUT, awake, pictures};
use crate::quantize::fold_batch_norm::fold_batch_norm;
use crate::quantize::lower::{Lowered, Residual, lower_with};
use crate::quantize::order::{Placed, lower_smallest};

const KB: usize = 1 << 10;

fn folded(name: &str, input: [usize; 2]) -> (Graph, Vec<Range>) {
    let graph = fold_batch_norm(&awake(by_name(name, input, 64, 3).unwrap(), 4)).unwrap();
    let ranges = vec![Range { low: -4.0, high: 4.0 }; graph.nodes.len()];
    (graph, ranges)
}

fn placed(name: &str, input: [usize; 2], limit: Option<usize>) -> Placed {
    let (graph, ranges) = folded(name, input);
    lower_smallest(graph, &ranges, limit).unwrap()
}

#[test]
fn networks_fit_the_memory_of_small_chips() {
    let cases = [
        ("mobilenet_v1_0.25", [96, 96], None, 29 * KB),
        ("deja_nano", [128, 64], None, 29 * KB),
        ("mobilenet_v2_0.35", [128, 64], None, 28 * KB),
        ("mobilenet_v2_0.35", [128, 64], Some(16 * KB), 16 * KB),
        ("mobilenet_v2_0.35", [256, 128], None, 66 * KB),
        ("osnet_x0.25", [128, 64], None, 58 * KB),
        ("osnet_x0.25", [256, 128], Some(200 * KB), 200 * KB),
    ];
    for (name, input, limit, most) in cases {
        let plan = placed(name, input, limit).plan;
        assert!(plan.bytes <= most, "{name} {input:?}: {} bytes, of at least {}", plan.bytes, plan.lower_bound);
    }
}

#[test]
fn a_limit_that_whole_layers_keep_costs_nothing() {
    let placed = placed("mobilenet_v2_0.35", [128, 64], Some(120 * KB));
    assert_eq!(placed.plan, Plan::whole(&placed.lowered));
    assert!(placed.keeps_limit().is_ok());
}

#[test]
fn a_limit_that_nothing_keeps_is_refused_with_what_there_is() {
    let placed = placed("deja_nano", [128, 64], Some(10 * KB));
    let message = placed.keeps_limit().unwrap_err().to_string();
    assert!(message.contains(&placed.plan.bytes.to_string()) && message.contains("10240"), "{message}");
}

#[test]
fn chains_compute_what_whole_layers_compute() {
    let mut chains = 0;
    for name in ["mobilenet_v1_0.25", "mobilenet_v2_0.35", "osnet_x0.25", "deja_nano_gem"] {
        let (graph, ranges) = folded(name, INPUT);
        for residual in [Residual::Apart, Residual::Joined] {
            let lowered = lower_with(&graph, &ranges, residual).unwrap();
            let whole = Plan::whole(&lowered);
            for limit in [None, Some(0), Some(whole.bytes * 3 / 4)] {
                let plan = plan(&lowered, limit);
                assert!(plan.bytes <= whole.bytes, "{name}, {limit:?}: {} bytes", plan.bytes);
                chains += plan.chains.len();
                assert_eq!(embeddings(&lowered, &plan), embeddings(&lowered, &whole), "{name}, {limit:?}");
            }
        }
    }
    assert!(chains > 50, "{chains}");
}

#[test]
fn what_is_computed_again_is_the_same() {
    let Placed { lowered, plan: least, .. } = placed("osnet_x0.25", [128, 64], Some(0));
    let whole = Plan::whole(&lowered);
    assert!(least.order.len() > whole.order.len(), "nothing is computed again");
    assert_eq!(embeddings(&lowered, &least), embeddings(&lowered, &whole));
}

fn embeddings(lowered: &Lowered, plan: &Plan) -> Vec<Vec<i16>> {
    let file = emit(lowered, plan, &[]).unwrap();
    let model = Model::parse(&file).unwrap();
    let header = model.header();
    let pixels = pictures(24, 7);
    let pictures = pixels.chunks_exact(header.picture_bytes() as usize).take(2);
    // What lay there before is of no matter.
    let raw = |picture: &[u8]| {
        let mut arena = vec![77; plan.bytes];
        embedder::embed_layers(&model, picture, &mut arena, |_, _| {}).unwrap().to_vec()
    };
    pictures.map(raw).collect()
}
