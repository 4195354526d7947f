//! Our graph run by tract: an implementation that shares no line with our engine.

use std::path::Path;

use super::{ImportError, OnnxModel, export::export};
use crate::network::{Graph, interpreter};

/// The embedding of one picture (`[height, width, 3]` RGB bytes) as tract computes it, not normalized.
///
/// The graph goes through [`export`], so this also checks what other programs will read.
///
/// # Errors
/// What tract reports.
pub fn embed(graph: &Graph, picture: &[u8]) -> Result<Vec<f32>, ImportError> {
    OnnxModel::from_bytes(Path::new(&graph.name), &export(graph))?.run(picture)
}

/// Largest difference, in components of unit vectors, between our embedding of a picture of noise and the one that tract
/// computes with `onnx`, the bytes of a file that takes the same pictures.
///
/// # Errors
/// What tract reports.
pub fn difference(graph: &Graph, onnx: &[u8]) -> Result<f32, ImportError> {
    let noise = |at: usize| ((at as f64 * 12.9898).sin() * 43758.5453).rem_euclid(1.0) * 256.0;
    let picture: Vec<u8> = (0..graph.input().len()).map(|at| noise(at) as u8).collect();
    let theirs = unit(OnnxModel::from_bytes(Path::new(&graph.name), onnx)?.run(&picture)?);
    let ours = unit(interpreter::run(graph, &picture).swap_remove(graph.embedding.0));
    Ok(ours.iter().zip(&theirs).fold(0.0, |most: f32, (a, b)| most.max((a - b).abs())))
}

/// Divided by its length; zeros stay.
fn unit(row: Vec<f32>) -> Vec<f32> {
    let length = row.iter().map(|value| value * value).sum::<f32>().sqrt();
    row.into_iter().map(|value| if length > 0.0 { value / length } else { value }).collect()
}

#[cfg(test)]
mod onnxruntime_tests;

#[cfg(test)]
mod tests {
    use super::onnxruntime_tests::curves;
    use super::*;
    use crate::network::{Engine, by_name};
    use crate::quantize::fixtures::{INPUT, PICTURE, awake, network, pictures};
    use crate::quantize::fold_batch_norm::fold_batch_norm;

    /// Largest difference, relative to the largest component.
    fn relative(a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len());
        let largest = a.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        assert!(largest > 0.0);
        a.iter().zip(b).fold(0.0f32, |m, (a, b)| m.max((a - b).abs())) / largest
    }

    #[test]
    fn tract_agrees_with_interpreter_and_engine() {
        let graph = network(21);
        let pixels = pictures(2, 21);
        let from_engine = Engine::new(&graph, 2, 1).embed(&graph, &pixels, 2);
        for (index, picture) in pixels.chunks_exact(PICTURE).enumerate() {
            let oracle = embed(&graph, picture).unwrap();
            assert!(difference(&graph, &export(&graph)).unwrap() < 1e-4);
            assert!(relative(&oracle, &interpreter::run(&graph, picture)[graph.embedding.0]) < 1e-4);
            assert!(relative(&oracle, &from_engine[index * 64..][..64]) < 1e-4);
        }
    }

    #[test]
    fn tract_agrees_with_pools_and_gates() {
        for name in ["osnet_x0.25", "osnet_x0.25_gem"] {
            let graph = awake(by_name(name, INPUT, 64, 3).unwrap(), 23);
            let picture = pictures(1, 23);
            let ours = &interpreter::run(&graph, &picture)[graph.embedding.0];
            assert!(relative(&embed(&graph, &picture).unwrap(), ours) < 1e-4);
        }
    }

    #[test]
    fn tract_agrees_with_curves_slices_and_a_flattened_map() {
        let graph = awake(curves(), 24);
        let picture = pictures(1, 24);
        let folded = fold_batch_norm(&graph).unwrap();
        for graph in [graph, folded] {
            let ours = &interpreter::run(&graph, &picture)[graph.embedding.0];
            assert!(relative(&embed(&graph, &picture).unwrap(), ours) < 1e-4);
        }
    }

    #[test]
    fn tract_agrees_with_the_folded_network() {
        let folded = fold_batch_norm(&network(22)).unwrap();
        let picture = pictures(1, 22);
        let ours = &interpreter::run(&folded, &picture)[folded.embedding.0];
        assert!(relative(&embed(&folded, &picture).unwrap(), ours) < 1e-4);
    }
}
