//! The forward pass of one worker: step by step, group by group, with batch or running statistics.

use super::plan::{Kind, Plan, Step};
use super::worker::{Context, NormState, Scratch, Store, Worker, reserve};
use crate::compute::team::Member;
use crate::compute::{Kernels, Matmul, Moments, patches};
use crate::network::interpreter::add_rows;
use crate::network::{Graph, ParameterId};

/// Which statistics a batch norm uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistics {
    /// Those of the batch of so many pictures, over all workers.
    Batch(usize),
    /// The running ones.
    Running,
}

/// One worker's forward pass over the pictures it has loaded.
pub struct Forward<'a> {
    pub graph: &'a Graph,
    pub plan: &'a Plan,
    pub kernels: &'static Kernels,
    pub statistics: Statistics,
}

impl Forward<'_> {
    /// Runs every step; with batch statistics, workers meet after each normalized tensor.
    pub fn run(&self, member: &Member, worker: &mut Worker) {
        if self.statistics == Statistics::Running {
            self.use_running_statistics(&mut worker.norms);
        }
        for step in &self.plan.steps {
            let sums = self.step(step, worker);
            if let Statistics::Batch(images) = self.statistics {
                self.share_statistics(step, images, sums, member, worker);
            }
        }
    }

    /// Computes the step's tensor; returns `[Σz, Σz²]` per channel where a batch norm wants them.
    fn step(&self, step: &Step, worker: &mut Worker) -> Vec<f64> {
        let Worker { store, norms, scratch, images, .. } = worker;
        let context = Context { plan: self.plan, kernels: self.kernels, norms };
        let (len, tensor) = (self.plan.len(step.output), &self.plan.tensors[step.output]);
        let wanted = !tensor.norms.is_empty() && self.statistics != Statistics::Running;
        let mut sums = vec![0.0; if wanted { 2 * tensor.shape.channels } else { 0 }];
        let mut output = std::mem::take(&mut store.tensors[step.output]);
        for start in (0..*images).step_by(step.group) {
            let range = start..(start + step.group).min(*images);
            let result = &mut output[range.start * len..range.end * len];
            self.group(step, &context, store, range, scratch, result);
            if wanted {
                self.add_moments(result, &mut scratch.sums, &mut sums);
            }
        }
        store.tensors[step.output] = output;
        sums
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
            Kind::Sum => {}
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
            Kind::GlobalAveragePool => average(input, count, output),
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

    fn share_statistics(&self, step: &Step, images: usize, mut sums: Vec<f64>, member: &Member, worker: &mut Worker) {
        let tensor = &self.plan.tensors[step.output];
        if tensor.norms.is_empty() {
            return;
        }
        member.sum(&mut sums);
        let count = (images * tensor.shape.height * tensor.shape.width) as f64;
        for norm in &tensor.norms {
            worker.norms[*norm].set_moments(&sums, count);
            self.set_coefficients(*norm, &mut worker.norms[*norm]);
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
