//! What kernels are given, the same for every instruction set.

use deja_shared::model::pairs::Filter;
use deja_shared::model::{Layer, Model};
use deja_shared::quant::{Requantizer, scaled};
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

    /// Filter, bias and multiplier of each output channel, for weights in [`deja_shared::model::pairs`] with `fan_in` taps
    /// an output.
    pub fn filters(&self, fan_in: usize) -> impl Iterator<Item = (Filter<'a>, i32, i32)> + use<'a> {
        let weights = self.weights;
        let constants = self.biases.iter().copied().zip(self.multipliers.iter().copied()).enumerate();
        constants.map(move |(output, (bias, multiplier))| (Filter::of(weights, output, fan_in), bias, multiplier))
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

/// A convolution, dense, in g groups or depthwise.
///
/// # Shapes
/// `input` h × w × c, `output` h' × w' × o (o = c if depthwise); o filters with taps `[kernel_height][kernel_width][c / g]`
/// in pairs; if depthwise, weights `[kernel_height][kernel_width][c]`.
#[derive(Debug)]
pub struct Windowed<'a> {
    /// What is read.
    pub input: View<'a>,
    /// What padding contributes, times the weight under it.
    pub input_zero_point: i8,
    /// Filter extents, step and padding.
    pub window: Window,
    /// Into how many groups the channels fall, g; of no meaning if depthwise.
    pub groups: u16,
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
/// `input` h × w × c, `output` h × w × o; o filters of c taps in pairs.
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

/// The matrix that makes the raw embedding, whose zero point is 0 and whose greatest value is that of `quant::INT16`.
///
/// # Shapes
/// `input` c, `output` o; o filters of c taps in pairs.
#[derive(Debug)]
pub struct FullyConnected<'a> {
    /// What is read.
    pub input: &'a [i8],
    /// Constants.
    pub parameters: Parameters<'a>,
    /// Least result.
    pub low: i32,
    /// What is written.
    pub output: &'a mut [i16],
}

/// The sum of two activations of one shape but of different scales.
///
/// `requantize(a·multiplier_a + b·multiplier_b + bias)`, with the zero points in
/// `bias = −zp_a·multiplier_a − zp_b·multiplier_b`.
#[derive(Debug)]
pub struct Add<'a> {
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
    /// The first summand, over which the sum is written.
    pub values: &'a mut [i8],
}

/// A first summand whose place the sum takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summand {
    /// The value that stands for zero.
    pub zero_point: i8,
    /// What [`deja_shared::quant::scaled`] takes.
    pub multiplier: i32,
}

impl Summand {
    /// A value of 8 bits as a term of the sum.
    pub fn term(self, value: i8) -> i64 {
        self.wide_term(value.into())
    }

    /// A value of 8 or 16 bits as a term of the sum.
    pub fn wide_term(self, value: i32) -> i64 {
        scaled(value - i32::from(self.zero_point), self.multiplier)
    }
}

/// The sum of an activation and of a convolution of 1×1 of another.
///
/// # Shapes
/// `input` h × w × c, `values` h × w × o; o filters of c taps in pairs.
#[derive(Debug)]
pub struct PointwiseAdd<'a> {
    /// What the matrix is applied to.
    pub input: View<'a>,
    /// Constants.
    pub parameters: Parameters<'a>,
    /// How the first summand enters.
    pub summand: Summand,
    /// Where results lie.
    pub range: OutputRange,
    /// The first summand, over which the sum is written.
    pub values: &'a mut [i8],
}

/// An activation whose channels are scaled.
///
/// # Shapes
/// `values` n × c, `gate` c.
#[derive(Debug)]
pub struct ChannelScale<'a> {
    /// Of the activation that is scaled.
    pub zero_point: i8,
    /// One factor a channel.
    pub gate: &'a [i8],
    /// Of the gate.
    pub gate_zero_point: i8,
    /// From the product to the output.
    pub requantizer: Requantizer,
    /// The activation, over which the result is written.
    pub values: &'a mut [i8],
}

/// The sum of an activation and of another whose channels are scaled.
///
/// # Shapes
/// `map` and `values` n × c, the gate c.
#[derive(Debug)]
pub struct ChannelScaleAdd<'a> {
    /// What is scaled.
    pub map: &'a [i8],
    /// How the first summand enters.
    pub summand: Summand,
    /// The rest, with the first summand as the values.
    pub scale: ChannelScale<'a>,
}

/// Negative values scaled channel by channel, the others all alike.
///
/// # Shapes
/// `values` n × c, `negative` c.
#[derive(Debug)]
pub struct PRelu<'a> {
    /// The activation's zero point.
    pub zero_point: i8,
    /// Multiplier of differences from 0 on, as [`deja_shared::quant::scaled`] takes it.
    pub positive: i32,
    /// Multipliers of the differences below 0, one a channel.
    pub negative: &'a [i32],
    /// To the output; its multiplier takes no part.
    pub requantizer: Requantizer,
    /// The activation, over which the result is written.
    pub values: &'a mut [i8],
}

/// The channels of two activations one behind the other.
///
/// # Shapes
/// n × a and n × b to n × (a + b).
#[derive(Debug)]
pub struct Concat<'a> {
    /// Both inputs.
    pub inputs: [View<'a>; 2],
    /// How each enters.
    pub summands: [Summand; 2],
    /// To the output; its multiplier takes no part.
    pub requantizer: Requantizer,
    /// What is written.
    pub output: &'a mut [i8],
}

/// The greatest value of each window; padding does not take part.
///
/// # Shapes
/// `input` h × w × c, `output` h' × w' × c, quantized alike.
#[derive(Debug)]
pub struct MaxPool<'a> {
    /// What is read.
    pub input: View<'a>,
    /// Extents, step and padding.
    pub window: Window,
    /// Bounds of the results.
    pub range: OutputRange,
    /// What is written.
    pub output: ViewMut<'a>,
}

/// The root of the mean of powers over all positions.
///
/// # Shapes
/// `input` h × w × c, `output` c; 256 powers, then thresholds.
#[derive(Debug)]
pub struct GeneralizedMeanPool<'a> {
    /// What is read.
    pub input: View<'a>,
    /// Powers and thresholds.
    pub table: &'a [u64],
    /// Bounds of the results.
    pub range: OutputRange,
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
