//! Forward and backward of operators that are neither linear nor sums: pools, curves, and what moves or scales channels.

use std::ops::Range;

use super::gradient::into_or_onto;
use super::plan::{Kind, Step};
use super::worker::{Context, Scratch, Store};
use crate::compute::Window;
use crate::network::Graph;
use crate::network::channels::{Columns, copy_channels};
use crate::network::curve::{prelu, prelu_gradient, slope_gradient};
use crate::network::pooling::{bounded_exponent, exponent_gradient, generalized_mean, generalized_mean_gradient};

/// One of these steps, for some pictures.
pub struct Site<'a> {
    pub graph: &'a Graph,
    pub context: Context<'a>,
    pub store: &'a Store,
    pub step: &'a Step,
    pub range: Range<usize>,
}

impl Site<'_> {
    /// Writes the step's tensor.
    pub fn forward(&self, scratch: &mut Scratch, output: &mut [f32]) {
        match self.step.kind {
            Kind::ChannelScale => return self.scale(scratch, output),
            Kind::Concat => return self.concat(scratch, output),
            _ => {}
        }
        let kernels = self.context.kernels;
        let input = self.values(0, &mut scratch.input);
        let each = (input.len() / self.range.len(), output.len() / self.range.len());
        let pictures = input.chunks_exact(each.0).zip(output.chunks_exact_mut(each.1));
        match self.step.kind {
            Kind::MaxPool(window) => pictures.for_each(|(x, y)| (kernels.max_pool)(&window, x, y)),
            Kind::AveragePool(window) => {
                let filter = mean_filter(&window);
                pictures.for_each(|(x, y)| (kernels.depthwise)(&window, x, &filter, y));
            }
            Kind::GeneralizedMean { floor } => {
                pictures.for_each(|(x, y)| generalized_mean(x, self.exponent(), floor, y));
            }
            Kind::Curve(curve) => input.iter().zip(output).for_each(|(x, y)| *y = curve.value(*x)),
            Kind::PRelu => prelu(self.weight(), input, output),
            Kind::Slice { start } => {
                let (from, to) = self.slice(start);
                copy_channels(to.width, (input, from), (output, to), false);
            }
            _ => {}
        }
    }

    /// Writes (or adds) the gradient of input `index`.
    pub fn input_gradient(
        &self,
        (index, accumulate): (usize, bool),
        d_output: &[f32],
        d_input: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let kernels = self.context.kernels;
        let len = (d_output.len() / self.range.len(), d_input.len() / self.range.len());
        let values = if self.step.kind == Kind::ChannelScale { index ^ 1 } else { 0 };
        let mut buffer = std::mem::take(&mut scratch.d_input);
        let onto = if accumulate { Some(&mut buffer) } else { None };
        match self.step.kind {
            Kind::ChannelScale => {
                let other = self.values(values, &mut scratch.input);
                self.scale_gradient(index, accumulate, other, d_output, d_input);
            }
            Kind::MaxPool(window) => {
                let input = self.values(values, &mut scratch.input);
                into_or_onto(d_input, onto, |d_input| {
                    let pairs = d_output.chunks_exact(len.0).zip(d_input.chunks_exact_mut(len.1));
                    for (x, (dy, dx)) in input.chunks_exact(len.1).zip(pairs) {
                        (kernels.max_pool_gradient)(&window, x, dy, dx);
                    }
                });
            }
            Kind::AveragePool(window) => into_or_onto(d_input, onto, |d_input| {
                let filter = mean_filter(&window);
                for (dy, dx) in d_output.chunks_exact(len.0).zip(d_input.chunks_exact_mut(len.1)) {
                    (kernels.depthwise_input_gradient)(&window, dy, &filter, dx);
                }
            }),
            Kind::GeneralizedMean { floor } => {
                let input = self.values(values, &mut scratch.input);
                let means = self.output().chunks_exact(len.0).zip(d_output.chunks_exact(len.0));
                let pictures = input.chunks_exact(len.1).zip(d_input.chunks_exact_mut(len.1));
                for ((x, dx), (m, dm)) in pictures.zip(means) {
                    generalized_mean_gradient((x, m), (self.exponent(), floor), dm, dx, accumulate);
                }
            }
            Kind::Curve(curve) => {
                let input = self.values(values, &mut scratch.input);
                for ((dx, dy), x) in d_input.iter_mut().zip(d_output).zip(input) {
                    let gradient = dy * curve.slope(*x);
                    *dx = if accumulate { *dx + gradient } else { gradient };
                }
            }
            Kind::PRelu => {
                let input = self.values(values, &mut scratch.input);
                prelu_gradient(self.weight(), (input, d_output), d_input, accumulate);
            }
            Kind::Concat => {
                let (from, to) = self.column(index);
                copy_channels(from.width, (d_output, to), (d_input, from), accumulate);
            }
            Kind::Slice { start } => {
                let (from, to) = self.slice(start);
                if !accumulate {
                    d_input.fill(0.0);
                }
                copy_channels(to.width, (d_output, to), (d_input, from), true);
            }
            _ => {}
        }
        scratch.d_input = buffer;
    }

    /// Adds the gradient of a learned exponent or of slopes.
    pub fn parameter_gradient(&self, d_output: &[f32], scratch: &mut Scratch, d_weight: &mut [f32]) {
        let input = self.values(0, &mut scratch.input);
        let Kind::GeneralizedMean { floor } = self.step.kind else {
            return slope_gradient(input, d_output, d_weight);
        };
        let (positions, channels) = (input.len() / self.range.len(), d_output.len() / self.range.len());
        let means = self.output().chunks_exact(channels).zip(d_output.chunks_exact(channels));
        for (x, (m, dm)) in input.chunks_exact(positions).zip(means) {
            d_weight[0] += exponent_gradient(x, m, self.exponent(), floor, dm);
        }
    }

    /// y = Σ gate·x over the pairs of inputs.
    fn scale(&self, scratch: &mut Scratch, output: &mut [f32]) {
        for pair in 0..self.step.inputs.len() / 2 {
            let input = self.values(2 * pair, &mut scratch.input);
            let gate = self.values(2 * pair + 1, &mut scratch.gate);
            let (channels, len) = (gate.len() / self.range.len(), input.len() / self.range.len());
            let pictures = input.chunks_exact(len).zip(output.chunks_exact_mut(len));
            for (gate, (x, y)) in gate.chunks_exact(channels).zip(pictures) {
                (self.context.kernels.scale)(gate, x, y, pair > 0);
            }
        }
    }

    /// The channels of all inputs side by side.
    fn concat(&self, scratch: &mut Scratch, output: &mut [f32]) {
        for index in 0..self.step.inputs.len() {
            let (from, to) = self.column(index);
            let input = self.values(index, &mut scratch.input);
            copy_channels(from.width, (input, from), (output, to), false);
        }
    }

    /// Where the channels of input `index` stand in it, and in the concatenation.
    fn column(&self, index: usize) -> (Columns, Columns) {
        let start = (0..index).map(|before| self.input_channels(before)).sum();
        let width = self.context.plan.tensors[self.step.output].shape.channels;
        (Columns { width: self.input_channels(index), start: 0 }, Columns { width, start })
    }

    /// Where the channels of a slice stand in its input, and in itself.
    fn slice(&self, start: usize) -> (Columns, Columns) {
        let width = self.context.plan.tensors[self.step.output].shape.channels;
        (Columns { width: self.input_channels(0), start }, Columns { width, start: 0 })
    }

    fn input_channels(&self, index: usize) -> usize {
        let plan = self.context.plan;
        plan.tensors[plan.views[self.step.inputs[index].view].tensor].shape.channels
    }

    /// For a map, dx = gate·dy with `other` the gate; for a gate, d = Σ x·dy over the positions of the map `other`.
    fn scale_gradient(&self, index: usize, accumulate: bool, other: &[f32], d_output: &[f32], d_input: &mut [f32]) {
        let (count, kernels, is_map) = (self.range.len(), self.context.kernels, index.is_multiple_of(2));
        let others = other.chunks_exact(other.len() / count);
        let gradients = d_output.chunks_exact(d_output.len() / count);
        if !is_map && !accumulate {
            d_input.fill(0.0);
        }
        for ((other, dy), d) in others.zip(gradients).zip(d_input.chunks_exact_mut(d_input.len() / count)) {
            if is_map {
                (kernels.scale)(other, dy, d, accumulate);
            } else {
                (kernels.dot)(other, dy, d);
            }
        }
    }

    fn values<'b>(&'b self, index: usize, buffer: &'b mut Vec<f32>) -> &'b [f32] {
        let view = self.context.plan.views[self.step.inputs[index].view];
        self.context.values(self.store, view, self.range.clone(), buffer)
    }

    /// What the forward pass computed.
    fn output(&self) -> &[f32] {
        let len = self.context.plan.len(self.step.output);
        &self.store.tensor(self.step.output)[self.range.start * len..self.range.end * len]
    }

    fn weight(&self) -> &[f32] {
        self.step.weight.map_or(&[], |id| &self.graph.parameter(id).values)
    }

    fn exponent(&self) -> f32 {
        self.weight().first().map_or(1.0, |learned| bounded_exponent(*learned))
    }
}

impl Step {
    /// Whether a [`Site`] runs it.
    pub fn is_special(&self) -> bool {
        !matches!(
            self.kind,
            Kind::Convolution(_) | Kind::Depthwise(_) | Kind::Matrix | Kind::Sum | Kind::GlobalAveragePool
        )
    }
}

/// The depthwise filter whose result is the mean of its window.
fn mean_filter(window: &Window) -> Vec<f32> {
    let taps = window.kernel * window.kernel;
    vec![1.0 / taps as f32; taps * window.channels]
}
