//! What the kernels are tested with: random cases, and twins in 64 bits that know nothing of folding or windows.

use core::ops::{Range, RangeInclusive};
use std::vec;
use std::vec::Vec;

use deja_shared::model::pairs;
use deja_shared::tensor::{Shape, View, ViewMut};
use proptest::collection::vec as vec_of;
use proptest::prelude::*;

use crate::kernels::{OutputRange, Parameters, Pointwise, PointwiseAdd, Summand, Window, Windowed};

/// A multiplier of ¼.
pub const QUARTER: i32 = 1 << 30;
/// No zero point and no bounds but those of 8 bits.
pub const FULL: OutputRange = range(0, -128, 127);

pub const fn range(zero_point: i8, low: i8, high: i8) -> OutputRange {
    OutputRange { zero_point, low, high }
}

pub fn bounds(range: OutputRange) -> (i64, i64, i64) {
    (range.zero_point.into(), range.low.into(), range.high.into())
}

pub fn view(shape: Shape, data: &[i8]) -> View<'_> {
    assert_eq!(data.len() as u64, shape.len());
    View { shape, data }
}

pub fn view_mut(shape: Shape, data: &mut [i8]) -> ViewMut<'_> {
    assert_eq!(data.len() as u64, shape.len());
    ViewMut { shape, data }
}

/// Filters `[outputs][taps]` as a model holds them.
pub fn interleaved(filters: &[i8], outputs: usize) -> Vec<i8> {
    let mut packed = vec![0; pairs::bytes(outputs, filters.len() / outputs)];
    pairs::interleave(filters, outputs, &mut packed);
    packed
}

pub fn parameters<'a>(weights: &'a [i8], biases: &'a [i32], multipliers: &'a [i32]) -> Parameters<'a> {
    Parameters { weights, biases, multipliers }
}

/// Rounds `accumulator · multiplier / 2³²` to the nearest, ties up; `bounds` are zero point, least and greatest.
pub fn twin_requantize(accumulator: i64, multiplier: i32, bounds: (i64, i64, i64)) -> i64 {
    let twice = i128::from(accumulator) * i128::from(multiplier) * 2 + (1 << 32);
    let rounded = i64::try_from(twice.div_euclid(1 << 33)).expect("fits");
    (bounds.0 + rounded).clamp(bounds.1, bounds.2)
}

/// The same for a sum of terms in steps of 2⁻³².
pub fn twin_round(sum: i128, bounds: (i64, i64, i64)) -> i64 {
    let rounded = i64::try_from((sum * 2 + (1 << 32)).div_euclid(1 << 33)).expect("fits");
    (bounds.0 + rounded).clamp(bounds.1, bounds.2)
}

/// A real scale of at most 2 as a multiplier of a difference.
pub fn summand_multiplier() -> impl Strategy<Value = i32> {
    prop_oneof![Just(0), 0..(1 << 25), 0..=i32::MAX]
}

/// Any values.
pub fn values(n: usize) -> impl Strategy<Value = Vec<i8>> {
    vec_of(any::<i8>(), n)
}

/// Any bounds around any zero point.
pub fn output_range() -> impl Strategy<Value = OutputRange> {
    (any::<i8>(), any::<i8>(), any::<i8>()).prop_map(|(zero_point, a, b)| range(zero_point, a.min(b), a.max(b)))
}

/// An activation with extents out of these ranges.
pub fn input_of(
    height: Range<u16>,
    width: Range<u16>,
    channels: Range<u16>,
) -> impl Strategy<Value = (Shape, Vec<i8>)> {
    (height, width, channels).prop_flat_map(|(height, width, channels)| {
        let shape = Shape::new(height, width, channels);
        (Just(shape), values(shape.len() as usize))
    })
}

fn weights(n: usize) -> impl Strategy<Value = Vec<i8>> {
    vec_of(-127..=127i8, n)
}

fn biases(n: usize) -> impl Strategy<Value = Vec<i32>> {
    vec_of(-20_000..20_000i32, n)
}

/// Small scales, so that results rarely leave their bounds.
fn multipliers(n: usize) -> impl Strategy<Value = Vec<i32>> {
    vec_of(prop_oneof![0..(1 << 25), 0..=i32::MAX], n)
}

/// A matrix on the positions of an activation.
#[derive(Debug, Clone)]
pub struct PointwiseCase {
    shape: Shape,
    pub fan_in: usize,
    pub input: Vec<i8>,
    pub weights: Vec<i8>,
    pub biases: Vec<i32>,
    pub multipliers: Vec<i32>,
    pub range: OutputRange,
}

pub fn pointwise_case() -> impl Strategy<Value = PointwiseCase> {
    (input_of(1..4, 1..4, 1..70), 1..9usize).prop_flat_map(|((shape, input), outputs)| {
        let fan_in = usize::from(shape.channels);
        (weights(outputs * fan_in), biases(outputs), multipliers(outputs), output_range()).prop_map(
            move |(weights, biases, multipliers, range)| PointwiseCase {
                shape,
                fan_in,
                input: input.clone(),
                weights,
                biases,
                multipliers,
                range,
            },
        )
    })
}

impl PointwiseCase {
    pub fn run(&self, kernel: fn(Pointwise<'_>)) -> Vec<i8> {
        let shape = Shape { channels: self.biases.len() as u16, ..self.shape };
        let mut data = vec![0; shape.len() as usize];
        kernel(Pointwise {
            input: view(self.shape, &self.input),
            parameters: parameters(&interleaved(&self.weights, self.biases.len()), &self.biases, &self.multipliers),
            range: self.range,
            output: view_mut(shape, &mut data),
        });
        data
    }

    pub fn run_add(&self, kernel: fn(PointwiseAdd<'_>), summand: Summand, sum: &[i8]) -> Vec<i8> {
        let mut values = sum.to_vec();
        kernel(PointwiseAdd {
            input: view(self.shape, &self.input),
            parameters: parameters(&interleaved(&self.weights, self.biases.len()), &self.biases, &self.multipliers),
            summand,
            range: self.range,
            values: &mut values,
        });
        values
    }

    pub fn twin(&self) -> Vec<i8> {
        let channels = self.biases.len();
        let accumulators = self.accumulators();
        let requantize = |(index, &accumulator): (usize, &i64)| {
            twin_requantize(accumulator, self.multipliers[index % channels], bounds(self.range)) as i8
        };
        accumulators.iter().enumerate().map(requantize).collect()
    }

    /// bias + Σ x·w, in the order of the results.
    pub fn accumulators(&self) -> Vec<i64> {
        let mut results = Vec::new();
        for position in 0..self.shape.positions() as usize {
            for o in 0..self.biases.len() {
                let mut accumulator = i64::from(self.biases[o]);
                for c in 0..self.fan_in {
                    let value = self.input[position * self.fan_in + c];
                    accumulator += i64::from(value) * i64::from(self.weights[o * self.fan_in + c]);
                }
                results.push(accumulator);
            }
        }
        results
    }
}

/// A convolution, with its biases before the input's zero point is folded in.
#[derive(Debug)]
pub struct WindowedCase {
    depthwise: bool,
    /// Input channels that an output channel sees.
    group: usize,
    shape: Shape,
    input: Vec<i8>,
    zero_point: i8,
    window: Window,
    weights: Vec<i8>,
    biases: Vec<i32>,
    multipliers: Vec<i32>,
    range: OutputRange,
    output: Shape,
}

pub fn window() -> impl Strategy<Value = Window> {
    let axis = || (1..5u8).prop_flat_map(|kernel| (Just(kernel), 0..kernel));
    (axis(), axis(), 1..4u8).prop_map(|((kernel_height, padding_top), (kernel_width, padding_left), stride)| Window {
        kernel_height,
        kernel_width,
        stride,
        padding_top,
        padding_left,
    })
}

/// Which channels of the input an output channel sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channels {
    Dense,
    Groups,
    Depthwise,
}

pub fn windowed_case(kind: Channels) -> impl Strategy<Value = WindowedCase> {
    let depthwise = kind == Channels::Depthwise;
    let (channels, outputs) = if depthwise { (1..70u16, 1..2u16) } else { (1..6, 1..9) };
    let groups = if kind == Channels::Groups { 2..4 } else { 1..2u16 };
    // Channels and outputs of one group, then of all of them.
    let extents = (1..8u16, 1..8u16, channels, groups).prop_flat_map(|(height, width, channels, groups)| {
        let input = input_of(height..height + 1, width..width + 1, channels * groups..channels * groups + 1);
        (input, Just(groups))
    });
    (extents, window(), outputs).prop_flat_map(move |(((shape, input), groups), window, outputs)| {
        let outputs = if depthwise { shape.channels } else { outputs * groups };
        let group = if depthwise { 1 } else { usize::from(shape.channels / groups) };
        let (rows, columns) = output_extents(shape, window);
        let taps = usize::from(window.kernel_height) * usize::from(window.kernel_width);
        let fan_in = taps * group;
        let n = usize::from(outputs);
        (rows, columns, any::<i8>(), weights(n * fan_in), biases(n), multipliers(n), output_range()).prop_map(
            move |(height, width, zero_point, weights, biases, multipliers, range)| WindowedCase {
                depthwise,
                group,
                shape,
                input: input.clone(),
                zero_point,
                window,
                weights,
                biases,
                multipliers,
                range,
                output: Shape::new(height, width, outputs),
            },
        )
    })
}

/// How many rows and columns a window's results may have.
pub fn output_extents(input: Shape, window: Window) -> (RangeInclusive<u16>, RangeInclusive<u16>) {
    let most = |extent: u16, padding: u8| (extent + u16::from(padding) - 1) / u16::from(window.stride) + 1;
    (1..=most(input.height, window.padding_top), 1..=most(input.width, window.padding_left))
}

impl WindowedCase {
    /// Runs a kernel with the zero point folded into the biases, as the host does it.
    pub fn run(&self, kernel: fn(Windowed<'_>)) -> Vec<i8> {
        let taps = self.weights.len() / self.biases.len();
        let weights_of = |o: usize| -> i32 {
            (0..taps)
                .map(|t| i32::from(self.weights[if self.depthwise { t * self.biases.len() + o } else { o * taps + t }]))
                .sum()
        };
        let fold = |(o, &bias): (usize, &i32)| bias - i32::from(self.zero_point) * weights_of(o);
        let biases: Vec<i32> = self.biases.iter().enumerate().map(fold).collect();
        let packed = if self.depthwise { self.weights.clone() } else { interleaved(&self.weights, self.biases.len()) };
        let groups = if self.depthwise { 1 } else { self.shape.channels / self.group as u16 };
        let mut data = vec![0; self.output.len() as usize];
        kernel(Windowed {
            input: view(self.shape, &self.input),
            input_zero_point: self.zero_point,
            window: self.window,
            groups,
            parameters: parameters(&packed, &biases, &self.multipliers),
            range: self.range,
            output: view_mut(self.output, &mut data),
        });
        data
    }

    /// Σ (x − zero point)·w + bias, with 0 beyond the edge: the real convolution in integers.
    pub fn twin(&self) -> Vec<i8> {
        let mut results = Vec::new();
        for i in 0..self.output.height {
            for j in 0..self.output.width {
                for o in 0..self.output.channels {
                    let accumulator =
                        i64::from(self.biases[usize::from(o)]) + self.products(i.into(), j.into(), o.into());
                    let multiplier = self.multipliers[usize::from(o)];
                    results.push(twin_requantize(accumulator, multiplier, bounds(self.range)) as i8);
                }
            }
        }
        results
    }

    fn products(&self, i: i64, j: i64, o: usize) -> i64 {
        let (height, width) = (usize::from(self.window.kernel_height), usize::from(self.window.kernel_width));
        let channels = usize::from(self.shape.channels);
        let stride = i64::from(self.window.stride);
        let mut sum = 0;
        for (u, v) in (0..height).flat_map(|u| (0..width).map(move |v| (u, v))) {
            let y = i * stride + u as i64 - i64::from(self.window.padding_top);
            let x = j * stride + v as i64 - i64::from(self.window.padding_left);
            if self.depthwise {
                sum += self.value(y, x, o) * i64::from(self.weights[(u * width + v) * channels + o]);
            } else {
                let first = o / (self.biases.len() * self.group / channels) * self.group;
                for c in 0..self.group {
                    let weight = self.weights[((o * height + u) * width + v) * self.group + c];
                    sum += self.value(y, x, first + c) * i64::from(weight);
                }
            }
        }
        sum
    }

    /// The real value in steps of the input's scale; 0 beyond the edge.
    fn value(&self, y: i64, x: i64, channel: usize) -> i64 {
        if y < 0 || x < 0 || y >= i64::from(self.shape.height) || x >= i64::from(self.shape.width) {
            return 0;
        }
        let place = (y * i64::from(self.shape.width) + x) as usize * usize::from(self.shape.channels) + channel;
        i64::from(self.input[place]) - i64::from(self.zero_point)
    }
}
