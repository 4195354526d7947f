//! The operators of a network, one file each, in one folder for each instruction set.
//!
//! The folder exists so that a model runs everywhere with the same result, bit for bit, and fast where a processor has
//! the instructions for it. [`mod@reference`] is plain loops and *is* the specification; a kernel for an instruction set
//! stands under the same file name in its own folder and is tested against it.
//!
//! Every kernel computes, for each value of the output,
//! `q = requantize(bias + Σ x·w)` with the rule of [`deja_shared::quant::Requantizer`] and one multiplier an output
//! channel. Sums are taken modulo 2³², so their order does not matter; `Model::parse` admits only layers whose sum
//! cannot leave 32 bits.
//!
//! **Zero points.** The real value of an input is `x − zp`. The host folds that into the bias once:
//! `bias = b − zp·Σ w`, over the *whole* window of an output channel. Weights have no zero point. At the edge, a window
//! reaches over the input; there the real value is 0, so the kernel must add `zp·w` for every position that is padding:
//! together with the fold it contributes `(zp − zp)·w = 0`.

mod arguments;
pub mod reference;
mod window;

pub use arguments::{Add, FullyConnected, GlobalAveragePool, OutputRange, Parameters, Pointwise, Windowed};
pub use window::{Overlap, Window};

use deja_shared::model::{Layer, LayerKind, Model};
use deja_shared::tensor::{View, ViewMut};

/// The activations that a layer reads and the one that it writes.
#[derive(Debug)]
pub struct Operands<'a> {
    /// What activation [`Layer::input`] holds.
    pub input: View<'a>,
    /// What activation [`Layer::second_input`] holds; read by [`LayerKind::Add`] only.
    pub second_input: View<'a>,
    /// Where activation [`Layer::output`] is to be written.
    pub output: ViewMut<'a>,
}

/// Runs a layer whose result has 8 bits, with the kernel for its kind.
///
/// [`LayerKind::FullyConnected`] has another type of result: see [`run_last`]; here it writes nothing.
pub fn run(model: &Model<'_>, layer: &Layer, operands: Operands<'_>) {
    let Operands { input, second_input, output } = operands;
    let range = OutputRange::of(model, layer);
    match layer.kind {
        LayerKind::Convolution => reference::convolution(windowed(model, layer, input, output)),
        LayerKind::Depthwise => reference::depthwise(windowed(model, layer, input, output)),
        LayerKind::Pointwise => {
            reference::pointwise(Pointwise { input, parameters: Parameters::of(model, layer), range, output });
        }
        LayerKind::Add => reference::add(Add {
            a: input.data,
            b: second_input.data,
            multiplier_a: layer.multiplier_a,
            multiplier_b: layer.multiplier_b,
            bias: layer.bias,
            requantizer: range.requantizer(layer.multiplier),
            output: output.data,
        }),
        LayerKind::GlobalAveragePool => reference::global_average_pool(GlobalAveragePool {
            input,
            bias: layer.bias,
            requantizer: range.requantizer(layer.multiplier),
            output: output.data,
        }),
        LayerKind::FullyConnected => {}
    }
}

/// Runs the last layer, which is [`LayerKind::FullyConnected`], on `input`: one value of 16 bits for each component.
pub fn run_last(model: &Model<'_>, layer: &Layer, input: &[i8], output: &mut [i16]) {
    reference::fully_connected(FullyConnected { input, parameters: Parameters::of(model, layer), output });
}

fn windowed<'a>(model: &Model<'a>, layer: &Layer, input: View<'a>, output: ViewMut<'a>) -> Windowed<'a> {
    Windowed {
        input,
        input_zero_point: model.tensor(layer.input).zero_point,
        window: Window::of(layer),
        parameters: Parameters::of(model, layer),
        range: OutputRange::of(model, layer),
        output,
    }
}
