//! The backward pass of one worker: the steps in reverse, each recomputing the views it needs.

use std::ops::Range;

use super::forward::{add_to, gather_patches};
use super::gradient::{Coefficients, add_scaled, into_or_onto, pull_back, scatter, spread, through_statistics};
use super::operators::Site;
use super::plan::{Input, Kind, Plan, Step, View};
use super::worker::{Context, Scratch, Store, Worker, reserve};
use crate::compute::team::Member;
use crate::compute::{Combination, Kernels, Matmul};
use crate::network::{Graph, ParameterId, Role};

/// One worker's backward pass over the pictures of the last forward pass.
pub struct Backward<'a> {
    pub graph: &'a Graph,
    pub plan: &'a Plan,
    pub kernels: &'static Kernels,
    /// Pictures of the whole batch.
    pub batch: usize,
}

impl Backward<'_> {
    /// Differentiates Σ d_raw·raw + Σ d_embedding·embedding; `seeds` are this worker's rows of both.
    pub fn run(&self, member: &Member, worker: &mut Worker, seeds: [&[f32]; 2]) {
        for (gradient, parameter) in worker.gradients.iter_mut().zip(&self.graph.parameters) {
            gradient.clear();
            gradient.resize(if parameter.role == Role::Statistic { 0 } else { parameter.values.len() }, 0.0);
        }
        worker.norm_sums.iter_mut().for_each(|sums| sums.fill(0.0));
        for (slot, len) in worker.slots.iter_mut().zip(&self.plan.slots) {
            reserve(slot, worker.images * len);
        }
        self.seed(worker, seeds);
        for step in self.plan.steps.iter().rev() {
            let coefficients = self.share_sums(step, member, worker);
            for (index, input) in step.inputs.iter().enumerate() {
                self.step(step, (index, *input), &coefficients, worker);
            }
        }
    }

    /// Puts the caller's gradients where the steps expect them.
    fn seed(&self, worker: &mut Worker, seeds: [&[f32]; 2]) {
        let outputs = self.plan.outputs;
        for view in outputs {
            worker.slots[self.plan.views[view].slot][..seeds[0].len()].fill(0.0);
        }
        for (view, seed) in outputs.into_iter().zip(seeds) {
            add_to(&mut worker.slots[self.plan.views[view].slot], seed);
        }
        let distinct = if outputs[0] == outputs[1] { &outputs[..1] } else { &outputs[..] };
        let Worker { store, norms, slots, norm_sums, scratch, images, .. } = worker;
        let context = Context { plan: self.plan, kernels: self.kernels, norms };
        for view in distinct.iter().filter(|view| self.plan.only_output(**view)) {
            let view = self.plan.views[*view];
            let gradient = &mut slots[view.slot][..seeds[0].len()];
            pull_back(&context, store, view, 0..*images, gradient, norm_sums, &mut scratch.sums);
        }
    }

    /// Adds up Σg and Σg·ẑ of the tensor's batch norms over all workers, and derives from them how the gradient
    /// passes each; the first worker keeps the sums as the gradients of β and γ.
    fn share_sums(&self, step: &Step, member: &Member, worker: &mut Worker) -> Vec<Coefficients> {
        let tensor = &self.plan.tensors[step.output];
        let count = (self.batch * tensor.shape.height * tensor.shape.width) as f64;
        let mut coefficients = Vec::with_capacity(tensor.norms.len());
        for index in &tensor.norms {
            let (norm, sums) = (&self.plan.norms[*index], &mut worker.norm_sums[*index]);
            member.sum(sums);
            let gamma = &self.graph.parameter(norm.gamma).values;
            coefficients.push(through_statistics(&worker.norms[*index], gamma, sums, count));
            if member.rank() == 0 {
                let (beta, gamma) = sums.split_at(sums.len() / 2);
                for (id, sums) in [(norm.beta, beta), (norm.gamma, gamma)] {
                    let gradient = worker.gradients[id.0].iter_mut();
                    gradient.zip(sums).for_each(|(gradient, sum)| *gradient += *sum as f32);
                }
            }
        }
        coefficients
    }

    /// The gradients of the step's parameters (with its first input) and of one input.
    fn step(&self, step: &Step, (index, input): (usize, Input), coefficients: &[Coefficients], worker: &mut Worker) {
        let Worker { store, norms, slots, gradients, norm_sums, scratch, images, .. } = worker;
        let context = Context { plan: self.plan, kernels: self.kernels, norms };
        let view = self.plan.views[input.view];
        let len = self.plan.len(view.tensor);
        let mut target = if input.differentiated { std::mem::take(&mut slots[view.slot]) } else { vec![] };
        let mut buffer = std::mem::take(&mut scratch.gradient);
        if step.kind_has_matrix() && input.differentiated {
            self.transpose_weight(step, &mut scratch.transposed);
        }
        for range in step.groups(*images) {
            let d_output = self.output_gradient(step, coefficients, store, slots, range.clone(), &mut buffer);
            if index == 0 {
                self.parameter_gradients(step, &context, store, range.clone(), d_output, (gradients, scratch));
            }
            if input.differentiated {
                let d_input = &mut target[range.start * len..range.end * len];
                if step.is_special() {
                    let site = Site { graph: self.graph, context, store, step, range: range.clone() };
                    site.input_gradient((index, input.accumulate), d_output, d_input, scratch);
                } else {
                    self.input_gradient(step, input.accumulate, range.len(), d_output, d_input, scratch);
                }
                if input.finish {
                    pull_back(&context, store, view, range, d_input, norm_sums, &mut scratch.sums);
                }
            }
        }
        scratch.gradient = buffer;
        if input.differentiated {
            slots[view.slot] = target;
        }
    }

    /// The gradient of the step's tensor for pictures `range`: through every view, and through batch statistics.
    fn output_gradient<'b>(
        &self,
        step: &Step,
        coefficients: &[Coefficients],
        store: &Store,
        slots: &'b [Vec<f32>],
        range: Range<usize>,
        buffer: &'b mut Vec<f32>,
    ) -> &'b [f32] {
        let tensor = &self.plan.tensors[step.output];
        let len = tensor.shape.len();
        let bounds = range.start * len..range.end * len;
        let gradient = |view: &View| &slots[view.slot][bounds.clone()];
        let view = &self.plan.views[tensor.views[0]];
        if tensor.views.len() == 1 && view.norm.is_none() {
            return gradient(view);
        }
        reserve(buffer, bounds.len());
        let output = &mut buffer[..bounds.len()];
        let stored = &store.tensor(step.output)[bounds.clone()];
        if tensor.views.len() > 1 {
            output.fill(0.0);
        }
        for view in tensor.views.iter().map(|view| &self.plan.views[*view]) {
            match view.norm.and_then(|norm| tensor.norms.iter().position(|other| *other == norm)) {
                None => add_to(output, gradient(view)),
                Some(norm) if tensor.views.len() == 1 => {
                    let [a, b, k] = &coefficients[norm];
                    (self.kernels.combine)(&Combination { a, b, k }, gradient(view), stored, output);
                }
                Some(norm) => add_scaled(output, &coefficients[norm][0], gradient(view)),
            }
        }
        if tensor.views.len() > 1 {
            let ones = vec![1.0; tensor.shape.channels];
            for [_, b, k] in coefficients {
                let so_far = output.to_vec();
                (self.kernels.combine)(&Combination { a: &ones, b, k }, &so_far, stored, output);
            }
        }
        output
    }

    fn parameter_gradients(
        &self,
        step: &Step,
        context: &Context,
        store: &Store,
        range: Range<usize>,
        d_output: &[f32],
        (gradients, scratch): (&mut [Vec<f32>], &mut Scratch),
    ) {
        if let Some(bias) = step.bias {
            let sum = &mut gradients[bias.0];
            d_output.chunks_exact(self.plan.tensors[step.output].shape.channels).for_each(|row| add_to(sum, row));
        }
        let Some(weight) = step.weight else { return };
        if step.is_special() {
            let site = Site { graph: self.graph, context: *context, store, step, range };
            return site.parameter_gradient(d_output, scratch, &mut gradients[weight.0]);
        }
        let view = self.plan.views[step.inputs[0].view];
        let count = range.len();
        let input = context.values(store, view, range, &mut scratch.input);
        let d_weight = &mut gradients[weight.0][..];
        match step.kind {
            Kind::Convolution(window) => {
                let (depth, rows) = gather_patches(&window, input, count, &mut scratch.patches);
                self.weight_product(&scratch.patches[..depth * rows], depth, d_output, d_weight);
            }
            Kind::Matrix => {
                self.weight_product(input, self.plan.tensors[view.tensor].shape.channels, d_output, d_weight);
            }
            Kind::Depthwise(window) => {
                let gradients = d_output.chunks_exact(window.output_len());
                for (x, dy) in input.chunks_exact(window.input_len()).zip(gradients) {
                    (self.kernels.depthwise_weight_gradient)(&window, x, dy, d_weight);
                }
            }
            _ => {}
        }
    }

    /// dW += Aᵀ·dY
    fn weight_product(&self, a: &[f32], rows: usize, d_output: &[f32], d_weight: &mut [f32]) {
        let (columns, depth) = (d_weight.len() / rows, a.len() / rows);
        let job = Matmul { rows, columns, depth, a, a_row: 1, a_step: rows, b: d_output, accumulate: true };
        (self.kernels.matmul)(&job, d_weight);
    }

    fn input_gradient(
        &self,
        step: &Step,
        accumulate: bool,
        count: usize,
        d_output: &[f32],
        d_input: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let columns = self.plan.tensors[step.output].shape.channels;
        match step.kind {
            Kind::Matrix => self.input_product(&scratch.transposed, columns, d_output, d_input, accumulate),
            Kind::Convolution(window) => {
                let len = scratch.transposed.len() / columns * (d_output.len() / columns);
                reserve(&mut scratch.patch_gradients, len);
                let rows = &mut scratch.patch_gradients[..len];
                self.input_product(&scratch.transposed, columns, d_output, rows, false);
                scatter(&window, rows, d_input, accumulate);
            }
            Kind::Depthwise(window) => {
                let weight = self.values(step.weight);
                let buffer = if accumulate { Some(&mut scratch.d_input) } else { None };
                into_or_onto(d_input, buffer, |d_input| {
                    let gradients = d_output.chunks_exact(window.output_len());
                    for (dx, dy) in d_input.chunks_exact_mut(window.input_len()).zip(gradients) {
                        (self.kernels.depthwise_input_gradient)(&window, dy, weight, dx);
                    }
                });
            }
            Kind::Sum if accumulate => add_to(d_input, d_output),
            Kind::Sum => d_input.copy_from_slice(d_output),
            _ => spread(d_output, count, d_input, accumulate),
        }
    }

    /// dA (+)= dY·Wᵀ
    fn input_product(&self, transposed: &[f32], depth: usize, d_output: &[f32], d_input: &mut [f32], accumulate: bool) {
        let (rows, columns) = (d_output.len() / depth, transposed.len() / depth);
        let job = Matmul { rows, columns, depth, a: d_output, a_row: depth, a_step: 1, b: transposed, accumulate };
        (self.kernels.matmul)(&job, d_input);
    }

    fn transpose_weight(&self, step: &Step, transposed: &mut Vec<f32>) {
        let weight = self.values(step.weight);
        let columns = self.plan.tensors[step.output].shape.channels;
        let rows = weight.len() / columns;
        transposed.clear();
        transposed.resize(weight.len(), 0.0);
        for (row, values) in weight.chunks_exact(columns).enumerate() {
            for (column, value) in values.iter().enumerate() {
                transposed[column * rows + row] = *value;
            }
        }
    }

    fn values(&self, id: Option<ParameterId>) -> &[f32] {
        id.map_or(&[], |id| &self.graph.parameter(id).values)
    }
}

impl Step {
    fn kind_has_matrix(&self) -> bool {
        matches!(self.kind, Kind::Convolution(_) | Kind::Matrix)
    }
}
