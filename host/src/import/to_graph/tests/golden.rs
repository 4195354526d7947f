//! Files that PyTorch's exporter wrote (`golden/nets.py`), and what PyTorch itself computes of them.

use super::{agrees, difference, pictures};
use crate::network::interpreter;

/// The file's name, its bytes.
pub const FILES: [(&str, &[u8]); 7] = [
    ("r18_11", include_bytes!("golden/r18_11.onnx")),
    ("v3_11", include_bytes!("golden/v3_11.onnx")),
    ("v3_17", include_bytes!("golden/v3_17.onnx")),
    ("mfn_11", include_bytes!("golden/mfn_11.onnx")),
    ("mfn_17", include_bytes!("golden/mfn_17.onnx")),
    ("gem_13", include_bytes!("golden/gem_13.onnx")),
    ("misc_17", include_bytes!("golden/misc_17.onnx")),
];

#[test]
fn exported_networks_are_what_pytorch_computes() {
    let outputs = include_str!("golden/nets.json");
    let outputs: std::collections::HashMap<String, Vec<f32>> =
        serde_json::from_str(outputs).expect("the script's file");
    for (name, bytes) in FILES {
        let graph = agrees(bytes, None);
        let picture = pictures(1, graph.input().len());
        let ours = interpreter::run(&graph, &picture).swap_remove(graph.embedding.0);
        let difference = difference(&ours, &outputs[name]);
        assert!(difference < 1e-4, "{name}: {difference}");
    }
}
