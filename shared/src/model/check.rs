//! The one check of a model: after it, no offset, shape or sum can surprise the code that runs the layers.

use super::arena;
use super::layer::MAX_FAN_IN;
use super::layer_kind::{LOOKUP_ENTRIES, MEAN_ENTRIES, greatest_power};
use super::pairs;
use super::record::array;
use super::{ALIGNMENT, LAYER_BYTES, Layer, LayerKind, Model, ModelError, OUTSIDE_ARENA, PREPROCESSING_BYTES};
use super::{TENSOR_BYTES, Tensor, wide};
use crate::embedding::MAX_DIMENSION;
use crate::tensor::{Shape, Width};

/// Greatest |bias|: with [`MAX_FAN_IN`] products of at most 2¹⁴ each, the accumulator stays below 2³¹.
const MAX_BIAS: u32 = 1 << 30;
/// Most layers of a model; bounds the time that the check takes.
pub const MAX_LAYERS: usize = 512;

pub(super) fn check(model: &Model<'_>) -> Result<(), ModelError> {
    sections(model)?;
    tensors(model)?;
    (0..model.header.layer_count).try_for_each(|index| layer(model, index))?;
    arena::check(model)?;
    ends(model)
}

/// Whether a file lies where its arrays can be used in place.
pub(super) fn is_aligned(bytes: &[u8]) -> bool {
    (bytes.as_ptr() as usize).is_multiple_of(ALIGNMENT)
}

/// Alignment in memory, and every section within the file.
fn sections(model: &Model<'_>) -> Result<(), ModelError> {
    let header = model.header();
    if !is_aligned(model.bytes) {
        return Err(ModelError::Alignment);
    }
    let golden = (header.picture_bytes() + u64::from(header.dimension)) * u64::from(header.golden_count);
    section(model, header.tensors_offset, u64::from(header.tensor_count) * TENSOR_BYTES as u64)?;
    section(model, header.layers_offset, u64::from(header.layer_count) * LAYER_BYTES as u64)?;
    section(model, header.preprocessing_offset, PREPROCESSING_BYTES as u64)?;
    section(model, header.golden_offset, golden)?;
    let dimension = usize::from(header.dimension);
    let counted = (1..=MAX_LAYERS).contains(&usize::from(header.layer_count))
        && header.tensor_count == header.layer_count + 1
        && (1..=MAX_DIMENSION).contains(&dimension);
    if counted { Ok(()) } else { Err(ModelError::Field) }
}

fn section(model: &Model<'_>, offset: u32, len: u64) -> Result<(), ModelError> {
    if !(offset as usize).is_multiple_of(ALIGNMENT) {
        return Err(ModelError::Alignment);
    }
    let end = u64::from(offset) + len;
    if end <= model.bytes.len() as u64 { Ok(()) } else { Err(ModelError::Section) }
}

/// Every activation but the raw embedding lies within the arena.
fn tensors(model: &Model<'_>) -> Result<(), ModelError> {
    let last = model.header.layer_count;
    for index in 0..=last {
        let tensor = model.tensor(index);
        let start = model.header.tensors_offset as usize + usize::from(index) * TENSOR_BYTES;
        let placed = if index == last {
            tensor.arena_offset == OUTSIDE_ARENA
                && tensor.zero_point == 0
                && tensor.width == Width::Eight
                && tensor.rows_kept == 0
        } else {
            // The arena's length has 32 bits, so that lengths can be computed in `usize` on every target.
            let end = u64::from(tensor.arena_offset) + tensor.bytes();
            (tensor.arena_offset as usize).is_multiple_of(ALIGNMENT) && end <= u64::from(model.header.arena_bytes)
        };
        let symmetric = tensor.width == Width::Eight || tensor.zero_point == 0 && index > 0;
        if !symmetric || !Tensor::is_known(&array(model.bytes, start)) || tensor.shape.is_empty() || !placed {
            return Err(ModelError::Tensor { index });
        }
    }
    Ok(())
}

fn layer(model: &Model<'_>, index: u16) -> Result<(), ModelError> {
    let fault = ModelError::Layer { index };
    let start = model.header.layers_offset as usize + usize::from(index) * LAYER_BYTES;
    if !Layer::is_known(&array(model.bytes, start)) {
        return Err(fault);
    }
    let layer = model.layer(index);
    // Layer `i` writes activation `i + 1` and reads only what was written; the raw embedding is the last layer's.
    let ordered = layer.output == index + 1 && layer.inputs().all(|input| input <= index);
    let is_last = index + 1 == model.header.layer_count;
    if !ordered || is_last != layer.kind.is_last() {
        return Err(fault);
    }
    if layer.low > layer.high || layer.second_multiplier < 0 || !shapes_fit(model, &layer) {
        return Err(fault);
    }
    if !wide::widths_fit(model, &layer) {
        return Err(fault);
    }
    constants_fit(model, &layer, index)?;
    if wide::sums_fit(model, &layer) { Ok(()) } else { Err(ModelError::Accumulator { layer: index }) }
}

fn constants_fit(model: &Model<'_>, layer: &Layer, index: u16) -> Result<(), ModelError> {
    let fault = ModelError::Layer { index };
    match layer.kind {
        _ if layer.kind.has_weights() => weights(model, layer, index),
        LayerKind::Lookup if layer.weights_bytes as usize != LOOKUP_ENTRIES => Err(fault),
        LayerKind::Lookup => section(model, layer.weights_offset, LOOKUP_ENTRIES as u64),
        LayerKind::GeneralizedMeanPool => mean_table(model, layer, index),
        LayerKind::PRelu => {
            section(model, layer.multipliers_offset, u64::from(model.tensor(layer.output).shape.channels) * 4)?;
            constants(model, layer, index)
        }
        _ => constants(model, layer, index),
    }
}

/// Whether the shapes are those that the operator makes.
fn shapes_fit(model: &Model<'_>, layer: &Layer) -> bool {
    let [input, output, second, third] =
        [layer.input, layer.output, layer.second_input, layer.third_input].map(|number| model.tensor(number).shape);
    let same_channels = input.channels == output.channels;
    let is_gate = |gate: Shape| gate.positions() == 1 && gate.channels == output.channels;
    let same_extents = |a: Shape, b: Shape| a.height == b.height && a.width == b.width;
    let groups = layer.groups.max(1);
    let grouped = input.channels.is_multiple_of(groups) && output.channels.is_multiple_of(groups);
    if (layer.groups > 0) != (layer.kind == LayerKind::Convolution) {
        return false;
    }
    match layer.kind {
        LayerKind::Convolution => windows_fit(layer, input, output) && grouped,
        LayerKind::Depthwise => windows_fit(layer, input, output) && same_channels,
        LayerKind::MaxPool => {
            let [from, to] = [layer.input, layer.output].map(|number| model.tensor(number));
            let alike = from.zero_point == to.zero_point && from.width == to.width;
            windows_fit(layer, input, output) && same_channels && alike
        }
        LayerKind::Pointwise => same_extents(input, output),
        LayerKind::FullyConnected => output.positions() == 1,
        LayerKind::Widen => output.positions() == 1 && input.len() == output.len(),
        LayerKind::GlobalAveragePool | LayerKind::GeneralizedMeanPool => output.positions() == 1 && same_channels,
        LayerKind::Lookup | LayerKind::PRelu => input == output,
        LayerKind::Add => input == output && second == output,
        LayerKind::ChannelScale => input == output && is_gate(second),
        LayerKind::ChannelScaleAdd => input == output && second == output && is_gate(third),
        LayerKind::PointwiseAdd => input == output && same_extents(second, output),
        LayerKind::Concat => {
            let channels = u32::from(input.channels) + u32::from(second.channels);
            same_extents(input, output) && same_extents(second, output) && channels == output.channels.into()
        }
    }
}

/// Every output position has a window that touches the input, and none starts beyond it.
fn windows_fit(layer: &Layer, input: Shape, output: Shape) -> bool {
    let axis = |kernel: u8, padding: u8, input: u16, output: u16| {
        let last = (u32::from(output) - 1) * u32::from(layer.stride);
        kernel > 0 && padding < kernel && last < u32::from(input) + u32::from(padding)
    };
    layer.stride > 0
        && axis(layer.kernel_height, layer.padding_top, input.height, output.height)
        && axis(layer.kernel_width, layer.padding_left, input.width, output.width)
}

fn weights(model: &Model<'_>, layer: &Layer, index: u16) -> Result<(), ModelError> {
    let (input, output) = (model.tensor(layer.weighs()).shape, model.tensor(layer.output).shape);
    let fan_in = layer.fan_in(input);
    let outputs = u64::from(output.channels);
    let bytes = match layer.kind {
        LayerKind::Depthwise => u64::from(fan_in) * outputs,
        _ => outputs.next_multiple_of(2) * u64::from(fan_in).next_multiple_of(4),
    };
    if bytes != u64::from(layer.weights_bytes) {
        return Err(ModelError::Layer { index });
    }
    let channels = u64::from(output.channels) * 4;
    section(model, layer.weights_offset, layer.weights_bytes.into())?;
    if layer.kind.has_filters() && !padding_is_zero(model.weights(layer), fan_in as usize) {
        return Err(ModelError::Layer { index });
    }
    section(model, layer.biases_offset, channels)?;
    section(model, layer.multipliers_offset, channels)?;
    if model.multipliers(layer).iter().any(|&multiplier| multiplier < 0) {
        return Err(ModelError::Layer { index });
    }
    if fan_in > MAX_FAN_IN || model.biases(layer).iter().any(|bias| bias.unsigned_abs() > MAX_BIAS) {
        return Err(ModelError::Accumulator { layer: index });
    }
    Ok(())
}

/// A kernel may multiply the padding of filters by anything.
fn padding_is_zero(weights: &[i8], fan_in: usize) -> bool {
    let padded = pairs::padded(fan_in);
    padded == fan_in || weights.chunks(2 * padded).all(|pair| pair[2 * fan_in..].iter().all(|&weight| weight == 0))
}

fn constants(model: &Model<'_>, layer: &Layer, index: u16) -> Result<(), ModelError> {
    if layer.multiplier < 0 {
        return Err(ModelError::Layer { index });
    }
    let pooled = layer.kind == LayerKind::GlobalAveragePool;
    let summed = if pooled { model.tensor(layer.input).shape.positions() } else { 0 };
    if layer.bias.unsigned_abs() > MAX_BIAS || summed > MAX_FAN_IN {
        return Err(ModelError::Accumulator { layer: index });
    }
    Ok(())
}

/// Powers whose sum fits, and thresholds that ascend.
fn mean_table(model: &Model<'_>, layer: &Layer, index: u16) -> Result<(), ModelError> {
    section(model, layer.weights_offset, layer.weights_bytes.into())?;
    let table = model.mean_table(layer);
    let Some((powers, thresholds)) = table.split_at_checked(256).filter(|_| table.len() == MEAN_ENTRIES) else {
        return Err(ModelError::Layer { index });
    };
    if !thresholds.is_sorted() {
        return Err(ModelError::Layer { index });
    }
    let positions = model.tensor(layer.input).shape.positions();
    let greatest = greatest_power(positions);
    if positions > MAX_FAN_IN || powers.iter().any(|&power| power > greatest) {
        return Err(ModelError::Accumulator { layer: index });
    }
    Ok(())
}

/// The first activation is the picture, the last one the embedding.
fn ends(model: &Model<'_>) -> Result<(), ModelError> {
    let header = model.header();
    if model.tensor(0).shape != Shape::new(header.input_height, header.input_width, 3) {
        return Err(ModelError::Tensor { index: 0 });
    }
    let last = header.layer_count;
    if model.tensor(last).shape.channels != header.dimension {
        return Err(ModelError::Tensor { index: last });
    }
    Ok(())
}
