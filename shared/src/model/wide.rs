//! What is asked of layers that read or write activations of 16 bits.

use super::pairs::Filter;
use super::{Layer, LayerKind, Model};
use crate::quant::INT16;
use crate::tensor::Width;

/// Whether the kind takes the widths of what it reads and writes, and its bounds are those of its result's width.
pub(super) fn widths_fit(model: &Model<'_>, layer: &Layer) -> bool {
    let mut inputs = layer.inputs().enumerate();
    let reads = inputs.all(|(place, number)| !is_wide(model, number) || layer.kind.reads_16_bits(place));
    let (low, high) = (i32::from(layer.wide_low), i32::from(layer.wide_high));
    let writes = if is_wide(model, layer.output) {
        layer.kind.writes_16_bits() && INT16.0 <= low && low <= high
    } else {
        (low, high) == (0, 0)
    };
    reads && writes
}

/// Whether no sum over values of 16 bits can leave 32 bits, given these weights and the bounds of what was written.
pub(super) fn sums_fit(model: &Model<'_>, layer: &Layer) -> bool {
    let read = layer.weighs();
    if !is_wide(model, read) {
        return true;
    }
    // The picture is not wide, so there is a layer that wrote what is read.
    let writer = model.layer(read - 1);
    let greatest = u64::from(writer.wide_low.unsigned_abs().max(writer.wide_high.unsigned_abs()));
    let fits = |factors: u64, bias: i32| greatest * factors + u64::from(bias.unsigned_abs()) <= i32::MAX as u64;
    match layer.kind {
        LayerKind::GlobalAveragePool => fits(model.tensor(read).shape.positions().into(), layer.bias),
        _ if layer.kind.has_weights() => {
            let biases = model.biases(layer).iter().enumerate();
            biases.into_iter().all(|(output, &bias)| fits(magnitude(model, layer, output), bias))
        }
        _ => true,
    }
}

/// Σ |w| of an output channel.
fn magnitude(model: &Model<'_>, layer: &Layer, output: usize) -> u64 {
    let weights = model.weights(layer);
    let absolute = |weight: i8| u64::from(weight.unsigned_abs());
    if layer.kind == LayerKind::Depthwise {
        let channels = usize::from(model.tensor(layer.output).shape.channels);
        return weights.iter().skip(output).step_by(channels).map(|&weight| absolute(weight)).sum();
    }
    let fan_in = layer.fan_in(model.tensor(layer.weighs()).shape) as usize;
    Filter::of(weights, output, fan_in).taps().map(absolute).sum()
}

fn is_wide(model: &Model<'_>, number: u16) -> bool {
    model.tensor(number).width == Width::Sixteen
}
