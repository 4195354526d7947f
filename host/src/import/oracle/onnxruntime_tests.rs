//! What we export, run by onnxruntime, where a Python with it is at hand.

use std::process::Command;

use super::unit;
use crate::import::export::export;
use crate::network::builder::{Builder, Filter};
use crate::network::curve::Curve;
use crate::network::interpreter::{self, pixel_value};
use crate::network::{Graph, by_name};
use crate::quantize::fixtures::{INPUT, awake, pictures};

/// Names the Python to use.
const PYTHON: &str = "DEJA_PYTHON";

const SCRIPT: &str = "
import sys, numpy, onnxruntime
model, values, height, width = sys.argv[1:]
session = onnxruntime.InferenceSession(model, providers=['CPUExecutionProvider'])
x = numpy.fromfile(values, '<f4').reshape(1, int(height), int(width), 3).transpose(0, 3, 1, 2)
x = numpy.concatenate([x, x[:, ::-1]])
print(*session.run(None, {session.get_inputs()[0].name: numpy.ascontiguousarray(x)})[0][0])
";

/// Every operator of ours that no named network has.
pub(super) fn curves() -> Graph {
    let mut b = Builder::new(INPUT, 24);
    let x = b.input();
    let x = b.convolution("first", x, 6, Filter { kernel: 3, stride: 4, padding: 1 });
    let x = b.norm_and_activation("first", x, None);
    let curves = [Curve::HardSwish, Curve::HardSigmoid].map(|curve| b.curve(&format!("{curve:?}"), x, curve));
    let sloped = b.prelu("sloped", x);
    let all = b.concat("all", &[curves[0], curves[1], sloped]);
    let part = b.slice("part", all, 4, 11);
    let flat = b.flatten("flat", part);
    let raw = b.fully_connected("head", flat, 8);
    b.finish("curves".into(), raw, raw)
}

#[test]
fn onnxruntime_computes_what_we_export() {
    let python = std::env::var(PYTHON).unwrap_or_else(|_| "python3".into());
    let usable = Command::new(&python).args(["-c", "import numpy, onnxruntime"]).output();
    if !usable.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: `{python}` has no onnxruntime; name one that has with {PYTHON}");
        return;
    }
    let named = ["mobilenet_v2_0.35", "deja_nano", "osnet_x0.25", "deja_nano_gem"];
    let graphs = named.into_iter().map(|name| by_name(name, INPUT, 16, 3).unwrap()).chain([curves()]);
    for (graph, picture) in graphs.map(|graph| awake(graph, 23)).zip(std::iter::repeat(pictures(1, 23))) {
        let folder = tempfile::tempdir().unwrap();
        let [model, values] = ["model.onnx", "values.f32"].map(|name| folder.path().join(name));
        std::fs::write(&model, export(&graph)).unwrap();
        let floats: Vec<u8> = picture.iter().flat_map(|pixel| pixel_value(*pixel).to_le_bytes()).collect();
        std::fs::write(&values, floats).unwrap();
        let extents = INPUT.map(|extent| extent.to_string());
        let output =
            Command::new(&python).arg("-c").arg(SCRIPT).arg(&model).arg(&values).args(&extents).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", graph.name);
        let theirs = String::from_utf8(output.stdout).unwrap();
        let theirs = unit(theirs.split_whitespace().map(|number| number.parse().unwrap()).collect());
        let ours = unit(interpreter::run(&graph, &picture).swap_remove(graph.embedding.0));
        assert_eq!(ours.len(), theirs.len());
        let most = ours.iter().zip(&theirs).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
        assert!(most < 1e-4, "{}: {most}", graph.name);
    }
}
