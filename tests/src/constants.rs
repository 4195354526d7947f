//! Constants for the layers of models made by hand, as a quantizer computes them.

use deja_shared::model::{Layer, LayerKind, Tensor};
use deja_shared::tensor::Width;

use crate::model::DraftLayer;

/// The exponent of every generalized mean.
pub const EXPONENT: f64 = 3.0;

/// The function of every lookup: 1/(1 + e⁻ˣ).
pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Gives a layer constants: random weights and biases, with multipliers and folded biases as a quantizer computes them.
pub(crate) fn quantized(layer: Layer, tensors: &[Tensor], noise: &mut Noise) -> DraftLayer {
    let [input, second, output] =
        [layer.input, layer.second_input, layer.output].map(|number| &tensors[usize::from(number)]);
    let mut draft = DraftLayer {
        layer,
        weights: Vec::new(),
        weight_scales: Vec::new(),
        real_biases: Vec::new(),
        biases: Vec::new(),
        multipliers: Vec::new(),
    };
    let to = f64::from(output.scale);
    let ratio = |tensor: &Tensor| f64::from(tensor.scale) / to;
    match layer.kind {
        LayerKind::Add if [input, second, output].iter().any(|tensor| tensor.width == Width::Sixteen) => {
            draft.layer.multiplier = fixed(ratio(input) / 256.0);
            draft.layer.second_multiplier = fixed(ratio(second) / 256.0);
        }
        LayerKind::Add => add(&mut draft.layer, [input, second], to),
        LayerKind::GlobalAveragePool => {
            let positions = input.shape.positions();
            draft.layer.bias = -i32::from(input.zero_point) * positions as i32;
            draft.layer.multiplier = fixed(ratio(input) / f64::from(positions));
        }
        LayerKind::MaxPool | LayerKind::Widen => {}
        LayerKind::GeneralizedMeanPool => draft.weights = mean_table(input, output),
        LayerKind::Lookup => {
            let real = (-128..=127).map(|q| f64::from(q - i32::from(input.zero_point)) * f64::from(input.scale));
            draft.weights = real.map(|x| (sigmoid(x) / to + f64::from(output.zero_point)).round() as i8).collect();
        }
        LayerKind::ChannelScale => draft.layer.multiplier = fixed(ratio(input) * f64::from(second.scale)),
        LayerKind::ChannelScaleAdd => {
            let gate = &tensors[usize::from(layer.third_input)];
            draft.layer.multiplier = fixed(ratio(second) * f64::from(gate.scale));
            draft.layer.second_multiplier = fixed(ratio(input) / 256.0);
        }
        LayerKind::Concat => {
            draft.layer.multiplier = fixed(ratio(input) / 256.0);
            draft.layer.second_multiplier = fixed(ratio(second) / 256.0);
        }
        LayerKind::PRelu => {
            draft.layer.multiplier = fixed(ratio(input) / 256.0);
            draft.weight_scales = (0..output.shape.channels).map(|_| f64::from(noise.within(100)) / 100.0).collect();
            draft.multipliers = draft.weight_scales.iter().map(|slope| fixed(slope * ratio(input) / 256.0)).collect();
        }
        LayerKind::PointwiseAdd => {
            draft.layer.second_multiplier = fixed(ratio(input) / 256.0);
            linear(&mut draft, second, output, noise);
        }
        _ => linear(&mut draft, input, output, noise),
    }
    draft
}

fn linear(draft: &mut DraftLayer, input: &Tensor, output: &Tensor, noise: &mut Noise) {
    let layer = draft.layer;
    let (from, to) = (f64::from(input.scale), f64::from(output.scale));
    let channels = usize::from(output.shape.channels);
    let window = usize::from(layer.kernel_height) * usize::from(layer.kernel_width);
    let fan_in = match layer.kind {
        LayerKind::Convolution => window * usize::from(input.shape.channels / layer.groups),
        LayerKind::Depthwise => window,
        _ => usize::from(input.shape.channels),
    };
    let weights: Vec<i8> = (0..channels * fan_in).map(|_| noise.within(127) as i8).collect();
    draft.weight_scales = (0..channels).map(|c| 0.004 * (1.0 + c as f64 / 8.0) / (fan_in as f64).sqrt()).collect();
    draft.real_biases = (0..channels).map(|_| f64::from(noise.within(100)) / 200.0).collect();
    let weight_sum = |c: usize| -> i32 {
        let at = |t| if layer.kind == LayerKind::Depthwise { t * channels + c } else { c * fan_in + t };
        (0..fan_in).map(|t| i32::from(weights[at(t)])).sum()
    };
    let fold = |c: usize| {
        let own = draft.real_biases[c] / (from * draft.weight_scales[c]);
        own.round() as i32 - i32::from(input.zero_point) * weight_sum(c)
    };
    draft.biases = (0..channels).map(fold).collect();
    draft.multipliers = draft.weight_scales.iter().map(|scale| fixed(from * scale / to)).collect();
    draft.weights = weights;
}

fn add(layer: &mut Layer, inputs: [&Tensor; 2], to: f64) {
    let [a, b] = inputs.map(|input| f64::from(input.scale));
    let unit = a.max(b) / 16_384.0;
    layer.multiplier_a = (a / unit).round() as i16;
    layer.multiplier_b = (b / unit).round() as i16;
    layer.bias = -i32::from(inputs[0].zero_point) * i32::from(layer.multiplier_a)
        - i32::from(inputs[1].zero_point) * i32::from(layer.multiplier_b);
    layer.multiplier = fixed(unit / to);
}

/// Powers of what is above zero, 2³⁰ for the greatest, and where the root of their mean passes from step to step.
fn mean_table(input: &Tensor, output: &Tensor) -> Vec<i8> {
    let greatest = f64::from(input.scale) * f64::from(127 - i32::from(input.zero_point));
    let power = |x: f64| (x.max(0.0) / greatest).powf(EXPONENT) * 2f64.powi(30);
    let real = |q: f64, tensor: &Tensor| (q - f64::from(tensor.zero_point)) * f64::from(tensor.scale);
    let powers = (-128..=127).map(|q| power(real(f64::from(q), input)).round() as u64);
    let positions = f64::from(input.shape.positions());
    let thresholds = (-128..127).map(|q| (power(real(f64::from(q) + 0.5, output)) * positions).ceil() as u64);
    powers.chain(thresholds).flat_map(|entry| entry.to_le_bytes().map(|byte| byte as i8)).collect()
}

/// A scale as a requantizer's multiplier.
fn fixed(scale: f64) -> i32 {
    (scale * 4_294_967_296.0).round() as i32
}

/// A fixed sequence of numbers (Numerical Recipes' linear congruential generator).
pub(crate) struct Noise(pub u32);

impl Noise {
    pub fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0
    }

    /// −limit..=limit
    pub fn within(&mut self, limit: i32) -> i32 {
        ((self.next() >> 8) % (2 * limit as u32 + 1)) as i32 - limit
    }
}
