//! The operators of a network, one file each, in one folder for each instruction set.
//!
//! The folder exists so that a model runs everywhere with the same result, bit for bit, and fast where a processor has
//! the instructions for it. [`mod@reference`] is plain loops and *is* the specification; a kernel for an instruction set
//! stands under the same file name in its own folder and is tested against it.
//!
//! Every kernel computes, for each value of the output,
//! `q = requantize(bias + Σ x·w)` with the rule of [`deja_shared::quant::Requantizer`] and one multiplier an output
//! channel; the kinds of other layers say what is different there. Sums are taken modulo 2³², so their order does not
//! matter; `Model::parse` admits only layers whose sum cannot leave 32 bits.
//!
//! **16 bits.** What a layer reads or writes may have 16 bits, where 8 would hurt. Such layers are few, and `wide` holds
//! plain loops for them that serve every processor; the kernels of the other folders see 8 bits only.
//!
//! **In place.** A kernel of a kind that [`LayerKind::is_in_place`] finds its first input in the values that it writes
//! over. So its result needs no memory of its own where nobody reads that input again; where somebody does, [`run`]
//! copies it first.
//!
//! **Zero points.** The real value of an input is `x − zp`. The host folds that into the bias once:
//! `bias = b − zp·Σ w`, over the *whole* window of an output channel. Weights have no zero point. At the edge, a window
//! reaches over the input; there the real value is 0, so the kernel must add `zp·w` for every position that is padding:
//! together with the fold it contributes `(zp − zp)·w = 0`.
//!
//! **Templates.** `search` compares a probe with the templates of a gallery, which lie four by four in [`quad::Quad`]s.

mod arguments;
mod cut;
#[cfg(all(target_arch = "arm", feature = "dsp", not(feature = "mve")))]
pub mod dsp;
#[cfg(all(target_arch = "arm", feature = "mve"))]
pub mod mve;
pub mod quad;
pub mod reference;
mod wide;
mod window;

pub use arguments::{
    Add, ChannelScale, ChannelScaleAdd, Concat, FullyConnected, GeneralizedMeanPool, GlobalAveragePool, MaxPool,
    OutputRange, PRelu, Parameters, Pointwise, PointwiseAdd, Summand, Windowed,
};
/// The kernels that [`run`] calls.
#[cfg(all(target_arch = "arm", feature = "dsp", not(feature = "mve")))]
pub use dsp as selected;
/// The kernels that [`run`] calls.
#[cfg(all(target_arch = "arm", feature = "mve"))]
pub use mve as selected;
/// The kernels that [`run`] calls.
#[cfg(not(all(target_arch = "arm", any(feature = "dsp", feature = "mve"))))]
pub use reference as selected;
pub use window::{Overlap, Window};

use deja_shared::model::{Layer, LayerKind, Model};
use deja_shared::quant::INT16;
use deja_shared::tensor::{View, ViewMut};

/// The activations that a layer reads and the one that it writes.
#[derive(Debug)]
pub struct Operands<'a> {
    /// What activation [`Layer::input`] holds, or the rows of it that are read; without data where the output already holds that, as it may if the kind
    /// [`LayerKind::is_in_place`].
    pub input: View<'a>,
    /// What activation [`Layer::second_input`] holds, where the kind has two.
    pub second_input: View<'a>,
    /// What activation [`Layer::third_input`] holds, where the kind has three.
    pub third_input: View<'a>,
    /// Where activation [`Layer::output`], or some rows of it, is to be written.
    pub output: ViewMut<'a>,
}

/// Runs a layer whose result lies in the arena, with the kernel for its kind.
///
/// In a chain the operands are some rows of activations, and the layer's `padding_top` is what stands above these.
///
/// A kind that [`LayerKind::is_last`] has another type of result: see [`run_last`]; here it writes nothing.
// Not inlined, because a board compiles what surrounds it for size.
#[inline(never)]
pub fn run(model: &Model<'_>, layer: &Layer, operands: Operands<'_>) {
    if model.is_wide(layer) {
        return wide::run(model, layer, operands);
    }
    let Operands { input, second_input, third_input, output } = operands;
    let range = OutputRange::of(model, layer);
    let requantizer = range.requantizer(layer.multiplier);
    let parameters = Parameters::of(model, layer);
    let [zero_point, second_zero_point, third_zero_point] =
        [layer.input, layer.second_input, layer.third_input].map(|number| model.tensor(number).zero_point);
    let values = output.data;
    if layer.kind.is_in_place() {
        values.iter_mut().zip(input.data).for_each(|(value, &input)| *value = input);
    }
    match layer.kind {
        LayerKind::Convolution => {
            selected::convolution(windowed(model, layer, input, ViewMut { shape: output.shape, data: values }));
        }
        LayerKind::Depthwise => {
            selected::depthwise(windowed(model, layer, input, ViewMut { shape: output.shape, data: values }));
        }
        LayerKind::MaxPool => {
            let output = ViewMut { shape: output.shape, data: values };
            let Windowed { input, window, range, output, .. } = windowed(model, layer, input, output);
            selected::max_pool(MaxPool { input, window, range, output });
        }
        LayerKind::Pointwise => {
            let output = ViewMut { shape: output.shape, data: values };
            selected::pointwise(Pointwise { input, parameters, range, output });
        }
        LayerKind::PointwiseAdd => {
            let summand = Summand { zero_point, multiplier: layer.second_multiplier };
            selected::pointwise_add(PointwiseAdd { input: second_input, parameters, summand, range, values });
        }
        LayerKind::Add => selected::add(Add {
            b: second_input.data,
            multiplier_a: layer.multiplier_a,
            multiplier_b: layer.multiplier_b,
            bias: layer.bias,
            requantizer,
            values,
        }),
        LayerKind::GlobalAveragePool => {
            selected::global_average_pool(GlobalAveragePool { input, bias: layer.bias, requantizer, output: values });
        }
        LayerKind::GeneralizedMeanPool => {
            let table = model.mean_table(layer);
            reference::generalized_mean_pool(GeneralizedMeanPool { input, table, range, output: values });
        }
        LayerKind::Lookup => reference::lookup(model.weights(layer), values),
        LayerKind::ChannelScale => {
            let (gate, gate_zero_point) = (second_input.data, second_zero_point);
            selected::channel_scale(ChannelScale { zero_point, gate, gate_zero_point, requantizer, values });
        }
        LayerKind::ChannelScaleAdd => {
            let (gate, gate_zero_point) = (third_input.data, third_zero_point);
            let scale = ChannelScale { zero_point: second_zero_point, gate, gate_zero_point, requantizer, values };
            let summand = Summand { zero_point, multiplier: layer.second_multiplier };
            selected::channel_scale_add(ChannelScaleAdd { map: second_input.data, summand, scale });
        }
        LayerKind::PRelu => {
            let (positive, negative) = (layer.multiplier, parameters.multipliers);
            reference::prelu(PRelu { zero_point, positive, negative, requantizer, values });
        }
        LayerKind::Concat => {
            let summands = [
                Summand { zero_point, multiplier: layer.multiplier },
                Summand { zero_point: second_zero_point, multiplier: layer.second_multiplier },
            ];
            let inputs = [input, second_input];
            reference::concat(Concat { inputs, summands, requantizer, output: values });
        }
        LayerKind::FullyConnected | LayerKind::Widen => {}
    }
}

/// Runs the last layer on `input`: one value of 16 bits for each component.
#[inline(never)]
pub fn run_last(model: &Model<'_>, layer: &Layer, input: &[i8], output: &mut [i16]) {
    if model.is_wide(layer) {
        return wide::run_last(model, layer, input, output);
    }
    if layer.kind == LayerKind::Widen {
        reference::widen(input, model.tensor(layer.input).zero_point, output);
    } else {
        let low = if layer.low < 0 { INT16.0 } else { 0 };
        selected::fully_connected(FullyConnected { input, parameters: Parameters::of(model, layer), low, output });
    }
}

fn windowed<'a>(model: &Model<'a>, layer: &Layer, input: View<'a>, output: ViewMut<'a>) -> Windowed<'a> {
    Windowed {
        input,
        input_zero_point: model.tensor(layer.input).zero_point,
        window: Window::of(layer),
        groups: layer.groups,
        parameters: Parameters::of(model, layer),
        range: OutputRange::of(model, layer),
        output,
    }
}
