//! Files that somebody has damaged or made up: an error or a network, but no panic.

use std::path::Path;

use prost::Message;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tract_onnx::pb::{ModelProto, NodeProto};

use super::super::from_bytes;
use super::golden::FILES;
use crate::network::interpreter;

const OPERATORS: [&str; 24] = [
    "Conv",
    "Gemm",
    "MatMul",
    "BatchNormalization",
    "Add",
    "Mul",
    "Div",
    "Sum",
    "Clip",
    "Max",
    "PRelu",
    "HardSigmoid",
    "GlobalAveragePool",
    "ReduceMean",
    "MaxPool",
    "AveragePool",
    "Pow",
    "ReduceL2",
    "Concat",
    "Split",
    "Slice",
    "Pad",
    "Transpose",
    "Reshape",
];
const NUMBERS: [i64; 9] = [-1, 0, 1, 2, 3, 7, 1000, i64::MAX, i64::MIN];

fn alter_node(node: &mut NodeProto, random: &mut ChaCha8Rng) {
    match random.random_range(0..5) {
        0 => node.op_type = OPERATORS.choose(random).unwrap().to_string(),
        1 => drop(node.input.pop()),
        2 => node.attribute.clear(),
        3 => node.input.reverse(),
        _ => {
            let number = *NUMBERS.choose(random).unwrap();
            for attribute in &mut node.attribute {
                attribute.i = number;
                let places = attribute.ints.len();
                if places > 0 {
                    attribute.ints[random.random_range(0..places)] = number;
                }
            }
        }
    }
}

fn alter(model: &mut ModelProto, random: &mut ChaCha8Rng) {
    let graph = model.graph.as_mut().unwrap();
    match random.random_range(0..6) {
        0 => {
            let at = random.random_range(0..graph.initializer.len());
            let dims = &mut graph.initializer[at].dims;
            dims.reverse();
            if random.random_bool(0.5) {
                dims.push(*NUMBERS[..6].choose(random).unwrap());
            }
        }
        1 => {
            let at = random.random_range(0..graph.initializer.len());
            graph.initializer[at].raw_data.truncate(4);
        }
        _ => {
            let at = random.random_range(0..graph.node.len());
            alter_node(&mut graph.node[at], random);
        }
    }
}

#[test]
fn made_up_files_are_errors_or_networks() {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let mut networks = 0;
    for round in 0..400 {
        let (name, bytes) = FILES[round % FILES.len()];
        let mut model = ModelProto::decode(bytes).unwrap();
        alter(&mut model, &mut random);
        if let Ok(graph) = from_bytes(Path::new(name), &model.encode_to_vec(), None) {
            networks += 1;
            let picture = vec![100; graph.input().len()];
            assert_eq!(interpreter::run(&graph, &picture)[graph.embedding.0].len(), graph.dimension());
        }
    }
    assert!((20..380).contains(&networks), "{networks}");
}

#[test]
fn flipped_bytes_are_errors_or_networks() {
    let mut random = ChaCha8Rng::seed_from_u64(12);
    for round in 0..400 {
        let (name, bytes) = FILES[round % FILES.len()];
        let mut bytes = bytes.to_vec();
        for _ in 0..random.random_range(1..6) {
            let at = random.random_range(0..bytes.len());
            bytes[at] = random.random();
        }
        // An error, or a network of other numbers.
        let _ = from_bytes(Path::new(name), &bytes, None);
    }
}
