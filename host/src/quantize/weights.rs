//! One linear layer's weights, biases and multipliers as integers.

use super::QuantizeError;
use super::scale::{GREATEST_FACTOR, Quantization, multiplier};

/// Greatest magnitude of a weight: symmetric, so that −128 never occurs.
pub(super) const WEIGHT_LIMIT: f64 = 127.0;
/// Greatest magnitude of a bias that the model reader admits.
const BIAS_LIMIT: i64 = 1 << 30;
/// Half of it: what the bias itself may take; the rest is for the input's zero point.
pub(super) const OWN_BIAS_LIMIT: f64 = (1 << 29) as f64;
/// Least scale of a requantization: the multiplier keeps 12 bits, so a bias is exact to 2⁻¹³ even where a channel's
/// weights have died.
const LEAST_FACTOR: f64 = 1.0 / (1 << 20) as f64;

/// Where a layer's float weights stand; the output channel is their last axis.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filters<'a> {
    /// `[products of one output, channels]`
    pub weights: &'a [f32],
    /// `[channels]`
    pub biases: &'a [f32],
    /// Whether the file has them channel by channel (`[out][…]`) and not in this order.
    pub transpose: bool,
}

/// The integers of one layer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Quantized {
    /// In the file's order.
    pub weights: Vec<i8>,
    /// One a channel, the input's zero point folded in.
    pub biases: Vec<i32>,
    /// One a channel.
    pub multipliers: Vec<i32>,
}

impl Filters<'_> {
    /// Scales of the weights, one a channel: max|w|/127, or larger where the bias would not fit beside them.
    pub fn scales(&self, input: Quantization) -> Vec<f64> {
        let mut scales = vec![0.0f64; self.biases.len()];
        for row in self.weights.chunks_exact(self.biases.len()) {
            scales.iter_mut().zip(row).for_each(|(scale, &w)| *scale = scale.max(f64::from(w).abs() / WEIGHT_LIMIT));
        }
        let room = f64::from(input.scale) * OWN_BIAS_LIMIT;
        scales.iter_mut().zip(self.biases).for_each(|(scale, &b)| *scale = scale.max(f64::from(b).abs() / room));
        scales
    }

    /// What one step of each channel's weights is worth between these quantizations, as [`quantize`] chooses it.
    pub fn steps(&self, input: Quantization, output: Quantization) -> Vec<f64> {
        let ratio = f64::from(input.scale) / f64::from(output.scale);
        self.scales(input).into_iter().map(|scale| scale.max(LEAST_FACTOR / ratio)).collect()
    }

    /// The integers, or `None` where a bias does not fit. `output.scale` is at least [`least_scale`].
    pub fn quantize(&self, mut scales: Vec<f64>, input: Quantization, output: Quantization) -> Option<Quantized> {
        let ratio = f64::from(input.scale) / f64::from(output.scale);
        scales.iter_mut().for_each(|scale| *scale = scale.max(LEAST_FACTOR / ratio));
        let channels = scales.len();
        let products = self.weights.len() / channels.max(1);
        let mut weights = vec![0i8; self.weights.len()];
        let mut sums = vec![0i64; channels];
        for (index, &value) in self.weights.iter().enumerate() {
            let (product, channel) = (index / channels, index % channels);
            let quantized = (f64::from(value) / scales[channel]).round().clamp(-WEIGHT_LIMIT, WEIGHT_LIMIT) as i8;
            sums[channel] += i64::from(quantized);
            weights[if self.transpose { channel * products + product } else { index }] = quantized;
        }
        let bias = |channel: usize| {
            let own = (f64::from(self.biases[channel]) / (f64::from(input.scale) * scales[channel])).round() as i64;
            let bias = own - i64::from(input.zero_point) * sums[channel];
            (bias.abs() <= BIAS_LIMIT).then(|| i32::try_from(bias).ok()).flatten()
        };
        let biases = (0..channels).map(bias).collect::<Option<_>>()?;
        Some(Quantized { weights, biases, multipliers: scales.iter().map(|scale| multiplier(ratio * scale)).collect() })
    }
}

/// The least output scale with which every multiplier stays below ½.
pub(super) fn least_scale(scales: &[f64], input: Quantization) -> f64 {
    scales.iter().fold(0.0, |greatest: f64, &scale| greatest.max(scale)) * f64::from(input.scale) / GREATEST_FACTOR
}

/// `Quantized`, or the error that names the node.
pub(super) fn quantize(
    filters: Filters<'_>,
    name: &str,
    input: Quantization,
    output: impl FnOnce(f64) -> Quantization,
) -> Result<(Quantized, Quantization), QuantizeError> {
    let scales = filters.scales(input);
    let output = output(least_scale(&scales, input));
    let quantized = filters.quantize(scales, input, output);
    quantized.map(|q| (q, output)).ok_or_else(|| QuantizeError::Accumulator { node: name.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantize::calibrate::Range;
    use deja_shared::quant::Requantizer;

    const INPUT: Quantization = Quantization::eight(0.02, -128);

    /// By how many output steps the layer misses what it should compute, beyond what rounding its weights must cost.
    fn error(filters: Filters<'_>, x: &[f32], range: Range) -> f32 {
        let widen = |least| Quantization::int8(range, least);
        let (layer, output) = quantize(filters, "layer", INPUT, widen).unwrap();
        let channels = filters.biases.len();
        let mut worst: f32 = 0.0;
        for channel in 0..channels {
            let row = &layer.weights[channel * x.len()..][..x.len()];
            let products = row.iter().zip(x).map(|(&w, &x)| i32::from(w) * i32::from(INPUT.quantize(x)));
            let accumulator = products.sum::<i32>() + layer.biases[channel];
            let multiplier = layer.multipliers[channel];
            let requantizer = Requantizer { multiplier, zero_point: output.zero_point.into(), low: -128, high: 127 };
            let got = output.dequantize(requantizer.apply(accumulator));
            let weights = filters.weights.iter().skip(channel).step_by(channels);
            let exact = weights.zip(x).map(|(w, x)| w * x).sum::<f32>() + filters.biases[channel];
            let rounding = filters.scales(INPUT)[channel] as f32 / 2.0 * x.iter().sum::<f32>();
            worst = worst.max(((got - exact).abs() - rounding) / output.scale);
        }
        worst
    }

    #[test]
    fn a_layer_computes_its_floats_within_a_step() {
        let weights = [0.5, -2.0, 0.25, 1.0, -0.125, 0.75];
        let filters = Filters { weights: &weights, biases: &[0.3, -0.6], transpose: true };
        assert!(error(filters, &[1.0, 2.0, 3.0], Range { low: -4.0, high: 4.0 }) <= 0.55);
    }

    #[test]
    fn dead_and_nearly_dead_channels_keep_their_bias() {
        for weight in [0.0, 1e-38, 1e-20, 1e-9] {
            let weights = [0.5, weight, 0.25, -weight];
            let filters = Filters { weights: &weights, biases: &[0.0, 1.5], transpose: true };
            let worst = error(filters, &[1.0, 2.0], Range { low: 0.0, high: 2.0 });
            assert!(worst <= 0.55, "{weight}: {worst}");
        }
    }

    #[test]
    fn a_narrow_output_is_widened_until_the_multiplier_fits() {
        let filters = Filters { weights: &[100.0], biases: &[-100.0], transpose: true };
        let widen = |least| Quantization::int8(Range { low: 0.0, high: 1e-3 }, least);
        let (layer, output) = quantize(filters, "layer", INPUT, widen).unwrap();
        assert!(layer.multipliers[0] > 1 << 30);
        assert!(output.scale > 2.0 * INPUT.scale * 100.0 / 127.0);
    }

    #[test]
    fn a_layer_of_zeros_has_a_valid_multiplier() {
        let filters = Filters { weights: &[0.0; 4], biases: &[0.0; 2], transpose: false };
        let widen = |least| Quantization::int8(Range { low: 0.0, high: 0.0 }, least);
        let (layer, output) = quantize(filters, "layer", INPUT, widen).unwrap();
        assert_eq!((layer.weights, layer.biases, output.scale), (vec![0; 4], vec![0; 2], 1.0));
        assert!(layer.multipliers.iter().all(|&m| m > 0));
    }
}
