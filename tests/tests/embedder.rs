//! The camera's embedder: it computes the real network within rounding, and no file that was accepted makes it panic.

use deja::quantize::AlignedBytes;
use deja_firmware::embedder::{self, EmbedError, GoldenError};
use deja_shared::model::{Layer, LayerKind, Model, Tensor};
use deja_shared::tensor::{Values, Width};
use deja_tests::chained::chained;
use deja_tests::constants::{EXPONENT, sigmoid};
use deja_tests::model::{Draft, DraftLayer, branched, picture, seal, small, wide};
use proptest::prelude::*;

/// Greatest arena that a spoiled model is given.
const ARENA: usize = 1 << 16;

#[test]
fn golden_pairs_hold() {
    for mut draft in [small(), branched(), wide(), chained()] {
        let mut arena = vec![0; draft.header.arena_bytes as usize];
        assert_eq!(embedder::check_golden(&Model::parse(&draft.emit()).unwrap(), &mut arena), Ok(()));
        draft.golden[1].1[0] ^= 1;
        let differs = Err(GoldenError::Differs { pair: 1 });
        assert_eq!(embedder::check_golden(&Model::parse(&draft.emit()).unwrap(), &mut arena), differs);
    }
}

#[test]
fn what_the_arena_held_does_not_matter() {
    for draft in [small(), branched(), wide(), chained()] {
        let file = draft.emit();
        let model = Model::parse(&file).unwrap();
        let embed = |fill| embedder::embed(&model, &picture(9), &mut vec![fill; 800]).unwrap();
        assert_eq!(embed(0), embed(99));
    }
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
    for draft in [small(), branched(), wide()] {
        let file = draft.emit();
        let model = Model::parse(&file).unwrap();
        let last = draft.layers.len() - 1;
        for seed in 0..50 {
            let mut seen: Vec<Vec<f64>> = Vec::new();
            let mut moved = 0;
            let arena = &mut vec![0; draft.header.arena_bytes as usize];
            let raw = embedder::embed_layers(&model, &picture(seed), arena, |number, view| {
                let values = Values::new(view.data, draft.tensors[usize::from(number)].width);
                let found: Vec<f64> = values.iter().map(f64::from).collect();
                if let Some(index) = usize::from(number).checked_sub(1) {
                    assert_near(&draft, index, &seen, &found);
                    moved += usize::from(found.iter().any(|q| *q != found[0]));
                }
                seen.push(real(&draft.tensors[usize::from(number)], &found));
            });
            let raw: Vec<f64> = raw.unwrap().iter().map(|&q| f64::from(q)).collect();
            assert_near(&draft, last, &seen, &raw);
            assert_eq!((seen.len(), moved), (last + 1, last), "a layer is missing, or answers one value everywhere");
        }
    }
}

/// One byte of the records at a time: refused or run.
#[test]
fn a_changed_byte_is_refused_or_runs() {
    for draft in [small(), branched(), wide(), chained()] {
        let file = draft.emit();
        let mut ran = 0;
        for place in 0..draft.records_end() {
            for value in [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 32, 96, 127, 128, 255] {
                let mut changed = file.clone();
                changed[place] = value;
                seal(&mut changed);
                ran += usize::from(runs(&changed) && changed[place] != file[place]);
            }
        }
        assert!(ran > 1000, "only {ran} changed models were accepted, so the test says little");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6000))]

    /// Several bytes anywhere, most of them in the records and small.
    #[test]
    fn changed_bytes_are_refused_or_run(which in 0..4usize, changes in proptest::collection::vec(change(), 1..6)) {
        let mut file = files()[which].clone();
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
        6 => (48..wide().records_end(), prop_oneof![0..15u8, any::<u8>()]),
        1 => (0..8192usize, any::<u8>()),
    ]
}

fn files() -> &'static [AlignedBytes; 4] {
    static FILES: std::sync::OnceLock<[AlignedBytes; 4]> = std::sync::OnceLock::new();
    FILES.get_or_init(|| [small(), branched(), wide(), chained()].map(|draft| draft.emit()))
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
    let is_wide = output.width == Width::Sixteen;
    for (&found, exact) in found.iter().zip(expected) {
        let exact = exact / f64::from(output.scale) + f64::from(output.zero_point);
        let (low, high) = match layer.layer.kind.is_last() {
            true => (-32_767.0, 32_767.0),
            false if is_wide => (f64::from(layer.layer.wide_low), f64::from(layer.layer.wide_high)),
            false => (f64::from(layer.layer.low), f64::from(layer.layer.high)),
        };
        let exact = exact.clamp(low, high);
        // A bias is rounded to a step of the accumulator, which may be some steps of 16 bits.
        let slack = if layer.layer.kind == LayerKind::FullyConnected || is_wide { 1.0 } else { 0.02 };
        assert!((found - exact).abs() <= 0.5 + slack, "layer {index}: {found} for {exact}");
    }
}

/// A layer in real numbers, value after value of its output.
fn operator(draft: &Draft, layer: &DraftLayer, output: &Tensor, seen: &[Vec<f64>]) -> Vec<f64> {
    let input = &seen[usize::from(layer.layer.input)];
    let shape = draft.tensors[usize::from(layer.layer.input)].shape;
    let channels = usize::from(shape.channels);
    let second = &seen[usize::from(layer.layer.second_input)];
    let scaled = |map: &[f64], gate: &[f64]| -> Vec<f64> {
        map.iter().enumerate().map(|(i, x)| x * gate[i % gate.len()]).collect()
    };
    let summed = |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a + b).collect() };
    match layer.layer.kind {
        LayerKind::Add => summed(input, second),
        LayerKind::GlobalAveragePool => mean(input, channels, |x| x),
        LayerKind::GeneralizedMeanPool => {
            mean(input, channels, |x| x.max(0.0).powf(EXPONENT)).iter().map(|mean| mean.powf(1.0 / EXPONENT)).collect()
        }
        LayerKind::Convolution | LayerKind::Depthwise | LayerKind::MaxPool => windowed(draft, layer, output, input),
        LayerKind::Pointwise | LayerKind::FullyConnected => pointwise(layer, input, channels),
        LayerKind::PointwiseAdd => {
            let channels = draft.tensors[usize::from(layer.layer.second_input)].shape.channels;
            summed(input, &pointwise(layer, second, channels.into()))
        }
        LayerKind::Lookup => input.iter().map(|&x| sigmoid(x)).collect(),
        LayerKind::ChannelScale => scaled(input, second),
        LayerKind::ChannelScaleAdd => summed(input, &scaled(second, &seen[usize::from(layer.layer.third_input)])),
        LayerKind::PRelu => {
            let slope = |(i, &x): (usize, &f64)| if x < 0.0 { x * layer.weight_scales[i % channels] } else { x };
            input.iter().enumerate().map(slope).collect()
        }
        LayerKind::Concat => {
            let rows = input.chunks(channels).zip(second.chunks(usize::from(output.shape.channels) - channels));
            rows.flat_map(|(a, b)| [a, b].concat()).collect()
        }
        LayerKind::Widen => input.clone(),
    }
}

/// The mean over positions of `function` of the values, one a channel.
fn mean(input: &[f64], channels: usize, function: fn(f64) -> f64) -> Vec<f64> {
    let positions = (input.len() / channels) as f64;
    let mean = |c| input.iter().skip(c).step_by(channels).map(|&x| function(x)).sum::<f64>() / positions;
    (0..channels).map(mean).collect()
}

fn pointwise(layer: &DraftLayer, input: &[f64], channels: usize) -> Vec<f64> {
    let product = |values: &[f64], o: usize| -> f64 {
        let weights = &layer.weights[o * channels..];
        values.iter().zip(weights).map(|(x, &w)| x * f64::from(w) * layer.weight_scales[o]).sum()
    };
    let outputs = 0..layer.real_biases.len();
    let at = |values| outputs.clone().map(move |o| product(values, o) + layer.real_biases[o]);
    input.chunks(channels).flat_map(at).collect()
}

/// A convolution of any kind, or a max pool.
fn windowed(draft: &Draft, layer: &DraftLayer, output: &Tensor, input: &[f64]) -> Vec<f64> {
    let shape = draft.tensors[usize::from(layer.layer.input)].shape;
    let (height, width, channels) = (i32::from(shape.height), i32::from(shape.width), i32::from(shape.channels));
    let outputs = i32::from(output.shape.channels);
    let Layer { kind, stride, kernel_height, kernel_width, padding_top, padding_left, groups, .. } = layer.layer;
    let group = if kind == LayerKind::Convolution { channels / i32::from(groups) } else { 1 };
    let value = |y: i32, x: i32, c: i32| {
        let inside = (0..height).contains(&y) && (0..width).contains(&x);
        inside.then(|| input[((y * width + x) * channels + c) as usize])
    };
    let weight = |o: i32, tap: i32, c: i32| {
        let taps = i32::from(kernel_height) * i32::from(kernel_width);
        let place = if kind == LayerKind::Depthwise { tap * channels + o } else { (o * taps + tap) * group + c };
        f64::from(layer.weights[place as usize]) * layer.weight_scales[o as usize]
    };
    let at = |i: i32, j: i32, o: i32| {
        let (mut sum, mut greatest) = (0.0, f64::NEG_INFINITY);
        for (u, v) in (0..kernel_height).flat_map(|u| (0..kernel_width).map(move |v| (u, v))) {
            let y = i * i32::from(stride) + i32::from(u) - i32::from(padding_top);
            let x = j * i32::from(stride) + i32::from(v) - i32::from(padding_left);
            let first = o / (outputs * group / channels) * group;
            for c in 0..group {
                if kind == LayerKind::MaxPool {
                    greatest = value(y, x, o).unwrap_or(greatest).max(greatest);
                } else {
                    let tap = i32::from(u) * i32::from(kernel_width) + i32::from(v);
                    sum += value(y, x, first + c).unwrap_or(0.0) * weight(o, tap, c);
                }
            }
        }
        if kind == LayerKind::MaxPool { greatest } else { sum + layer.real_biases[o as usize] }
    };
    let (rows, columns) = (i32::from(output.shape.height), i32::from(output.shape.width));
    let places = (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j)));
    places.flat_map(|(i, j)| (0..outputs).map(move |o| (i, j, o))).map(|(i, j, o)| at(i, j, o)).collect()
}
