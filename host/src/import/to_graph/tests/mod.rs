//! Imported graphs against tract's own run of the same file.

mod golden;
mod mutations;
mod net;
mod public;
mod refusals;
mod round_trip;
mod spellings;

use std::path::Path;

use super::super::{OnnxModel, Preprocessing};
use crate::network::{Engine, Graph, interpreter};

/// Largest difference of two directions' components.
fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let [a, b] = [a, b].map(|row| {
        let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
        assert!(length > 0.0 && length.is_finite(), "an embedding without direction");
        row.iter().map(|v| v / length).collect::<Vec<f32>>()
    });
    a.iter().zip(b).fold(0.0, |most, (a, b)| most.max((a - b).abs()))
}

/// Reproducible pictures.
fn pictures(count: usize, len: usize) -> Vec<u8> {
    (0..count * len)
        .map(|at| ((at as f64 * 12.9898).sin() * 43758.5453).rem_euclid(1.0))
        .map(|x| (x * 256.0) as u8)
        .collect()
}

/// Imports `bytes` and compares interpreter and engine with tract, within 1e-4.
fn agrees(bytes: &[u8], preprocessing: Option<Preprocessing>) -> Graph {
    let path = Path::new("net.onnx");
    let graph = super::from_bytes(path, bytes, preprocessing).unwrap_or_else(|error| panic!("{error}"));
    let mut oracle = OnnxModel::from_bytes(path, bytes).unwrap();
    if let Some(preprocessing) = preprocessing {
        oracle = oracle.with_preprocessing(preprocessing);
    }
    let (len, dimension) = (graph.input().len(), graph.dimension());
    let pixels = pictures(2, len);
    let from_engine = Engine::new(&graph, 2, 1).embed(&graph, &pixels, 2);
    for (picture, row) in pixels.chunks_exact(len).zip(from_engine.chunks_exact(dimension)) {
        let theirs = oracle.run(picture).unwrap();
        let ours = interpreter::run(&graph, picture).swap_remove(graph.embedding.0);
        let differences = [difference(&ours, &theirs), difference(row, &theirs)];
        assert!(differences.iter().all(|difference| *difference < 1e-4), "{differences:?}");
    }
    graph
}
