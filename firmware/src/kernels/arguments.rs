//! What kernels are given, the same for every instruction set.

use deja_shared::model::{Layer, Model};
use deja_shared::quant::Requantizer;
use deja_shared::tensor::{View, ViewMut};

use super::Window;

/// The constants of a layer with weights, borrowed from the model.
#[derive(Debug, Clone, Copy)]
pub struct Parameters<'a> {
    /// Laid out as `LayerKind` says.
    pub weights: &'a [i8],
    /// One an output channel, the input's zero point folded in over the whole window.
    pub biases: &'a [i32],
    /// One requantization multiplier an output channel.
    pub multipliers: &'a [i32],
}

impl<'a> Parameters<'a> {
    /// Those of a layer.
    pub fn of(model: &Model<'a>, layer: &Layer) -> Self {
        Self { weights: model.weights(layer), biases: model.biases(layer), multipliers: model.multipliers(layer) }
    }

    /// Weights, bias and multiplier of each output channel, for layouts whose slowest index is the output channel and
    /// whose channels have `fan_in` weights each.
    pub fn filters(&self, fan_in: usize) -> impl Iterator<Item = (&'a [i8], i32, i32)> + use<'a> {
        let constants = self.biases.iter().copied().zip(self.multipliers.iter().copied());
        self.weights
            .chunks_exact(fan_in)
            .zip(constants)
            .map(|(weights, (bias, multiplier))| (weights, bias, multiplier))
    }
}

/// Where 8-bit results lie: everything of a [`Requantizer`] but the multiplier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputRange {
    /// The value that stands for zero.
    pub zero_point: i8,
    /// Least result.
    pub low: i8,
    /// Greatest result, not below `low`.
    pub high: i8,
}

impl OutputRange {
    /// That of a layer.
    pub fn of(model: &Model<'_>, layer: &Layer) -> Self {
        Self { zero_point: model.tensor(layer.output).zero_point, low: layer.low, high: layer.high }
    }

    /// The rule for accumulators of this scale.
    pub fn requantizer(self, multiplier: i32) -> Requantizer {
        Requantizer {
            multiplier,
            zero_point: i32::from(self.zero_point),
            low: i32::from(self.low),
            high: i32::from(self.high),
        }
    }
}

/// A dense or a depthwise convolution.
///
/// # Shapes
/// `input` h × w × c, `output` h' × w' × o (o = c if depthwise); weights `[o][kernel_height][kernel_width][c]`, if
/// depthwise `[kernel_height][kernel_width][c]`.
#[derive(Debug)]
pub struct Windowed<'a> {
    /// What is read.
    pub input: View<'a>,
    /// What padding contributes, times the weight under it.
    pub input_zero_point: i8,
    /// Filter extents, step and padding.
    pub window: Window,
    /// Constants.
    pub parameters: Parameters<'a>,
    /// Where results lie.
    pub range: OutputRange,
    /// What is written.
    pub output: ViewMut<'a>,
}

/// A convolution of 1×1: one matrix applied at every position.
///
/// # Shapes
/// `input` h × w × c, `output` h × w × o; weights `[o][c]`.
#[derive(Debug)]
pub struct Pointwise<'a> {
    /// What is read.
    pub input: View<'a>,
    /// Constants.
    pub parameters: Parameters<'a>,
    /// Where results lie.
    pub range: OutputRange,
    /// What is written.
    pub output: ViewMut<'a>,
}

/// The matrix that makes the raw embedding, whose zero point is 0 and whose bounds are `quant::INT16`.
///
/// # Shapes
/// `input` c, `output` o; weights `[o][c]`.
#[derive(Debug)]
pub struct FullyConnected<'a> {
    /// What is read.
    pub input: &'a [i8],
    /// Constants.
    pub parameters: Parameters<'a>,
    /// What is written.
    pub output: &'a mut [i16],
}

/// The sum of two activations of one shape but of different scales.
///
/// `requantize(a·multiplier_a + b·multiplier_b + bias)`, with the zero points in
/// `bias = −zp_a·multiplier_a − zp_b·multiplier_b`.
#[derive(Debug)]
pub struct Add<'a> {
    /// First summand.
    pub a: &'a [i8],
    /// Second summand.
    pub b: &'a [i8],
    /// The first one's scale in a common unit.
    pub multiplier_a: i16,
    /// The second one's scale in the same unit.
    pub multiplier_b: i16,
    /// What the zero points take away.
    pub bias: i32,
    /// From the common unit to the output.
    pub requantizer: Requantizer,
    /// What is written.
    pub output: &'a mut [i8],
}

/// The mean over all positions.
///
/// `requantize(Σ x + bias)`, with `bias = −zp·h·w` and the division by h·w in the multiplier.
///
/// # Shapes
/// `input` h × w × c, `output` c.
#[derive(Debug)]
pub struct GlobalAveragePool<'a> {
    /// What is read.
    pub input: View<'a>,
    /// What the zero point takes away.
    pub bias: i32,
    /// From the sum to the output.
    pub requantizer: Requantizer,
    /// What is written.
    pub output: &'a mut [i8],
}
