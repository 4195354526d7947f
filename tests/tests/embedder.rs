//! The camera's embedder: it computes the real network within rounding, and no file that was accepted makes it panic.

use deja::quantize::AlignedBytes;
use deja_firmware::embedder::{self, EmbedError, GoldenError};
use deja_shared::model::{LayerKind, Model, Tensor};
use deja_tests::model::{Draft, DraftLayer, RECORDS_END, picture, seal, small};
use proptest::prelude::*;

/// Greatest arena that a spoiled model is given.
const ARENA: usize = 1 << 16;

#[test]
fn golden_pairs_hold() {
    let mut draft = small();
    let mut arena = vec![0; 336];
    assert_eq!(embedder::check_golden(&Model::parse(&draft.emit()).unwrap(), &mut arena), Ok(()));
    draft.golden[1].1[0] ^= 1;
    let differs = Err(GoldenError::Differs { pair: 1 });
    assert_eq!(embedder::check_golden(&Model::parse(&draft.emit()).unwrap(), &mut arena), differs);
}

#[test]
fn what_the_arena_held_does_not_matter() {
    let file = small().emit();
    let model = Model::parse(&file).unwrap();
    let embed = |fill| embedder::embed(&model, &picture(9), &mut vec![fill; 400]).unwrap();
    assert_eq!(embed(0), embed(99));
}

#[test]
fn wrong_sizes_are_named() {
    let file = small().emit();
    let model = Model::parse(&file).unwrap();
    let mut arena = vec![0; 336];
    let found = embedder::embed(&model, &picture(1)[1..], &mut arena);
    assert_eq!(found, Err(EmbedError::Picture { expected: 144, found: 143 }));
    let found = embedder::embed(&model, &picture(1), &mut arena[1..]);
    assert_eq!(found, Err(EmbedError::Arena { needed: 336, found: 335 }));
}

#[test]
fn a_network_that_answers_zero_is_blank() {
    let mut draft = small();
    draft.layers[5].weights.fill(0);
    draft.layers[5].biases.fill(0);
    let file = draft.emit();
    let found = embedder::embed(&Model::parse(&file).unwrap(), &picture(1), &mut vec![0; 336]);
    assert_eq!(found, Err(EmbedError::Blank));
}

/// Every layer, in real numbers from what it was given: never more than half a step away, with a little for the
/// rounding of biases and multipliers.
#[test]
fn every_layer_is_the_real_operator() {
    let draft = small();
    let file = draft.emit();
    let model = Model::parse(&file).unwrap();
    for seed in 0..50 {
        let mut seen: Vec<Vec<f64>> = Vec::new();
        let mut moved = 0;
        let raw = embedder::embed_layers(&model, &picture(seed), &mut vec![0; 336], |number, view| {
            let found: Vec<f64> = view.data.iter().map(|&q| f64::from(q)).collect();
            if let Some(index) = usize::from(number).checked_sub(1) {
                assert_near(&draft, index, &seen, &found);
                moved += usize::from(found.iter().any(|q| *q != found[0]));
            }
            seen.push(real(&draft.tensors[usize::from(number)], &found));
        });
        let raw: Vec<f64> = raw.unwrap().iter().map(|&q| f64::from(q)).collect();
        assert_near(&draft, 5, &seen, &raw);
        assert_eq!((seen.len(), moved), (6, 5), "a layer is missing, or answers one value everywhere");
    }
}

/// One byte of the records at a time: refused or run.
#[test]
fn a_changed_byte_is_refused_or_runs() {
    let file = small().emit();
    let mut ran = 0;
    for place in 0..RECORDS_END {
        for value in [0, 1, 2, 3, 4, 5, 7, 8, 16, 32, 64, 96, 127, 128, 144, 255] {
            let mut changed = file.clone();
            changed[place] = value;
            seal(&mut changed);
            ran += usize::from(runs(&changed) && changed[place] != file[place]);
        }
    }
    assert!(ran > 1000, "only {ran} changed models were accepted, so the test says little");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Several bytes anywhere, most of them in the records and small.
    #[test]
    fn changed_bytes_are_refused_or_run(changes in proptest::collection::vec(change(), 1..6)) {
        let mut file = small_file();
        for (place, value) in changes {
            let len = file.len();
            file[place % len] = value;
        }
        seal(&mut file);
        runs(&file);
    }
}

fn change() -> impl Strategy<Value = (usize, u8)> {
    prop_oneof![
        6 => (48..RECORDS_END, prop_oneof![0..9u8, any::<u8>()]),
        1 => (0..4096usize, any::<u8>()),
    ]
}

fn small_file() -> AlignedBytes {
    static FILE: std::sync::OnceLock<AlignedBytes> = std::sync::OnceLock::new();
    FILE.get_or_init(|| small().emit()).clone()
}

/// Whether a file is accepted as a model; if so, it has been run.
fn runs(file: &[u8]) -> bool {
    let Ok(model) = Model::parse(file) else { return false };
    if model.header().picture_bytes() > ARENA as u64 {
        return true;
    }
    let picture = vec![200; model.header().picture_bytes() as usize];
    let mut arena = vec![0; ARENA];
    let found = embedder::embed(&model, &picture, &mut arena);
    assert!(!matches!(found, Err(EmbedError::Picture { .. })));
    assert_eq!(matches!(found, Err(EmbedError::Arena { .. })), model.header().arena_bytes as usize > ARENA);
    // An answer, either way.
    embedder::check_golden(&model, &mut arena).ok();
    true
}

fn real(tensor: &Tensor, values: &[f64]) -> Vec<f64> {
    values.iter().map(|q| (q - f64::from(tensor.zero_point)) * f64::from(tensor.scale)).collect()
}

fn assert_near(draft: &Draft, index: usize, seen: &[Vec<f64>], found: &[f64]) {
    let layer = &draft.layers[index];
    let output = &draft.tensors[index + 1];
    let expected = operator(draft, layer, output, seen);
    assert_eq!(found.len(), expected.len());
    for (&found, exact) in found.iter().zip(expected) {
        let exact = exact / f64::from(output.scale) + f64::from(output.zero_point);
        let (low, high) = match layer.layer.kind {
            LayerKind::FullyConnected => (-32_767.0, 32_767.0),
            _ => (f64::from(layer.layer.low), f64::from(layer.layer.high)),
        };
        let exact = exact.clamp(low, high);
        // A bias is rounded to a step of the accumulator, which may be some steps of a raw embedding.
        let slack = if layer.layer.kind == LayerKind::FullyConnected { 1.0 } else { 0.02 };
        assert!((found - exact).abs() <= 0.5 + slack, "layer {index}: {found} for {exact}");
    }
}

/// A layer in real numbers, value after value of its output.
fn operator(draft: &Draft, layer: &DraftLayer, output: &Tensor, seen: &[Vec<f64>]) -> Vec<f64> {
    let input = &seen[usize::from(layer.layer.input)];
    let shape = draft.tensors[usize::from(layer.layer.input)].shape;
    let channels = usize::from(shape.channels);
    match layer.layer.kind {
        LayerKind::Add => input.iter().zip(&seen[usize::from(layer.layer.second_input)]).map(|(a, b)| a + b).collect(),
        LayerKind::GlobalAveragePool => {
            let mean = |c| input.iter().skip(c).step_by(channels).sum::<f64>() / f64::from(shape.positions());
            (0..channels).map(mean).collect()
        }
        LayerKind::Convolution | LayerKind::Depthwise => windowed(draft, layer, output, input),
        LayerKind::Pointwise | LayerKind::FullyConnected => {
            let product = |values: &[f64], o: usize| -> f64 {
                let weights = &layer.weights[o * channels..];
                values.iter().zip(weights).map(|(x, &w)| x * f64::from(w) * layer.weight_scales[o]).sum()
            };
            let outputs = 0..layer.real_biases.len();
            let at = |values| outputs.clone().map(move |o| product(values, o) + layer.real_biases[o]);
            input.chunks(channels).flat_map(at).collect()
        }
    }
}

fn windowed(draft: &Draft, layer: &DraftLayer, output: &Tensor, input: &[f64]) -> Vec<f64> {
    let shape = draft.tensors[usize::from(layer.layer.input)].shape;
    let (height, width, channels) = (i32::from(shape.height), i32::from(shape.width), i32::from(shape.channels));
    let (stride, outputs) = (i32::from(layer.layer.stride), i32::from(output.shape.channels));
    let depthwise = layer.layer.kind == LayerKind::Depthwise;
    let value = |y: i32, x: i32, c: i32| {
        let inside = (0..height).contains(&y) && (0..width).contains(&x);
        if inside { input[((y * width + x) * channels + c) as usize] } else { 0.0 }
    };
    let at = |i: i32, j: i32, o: i32| {
        let mut sum = layer.real_biases[o as usize];
        for (u, v) in (0..3).flat_map(|u| (0..3).map(move |v| (u, v))) {
            let (y, x) = (i * stride + u - 1, j * stride + v - 1);
            for c in if depthwise { o..o + 1 } else { 0..channels } {
                let place = if depthwise { (u * 3 + v) * channels + c } else { ((o * 3 + u) * 3 + v) * channels + c };
                sum += value(y, x, c) * f64::from(layer.weights[place as usize]) * layer.weight_scales[o as usize];
            }
        }
        sum
    };
    let (rows, columns) = (i32::from(output.shape.height), i32::from(output.shape.width));
    let places = (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j)));
    places.flat_map(|(i, j)| (0..outputs).map(move |o| (i, j, o))).map(|(i, j, o)| at(i, j, o)).collect()
}
