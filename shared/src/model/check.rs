//! The one check of a model: after it, no offset, shape or sum can surprise the code that runs the layers.

use super::layer::MAX_FAN_IN;
use super::record::array;
use super::{ALIGNMENT, ElementType, LAYER_BYTES, Layer, LayerKind, Model, ModelError, PREPROCESSING_BYTES};
use super::{TENSOR_BYTES, Tensor};
use crate::embedding::MAX_DIMENSION;
use crate::tensor::Shape;

/// Greatest |bias|: with [`MAX_FAN_IN`] products of at most 2¹⁴ each, the accumulator stays below 2³¹.
const MAX_BIAS: u32 = 1 << 30;
/// Most layers of a model; bounds the time that the check takes.
const MAX_LAYERS: u16 = 512;

pub(super) fn check(model: &Model<'_>) -> Result<(), ModelError> {
    sections(model)?;
    tensors(model)?;
    (0..model.header.layer_count).try_for_each(|index| layer(model, index))?;
    arena(model)?;
    ends(model)
}

/// Alignment in memory, and every section within the file.
fn sections(model: &Model<'_>) -> Result<(), ModelError> {
    let header = model.header();
    if !(model.bytes.as_ptr() as usize).is_multiple_of(ALIGNMENT) {
        return Err(ModelError::Alignment);
    }
    let golden = (header.picture_bytes() + usize::from(header.dimension)) * usize::from(header.golden_count);
    section(model, header.tensors_offset, model.tensor_count() * TENSOR_BYTES)?;
    section(model, header.layers_offset, usize::from(header.layer_count) * LAYER_BYTES)?;
    section(model, header.preprocessing_offset, PREPROCESSING_BYTES)?;
    section(model, header.golden_offset, golden)?;
    let dimension = usize::from(header.dimension);
    let lists = [model.tensor_count(), usize::from(header.layer_count), header.picture_bytes(), dimension];
    let counts = header.layer_count > MAX_LAYERS || header.tensor_count != header.layer_count.saturating_add(1);
    if lists.contains(&0) || dimension > MAX_DIMENSION || counts {
        return Err(ModelError::Field);
    }
    Ok(())
}

fn section(model: &Model<'_>, offset: u32, len: usize) -> Result<(), ModelError> {
    if !(offset as usize).is_multiple_of(ALIGNMENT) {
        return Err(ModelError::Alignment);
    }
    match (offset as usize).checked_add(len) {
        Some(end) if end <= model.bytes.len() => Ok(()),
        _ => Err(ModelError::Section),
    }
}

/// Every activation lies within the arena; 16-bit ones at even places.
fn tensors(model: &Model<'_>) -> Result<(), ModelError> {
    for (index, tensor) in (0..).zip(model.tensors()) {
        let end = u64::from(tensor.arena_offset) + tensor.bytes();
        let even = tensor.element == Some(ElementType::Int8)
            || (tensor.arena_offset.is_multiple_of(2) && tensor.zero_point == 0);
        // Fits in 32 bits, so that lengths can be computed in `usize` on every target.
        let small = tensor.shape.len() <= u64::from(u32::MAX) / 2;
        if tensor.bytes() == 0 || !small || end > u64::from(model.header.arena_bytes) || !even {
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
    let count = model.header.tensor_count;
    if layer.input >= count || layer.second_input >= count || layer.output >= count {
        return Err(fault);
    }
    let (input, output) = (model.tensor(layer.input), model.tensor(layer.output));
    let wanted = if layer.kind == LayerKind::FullyConnected { ElementType::Int16 } else { ElementType::Int8 };
    let elements = input.element == Some(ElementType::Int8) && output.element == Some(wanted);
    if !elements || layer.low > layer.high || !shapes_fit(model, &layer, input.shape, output.shape) {
        return Err(fault);
    }
    if layer.kind.has_weights() {
        weights(model, &layer, index, input.shape, output.shape)
    } else {
        constants(&layer, index, input.shape)
    }
}

/// Whether the shapes are those that the operator makes.
fn shapes_fit(model: &Model<'_>, layer: &Layer, input: Shape, output: Shape) -> bool {
    match layer.kind {
        LayerKind::Convolution => windows_fit(layer, input, output),
        LayerKind::Depthwise => windows_fit(layer, input, output) && input.channels == output.channels,
        LayerKind::Pointwise => input.height == output.height && input.width == output.width,
        LayerKind::FullyConnected => input.positions() == 1 && output.positions() == 1,
        LayerKind::Add => {
            let second = model.tensor(layer.second_input);
            second.element == Some(ElementType::Int8) && second.shape == input && output == input
        }
        LayerKind::GlobalAveragePool => output.positions() == 1 && input.channels == output.channels,
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

fn weights(model: &Model<'_>, layer: &Layer, index: u16, input: Shape, output: Shape) -> Result<(), ModelError> {
    let window = u32::from(layer.kernel_height) * u32::from(layer.kernel_width);
    let fan_in = match layer.kind {
        LayerKind::Convolution => window.saturating_mul(input.channels.into()),
        LayerKind::Depthwise => window,
        _ => input.channels.into(),
    };
    if u64::from(fan_in) * u64::from(output.channels) != u64::from(layer.weights_bytes) {
        return Err(ModelError::Layer { index });
    }
    let channels = usize::from(output.channels) * 4;
    section(model, layer.weights_offset, layer.weights_bytes as usize)?;
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

fn constants(layer: &Layer, index: u16, input: Shape) -> Result<(), ModelError> {
    if layer.multiplier < 0 {
        return Err(ModelError::Layer { index });
    }
    let summed = if layer.kind == LayerKind::GlobalAveragePool { input.positions() } else { 0 };
    if layer.bias.unsigned_abs() > MAX_BIAS || summed > MAX_FAN_IN {
        return Err(ModelError::Accumulator { layer: index });
    }
    Ok(())
}

/// Layer `i` writes activation `i + 1`, reads only what was written, and writes over nothing that it or a later layer
/// reads.
fn arena(model: &Model<'_>) -> Result<(), ModelError> {
    let reads = |layer: &Layer, tensor: u16| {
        layer.input == tensor || (layer.kind == LayerKind::Add && layer.second_input == tensor)
    };
    for (index, layer) in (0..).zip(model.layers()) {
        if layer.output != index + 1 || layer.input > index || layer.second_input > index {
            return Err(ModelError::Layer { index });
        }
        let output = model.tensor(layer.output);
        let still_read = |tensor: u16| (index..model.header.layer_count).any(|i| reads(&model.layer(i), tensor));
        if (0..=index).any(|tensor| overlap(&model.tensor(tensor), &output) && still_read(tensor)) {
            return Err(ModelError::Arena { layer: index });
        }
    }
    Ok(())
}

fn overlap(a: &Tensor, b: &Tensor) -> bool {
    let (a, b) = (a.range(), b.range());
    a.start < b.end && b.start < a.end
}

/// The first activation is the picture, the last layer writes the raw embedding.
fn ends(model: &Model<'_>) -> Result<(), ModelError> {
    let header = model.header();
    let input = model.tensor(0);
    let picture = Shape::new(header.input_height, header.input_width, 3);
    if input.element != Some(ElementType::Int8) || input.shape != picture {
        return Err(ModelError::Tensor { index: 0 });
    }
    let index = header.layer_count - 1;
    let last = model.layer(index);
    if last.kind != LayerKind::FullyConnected || model.tensor(last.output).shape.channels != header.dimension {
        return Err(ModelError::Layer { index });
    }
    Ok(())
}
