//! What these kernels are tested with: operands of either width, and twins in 128 bits.

use std::vec;
use std::vec::Vec;

use deja_shared::quant::{INT8, INT16, Requantizer};
use deja_shared::tensor::{Shape, Values, ValuesMut, Width};
use proptest::collection::vec as vec_of;
use proptest::prelude::*;

use super::elements::Elements;
use super::filters::Filtered;
use super::{Input, Summand};
use crate::kernels::reference::testing::{interleaved, output_extents, parameters, summand_multiplier, window};
use crate::kernels::{Window, Windowed};

/// Values of a width, as integers and as bytes.
#[derive(Debug, Clone)]
pub struct Wide {
    pub width: Width,
    pub zero_point: i8,
    pub integers: Vec<i32>,
    bytes: Vec<i8>,
}

impl Wide {
    pub fn of(width: Width, zero_point: i8, integers: &[i32]) -> Self {
        let mut bytes = vec![0; integers.len() * width.bytes()];
        let mut values = ValuesMut::new(&mut bytes, width);
        integers.iter().enumerate().for_each(|(index, &value)| values.set(index, value));
        Self { width, zero_point, integers: integers.to_vec(), bytes }
    }

    pub fn take(&self, count: usize) -> Self {
        Self::of(self.width, self.zero_point, &self.integers[..count])
    }

    pub fn values(&self) -> Values<'_> {
        Values::new(&self.bytes, self.width)
    }

    pub fn input(&self, shape: Shape) -> Input<'_> {
        assert_eq!(shape.len(), self.integers.len() as u64);
        Input { values: self.values(), shape, zero_point: self.zero_point }
    }

    pub fn summand(&self, multiplier: i32) -> Summand {
        Summand { zero_point: self.zero_point, multiplier }
    }
}

/// Of either width; around zero where that is 16 bits.
pub fn operand(count: usize) -> impl Strategy<Value = Wide> {
    let wide = vec_of(INT16.0..=INT16.1, count).prop_map(|integers| Wide::of(Width::Sixteen, 0, &integers));
    prop_oneof![narrow_operand(count), wide]
}

pub fn narrow_operand(count: usize) -> impl Strategy<Value = Wide> {
    let values = (any::<i8>(), vec_of(INT8.0..=INT8.1, count));
    values.prop_map(|(zero_point, integers)| Wide::of(Width::Eight, zero_point, &integers))
}

pub fn multiplier() -> impl Strategy<Value = i32> {
    summand_multiplier()
}

/// What is written.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    pub width: Width,
    pub rule: Requantizer,
}

/// Any bounds around any zero point, of either width.
pub fn result() -> impl Strategy<Value = Output> {
    let of = |width: Width| {
        let (least, greatest) = if width == Width::Eight { INT8 } else { INT16 };
        let multiplier = prop_oneof![0..(1 << 25), 0..=i32::MAX];
        (multiplier, any::<i8>(), least..=greatest, least..=greatest).prop_map(move |(multiplier, zero, a, b)| {
            let zero_point = if width == Width::Eight { zero.into() } else { 0 };
            Output { width, rule: Requantizer { multiplier, zero_point, low: a.min(b), high: a.max(b) } }
        })
    };
    prop_oneof![of(Width::Eight), of(Width::Sixteen)]
}

impl Output {
    /// Its rule within the bounds of another width.
    pub fn bounded(&self, width: Width) -> Requantizer {
        let (least, greatest) = if width == Width::Eight { INT8 } else { INT16 };
        let [low, high] = [self.rule.low, self.rule.high].map(|bound| bound.clamp(least, greatest));
        Requantizer { low, high, ..self.rule }
    }

    /// What a kernel writes, `count` values.
    pub fn run(&self, count: usize, first: Option<&Wide>, kernel: impl FnOnce(Elements<'_>)) -> Vec<i32> {
        let mut bytes = vec![0; count * self.width.bytes()];
        let output = ValuesMut::new(&mut bytes, self.width);
        kernel(Elements { first: first.map(Wide::values), rule: self.rule, output });
        Values::new(&bytes, self.width).iter().collect()
    }

    /// What a kernel writes over its first input, of the same width.
    pub fn run_over(&self, first: &Wide, kernel: impl FnOnce(Elements<'_>)) -> Vec<i32> {
        let mut bytes = first.bytes.clone();
        kernel(Elements { first: None, rule: self.rule, output: ValuesMut::new(&mut bytes, self.width) });
        Values::new(&bytes, self.width).iter().collect()
    }
}

/// Rounds a sum of terms in steps of 2⁻³² to the nearest, ties up.
pub fn twin(sum: i128, rule: Requantizer) -> i32 {
    let rounded = (sum * 2 + (1 << 32)).div_euclid(1 << 33) + i128::from(rule.zero_point);
    rounded.clamp(rule.low.into(), rule.high.into()) as i32
}

/// What the reference kernels take, for these.
pub fn narrow(windowed: Windowed<'_>) -> Filtered<'_> {
    let Windowed { input, input_zero_point, window, groups, parameters, range, output } = windowed;
    Filtered {
        input: Input { values: Values::Eight(input.data), shape: input.shape, zero_point: input_zero_point },
        window,
        groups,
        parameters,
        summand: None,
        shape: output.shape,
        elements: Elements { first: None, rule: range.requantizer(0), output: ValuesMut::Eight(output.data) },
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// In groups, perhaps one, perhaps added to something.
    Filters,
    Depthwise,
}

/// A layer with weights, with its biases before the input's zero point is folded in.
#[derive(Debug, Clone)]
pub struct FilteredCase {
    kind: Kind,
    shape: Shape,
    input: Wide,
    window: Window,
    groups: usize,
    weights: Vec<i8>,
    biases: Vec<i32>,
    multipliers: Vec<i32>,
    sum: Option<(Wide, i32)>,
    output: Output,
    results: Shape,
}

pub fn filtered_case(kind: Kind) -> impl Strategy<Value = FilteredCase> {
    let extents = (1..6u16, 1..6u16, 1..5u16, 1..4u16, 1..4u16);
    (extents, window()).prop_flat_map(move |((height, width, channels, outputs, groups), window)| {
        let groups = if kind == Kind::Depthwise { 1 } else { groups };
        let shape = Shape::new(height, width, channels * groups);
        let outputs = if kind == Kind::Depthwise { shape.channels } else { outputs * groups };
        let (rows, columns) = output_extents(shape, window);
        let taps = usize::from(window.kernel_height) * usize::from(window.kernel_width);
        let fan_in = if kind == Kind::Depthwise { taps } else { taps * usize::from(channels) };
        let n = usize::from(outputs);
        let constants = (
            vec_of(-127..=127i8, n * fan_in),
            vec_of(-20_000..20_000i32, n),
            vec_of(prop_oneof![0..(1 << 22), 0..=i32::MAX], n),
        );
        let sum = (any::<bool>(), operand(1200), multiplier());
        ((rows, columns), operand(shape.len() as usize), constants, sum, result()).prop_map(
            move |((height, width), input, (weights, biases, multipliers), (has_sum, sum, by), output)| {
                let results = Shape::new(height, width, outputs);
                let has_sum = has_sum && kind == Kind::Filters;
                let sum = has_sum.then(|| (sum.take(results.len() as usize), by));
                let (groups, output) = (groups.into(), output);
                FilteredCase { kind, shape, input, window, groups, weights, biases, multipliers, sum, output, results }
            },
        )
    })
}

impl FilteredCase {
    fn taps(&self) -> usize {
        self.weights.len() / self.biases.len()
    }

    fn weight(&self, output: usize, tap: usize) -> i64 {
        let outputs = self.biases.len();
        let place = if self.kind == Kind::Depthwise { tap * outputs + output } else { output * self.taps() + tap };
        self.weights[place].into()
    }

    pub fn run(&self, kernel: fn(Filtered<'_>)) -> Vec<i32> {
        let sum = |o: usize| (0..self.taps()).map(|tap| self.weight(o, tap)).sum::<i64>();
        let fold = |(o, &bias): (usize, &i32)| bias - i32::from(self.input.zero_point) * sum(o) as i32;
        let biases: Vec<i32> = self.biases.iter().enumerate().map(fold).collect();
        let weights = match self.kind {
            Kind::Filters => interleaved(&self.weights, self.biases.len()),
            Kind::Depthwise => self.weights.clone(),
        };
        let first = self.sum.as_ref().map(|(sum, _)| sum);
        self.output.run(self.results.len() as usize, first, |elements| {
            kernel(Filtered {
                input: self.input.input(self.shape),
                window: self.window,
                groups: self.groups as u16,
                parameters: parameters(&weights, &biases, &self.multipliers),
                summand: self.sum.as_ref().map(|(sum, by)| sum.summand(*by)),
                shape: self.results,
                elements,
            });
        })
    }

    /// Σ (x − zero point)·w + bias, with 0 beyond the edge, and the summand.
    pub fn twin(&self) -> Vec<i32> {
        let (width, channels) = (usize::from(self.results.width), usize::from(self.results.channels));
        let value = |index: usize| {
            let (position, o) = (index / channels, index % channels);
            let accumulator = i64::from(self.biases[o]) + self.products(position / width, position % width, o);
            let term = self.sum.as_ref().map_or(0, |(sum, by)| {
                (i128::from(sum.integers[index]) - i128::from(sum.zero_point)) * i128::from(*by) * 256
            });
            twin(i128::from(accumulator) * i128::from(self.multipliers[o]) + term, self.output.rule)
        };
        (0..self.results.len() as usize).map(value).collect()
    }

    fn products(&self, i: usize, j: usize, o: usize) -> i64 {
        let Window { kernel_height, kernel_width, stride, padding_top, padding_left } = self.window;
        let channels = usize::from(self.shape.channels);
        let group = channels / self.groups;
        let mut sum = 0;
        for (u, v) in (0..kernel_height).flat_map(|u| (0..kernel_width).map(move |v| (u, v))) {
            let y = (i * usize::from(stride) + usize::from(u)).wrapping_sub(padding_top.into());
            let x = (j * usize::from(stride) + usize::from(v)).wrapping_sub(padding_left.into());
            if y >= self.shape.height.into() || x >= self.shape.width.into() {
                continue;
            }
            let tap = usize::from(u) * usize::from(kernel_width) + usize::from(v);
            let start = (y * usize::from(self.shape.width) + x) * channels;
            let real =
                |channel: usize| i64::from(self.input.integers[start + channel]) - i64::from(self.input.zero_point);
            if self.kind == Kind::Depthwise {
                sum += real(o) * self.weight(o, tap);
            } else {
                let first = o / (self.biases.len() / self.groups) * group;
                sum += (0..group).map(|c| real(first + c) * self.weight(o, tap * group + c)).sum::<i64>();
            }
        }
        sum
    }
}
