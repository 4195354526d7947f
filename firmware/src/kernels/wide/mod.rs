//! Layers that read or write activations of 16 bits: plain loops, the same on every processor.
//!
//! The folder exists so that a network in which 8 bits destroy an activation still runs. Only its host gives a layer 16 bits,
//! and only where that is needed, so here little code counts more than speed: each kernel takes operands of either width
//! through [`Values`], and one serves all layers with filters. Where all operands have 8 bits they compute what the kernels of
//! [`super::reference`] compute, and are tested against them.

mod depthwise;
mod elements;
mod filters;
mod max_pool;
mod pool;
#[cfg(test)]
mod testing;

use deja_shared::model::{Layer, LayerKind, Model};
use deja_shared::quant::{INT16, Requantizer};
use deja_shared::tensor::{Shape, Values, ValuesMut, View, Width};

use super::{Operands, Parameters, Summand, Window};
use elements::Elements;
use filters::Filtered;

/// What a pointwise layer slides over its input.
const ONE: Window = Window { kernel_height: 1, kernel_width: 1, stride: 1, padding_top: 0, padding_left: 0 };

/// A layer's input: values and what they stand for.
#[derive(Debug, Clone, Copy)]
struct Input<'a> {
    values: Values<'a>,
    shape: Shape,
    zero_point: i8,
}

impl<'a> Input<'a> {
    fn of(model: &Model<'_>, number: u16, view: View<'a>) -> Self {
        let tensor = model.tensor(number);
        Self { values: Values::new(view.data, tensor.width), shape: view.shape, zero_point: tensor.zero_point }
    }

    fn summand(self, multiplier: i32) -> Summand {
        Summand { zero_point: self.zero_point, multiplier }
    }
}

/// [`super::run`] where something has 16 bits.
#[inline(never)]
pub(super) fn run(model: &Model<'_>, layer: &Layer, operands: Operands<'_>) {
    let output = model.tensor(layer.output);
    let input = Input::of(model, layer.input, operands.input);
    let second = Input::of(model, layer.second_input, operands.second_input);
    let third = Input::of(model, layer.third_input, operands.third_input);
    let rule = rule(model, layer);
    let values = ValuesMut::new(operands.output.data, output.width);
    // Without data where the output already holds it.
    let first = (!operands.input.data.is_empty()).then_some(input.values);
    let elements = Elements { first, rule, output: values };
    match layer.kind {
        LayerKind::Convolution | LayerKind::Depthwise | LayerKind::Pointwise | LayerKind::PointwiseAdd => {
            let joined = layer.kind == LayerKind::PointwiseAdd;
            let windowed = matches!(layer.kind, LayerKind::Convolution | LayerKind::Depthwise);
            let filtered = Filtered {
                input: if joined { second } else { input },
                window: if windowed { Window::of(layer) } else { ONE },
                groups: layer.groups.max(1),
                parameters: Parameters::of(model, layer),
                summand: joined.then(|| input.summand(layer.second_multiplier)),
                shape: operands.output.shape,
                elements,
            };
            if layer.kind == LayerKind::Depthwise { depthwise::depthwise(filtered) } else { filters::filters(filtered) }
        }
        LayerKind::Add => {
            let summands = [input.summand(layer.multiplier), second.summand(layer.second_multiplier)];
            elements::add(elements, second.values, summands);
        }
        LayerKind::MaxPool => max_pool::max_pool(input, Window::of(layer), operands.output.shape, elements),
        LayerKind::GlobalAveragePool => pool::global_average_pool(input, layer.bias, elements),
        LayerKind::ChannelScale => elements::channel_scale(elements, input.zero_point, second),
        LayerKind::ChannelScaleAdd => {
            elements::channel_scale_add(elements, input.summand(layer.second_multiplier), [second, third]);
        }
        LayerKind::PRelu => {
            elements::prelu(elements, input.summand(layer.multiplier), Parameters::of(model, layer).multipliers);
        }
        LayerKind::Concat => {
            let summands = [input.summand(layer.multiplier), second.summand(layer.second_multiplier)];
            elements::concat(elements, [input, second], summands);
        }
        // Those that have 8 bits only, and those of `run_last`.
        LayerKind::GeneralizedMeanPool | LayerKind::Lookup | LayerKind::FullyConnected | LayerKind::Widen => {}
    }
}

/// [`super::run_last`] on an input of 16 bits, whose zero point is 0.
pub(super) fn run_last(model: &Model<'_>, layer: &Layer, input: &[i8], output: &mut [i16]) {
    let values = Values::new(input, Width::Sixteen);
    if layer.kind == LayerKind::Widen {
        // They have 16 bits already.
        output.iter_mut().zip(values.iter()).for_each(|(result, value)| *result = value as i16);
        return;
    }
    let low = if layer.low < 0 { INT16.0 } else { 0 };
    filters::fully_connected(values, Parameters::of(model, layer), low, output);
}

/// How results are rounded and bounded; with the multiplier of a layer that has only one.
fn rule(model: &Model<'_>, layer: &Layer) -> Requantizer {
    let output = model.tensor(layer.output);
    let (low, high) = match output.width {
        Width::Eight => (layer.low.into(), layer.high.into()),
        Width::Sixteen => (layer.wide_low.into(), layer.wide_high.into()),
    };
    Requantizer { multiplier: layer.multiplier, zero_point: output.zero_point.into(), low, high }
}
