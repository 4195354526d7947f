//! Forward and backward of operators that are neither linear nor sums: pools, the sigmoid, the channel scale.

use std::ops::Range;

use super::gradient::into_or_onto;
use super::plan::{Kind, Step};
use super::worker::{Context, Scratch, Store};
use crate::compute::Window;
use crate::network::pooling::{exponent_gradient, generalized_mean, generalized_mean_gradient};
use crate::network::{Graph, interpreter};

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
        if self.step.kind == Kind::ChannelScale {
            return self.scale(scratch, output);
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
            _ => input.iter().zip(output).for_each(|(x, y)| *y = interpreter::sigmoid(*x)),
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
            _ => into_or_onto(d_input, onto, |d_input| {
                for ((dx, dy), y) in d_input.iter_mut().zip(d_output).zip(self.output()) {
                    *dx = dy * y * (1.0 - y);
                }
            }),
        }
        scratch.d_input = buffer;
    }

    /// Adds the gradient of a learned exponent.
    pub fn exponent_gradient(&self, d_output: &[f32], scratch: &mut Scratch, d_exponent: &mut [f32]) {
        let Kind::GeneralizedMean { floor } = self.step.kind else { return };
        let input = self.values(0, &mut scratch.input);
        let (positions, channels) = (input.len() / self.range.len(), d_output.len() / self.range.len());
        let means = self.output().chunks_exact(channels).zip(d_output.chunks_exact(channels));
        for (x, (m, dm)) in input.chunks_exact(positions).zip(means) {
            d_exponent[0] += exponent_gradient(x, m, self.exponent(), floor, dm);
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

    fn exponent(&self) -> f32 {
        self.step.weight.map_or(1.0, |id| self.graph.parameter(id).values[0])
    }
}

impl Step {
    /// Whether a [`Site`] runs it.
    pub fn is_special(&self) -> bool {
        matches!(
            self.kind,
            Kind::MaxPool(_) | Kind::AveragePool(_) | Kind::GeneralizedMean { .. } | Kind::Sigmoid | Kind::ChannelScale
        )
    }
}

/// The depthwise filter whose result is the mean of its window.
fn mean_filter(window: &Window) -> Vec<f32> {
    let taps = window.kernel * window.kernel;
    vec![1.0 / taps as f32; taps * window.channels]
}
