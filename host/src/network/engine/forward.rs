//! The forward pass of one worker: step by step, group by group, with batch or with running statistics.

use super::operators::Site;
use super::plan::{Kind, Plan, Step};
use super::worker::{Context, NormState, Scratch, Store, Worker, reserve};
use crate::compute::team::Member;
use crate::compute::{Kernels, Matmul, Moments, patches};
use crate::network::interpreter::add_rows;
use crate::network::{Graph, ParameterId};

/// A forward pass of one worker.
pub struct Forward<'a> {
    pub graph: &'a Graph,
    pub plan: &'a Plan,
    pub kernels: &'static Kernels,
}

impl Forward<'_> {
    /// Runs `pixels`, this worker's share of a batch of `batch` pictures, with the statistics of the whole batch:
    /// workers meet after each normalized tensor. Everything stored stays for the backward pass.
    pub fn train(&self, member: &Member, worker: &mut Worker, pixels: &[u8], batch: usize) {
        let Worker { store, outputs, norms, scratch, images, .. } = worker;
        *images = store.load(self.plan, pixels);
        outputs.iter_mut().for_each(Vec::clear);
        for step in &self.plan.steps {
            let channels = self.plan.tensors[step.output].shape.channels;
            let mut sums = vec![0.0; if self.is_normalized(step) { 2 * channels } else { 0 }];
            self.step(step, store, norms, *images, (scratch, &mut sums));
            self.share_statistics(step, batch, &mut sums, member, norms);
        }
        self.append_outputs(store, norms, *images, scratch, outputs);
    }

    /// Runs `pixels` with running statistics, group by group through the whole network; only the outputs stay.
    pub fn embed(&self, worker: &mut Worker, pixels: &[u8]) {
        let Worker { embedding: store, outputs, norms, scratch, .. } = worker;
        self.use_running_statistics(norms);
        outputs.iter_mut().for_each(Vec::clear);
        for group in pixels.chunks(self.plan.embed_group * self.plan.len(0)) {
            let images = store.load(self.plan, group);
            for step in &self.plan.steps {
                self.step(step, store, norms, images, (scratch, &mut []));
            }
            self.append_outputs(store, norms, images, scratch, outputs);
        }
    }

    fn is_normalized(&self, step: &Step) -> bool {
        !self.plan.tensors[step.output].norms.is_empty()
    }

    fn append_outputs(
        &self,
        store: &Store,
        norms: &[NormState],
        images: usize,
        scratch: &mut Scratch,
        outputs: &mut [Vec<f32>; 2],
    ) {
        let context = Context { plan: self.plan, kernels: self.kernels, norms };
        for (output, view) in outputs.iter_mut().zip(self.plan.outputs) {
            let view = self.plan.views[view];
            output.extend_from_slice(context.values(store, view, 0..images, &mut scratch.input));
        }
    }

    /// Computes the step's tensor; adds its Σz and Σz² per channel to `sums` unless that is empty.
    fn step(
        &self,
        step: &Step,
        store: &mut Store,
        norms: &[NormState],
        images: usize,
        (scratch, sums): (&mut Scratch, &mut [f64]),
    ) {
        let context = Context { plan: self.plan, kernels: self.kernels, norms };
        let len = self.plan.len(step.output);
        let mut output = store.take(step.output);
        for range in step.groups(images) {
            let result = &mut output[range.start * len..range.end * len];
            self.group(step, &context, store, range, scratch, result);
            if !sums.is_empty() {
                self.add_moments(result, &mut scratch.sums, sums);
            }
        }
        store.put(step.output, output);
    }

    fn group(
        &self,
        step: &Step,
        context: &Context,
        store: &Store,
        range: std::ops::Range<usize>,
        scratch: &mut Scratch,
        output: &mut [f32],
    ) {
        let view = self.plan.views[step.inputs[0].view];
        let count = range.len();
        if step.is_special() {
            let site = Site { graph: self.graph, context: *context, store, step, range };
            return site.forward(scratch, output);
        }
        if step.kind == Kind::Sum {
            context.write(store, view, range.clone(), output);
            for input in &step.inputs[1..] {
                let addend = context.values(store, self.plan.views[input.view], range.clone(), &mut scratch.input);
                output.iter_mut().zip(addend).for_each(|(sum, value)| *sum += value);
            }
            return;
        }
        let input = context.values(store, view, range, &mut scratch.input);
        match step.kind {
            Kind::Convolution(window) => {
                let (depth, rows) = gather_patches(&window, input, count, &mut scratch.patches);
                self.product(step, &scratch.patches[..rows * depth], depth, output);
            }
            Kind::Matrix => self.product(step, input, self.plan.tensors[view.tensor].shape.channels, output),
            Kind::Depthwise(window) => {
                let weight = self.weight(step);
                let pictures = input.chunks_exact(window.input_len());
                for (x, y) in pictures.zip(output.chunks_exact_mut(window.output_len())) {
                    (self.kernels.depthwise)(&window, x, weight, y);
                }
            }
            _ => average(input, count, output),
        }
        if let Some(bias) = step.bias {
            add_rows(output, self.values(bias));
        }
    }

    fn product(&self, step: &Step, a: &[f32], depth: usize, output: &mut [f32]) {
        let columns = self.plan.tensors[step.output].shape.channels;
        let (rows, b) = (output.len() / columns, self.weight(step));
        let job = Matmul { rows, columns, depth, a, a_row: depth, a_step: 1, b, accumulate: false };
        (self.kernels.matmul)(&job, output);
    }

    /// Sums one group in f32 and adds it to the batch's sums in f64.
    fn add_moments(&self, values: &[f32], group: &mut [Vec<f32>; 2], sums: &mut [f64]) {
        let channels = sums.len() / 2;
        let [first, second] = group;
        for sum in [&mut *first, &mut *second] {
            sum.clear();
            sum.resize(channels, 0.0);
        }
        (self.kernels.moments)(values, Moments { first, second });
        for (total, sum) in sums.iter_mut().zip(first.iter().chain(second.iter())) {
            *total += f64::from(*sum);
        }
    }

    fn share_statistics(&self, step: &Step, batch: usize, sums: &mut [f64], member: &Member, norms: &mut [NormState]) {
        if sums.is_empty() {
            return;
        }
        member.sum(sums);
        let tensor = &self.plan.tensors[step.output];
        let count = (batch * tensor.shape.height * tensor.shape.width) as f64;
        for norm in &tensor.norms {
            norms[*norm].set_moments(sums, count);
            self.set_coefficients(*norm, &mut norms[*norm]);
        }
    }

    fn use_running_statistics(&self, norms: &mut [NormState]) {
        for (index, state) in norms.iter_mut().enumerate() {
            let norm = &self.plan.norms[index];
            state.mean = self.values(norm.mean).iter().map(|value| f64::from(*value)).collect();
            state.variance = self.values(norm.variance).iter().map(|value| f64::from(*value)).collect();
            self.set_coefficients(index, state);
        }
    }

    fn set_coefficients(&self, norm: usize, state: &mut NormState) {
        let norm = &self.plan.norms[norm];
        state.set_coefficients(self.values(norm.gamma), self.values(norm.beta), norm.epsilon);
    }

    fn values(&self, id: ParameterId) -> &[f32] {
        &self.graph.parameter(id).values
    }

    fn weight(&self, step: &Step) -> &[f32] {
        step.weight.map_or(&[], |id| self.values(id))
    }
}

/// The patches of `count` pictures, one after the other; returns the length of a patch and their number.
pub fn gather_patches(
    window: &crate::compute::Window,
    input: &[f32],
    count: usize,
    buffer: &mut Vec<f32>,
) -> (usize, usize) {
    let depth = window.kernel * window.kernel * window.channels;
    let positions = window.out_height() * window.out_width();
    reserve(buffer, count * positions * depth);
    let rows = buffer.chunks_exact_mut(positions * depth);
    for (picture, patches) in input.chunks_exact(window.input_len()).zip(rows) {
        patches::gather(window, picture, patches);
    }
    (depth, count * positions)
}

/// The mean over positions of each of `count` pictures.
fn average(input: &[f32], count: usize, output: &mut [f32]) {
    let channels = output.len() / count;
    let positions = input.len() / output.len();
    output.fill(0.0);
    for (picture, mean) in input.chunks_exact(positions * channels).zip(output.chunks_exact_mut(channels)) {
        picture.chunks_exact(channels).for_each(|row| add_to(mean, row));
        mean.iter_mut().for_each(|value| *value /= positions as f32);
    }
}

/// sum += addend
pub fn add_to(sum: &mut [f32], addend: &[f32]) {
    sum.iter_mut().zip(addend).for_each(|(sum, value)| *sum += value);
}
