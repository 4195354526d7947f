//! Trains and runs a graph on batches: a plan of fused steps, a team of workers, one share of the pictures each.
//!
//! Stored are only the results of linear operators, sums and pools; batch norm and activation are recomputed, group of
//! pictures by group, while these are in the cache. Workers share nothing but the sums behind batch statistics.
//! The same batch on the same number of threads gives the same bits.

mod backward;
mod buffers;
mod forward;
mod gradient;
mod operators;
mod plan;
#[cfg(test)]
pub(super) mod reference;
#[cfg(test)]
mod reference_operators;
mod worker;

use std::ops::Index;

use self::backward::Backward;
use self::forward::Forward;
use self::plan::{Kind, Plan};
use self::worker::Worker;
use super::pooling::bounded_exponent_gradient;
use super::{Graph, ParameterId};
use crate::compute::{Kernels, team};

/// The share of the newest batch in the running statistics, PyTorch's default.
pub const MOMENTUM: f32 = 0.1;

/// Runs one graph's architecture; the parameters come with every call.
#[derive(Debug)]
pub struct Engine {
    plan: Plan,
    kernels: &'static Kernels,
    capacity: usize,
    workers: Vec<Worker>,
    /// Pictures of the training forward pass that can be differentiated; 0 for none.
    batch: usize,
    outputs: [Vec<f32>; 2],
}

/// What a forward pass computes of `n` pictures; D is the dimension of the embedding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outputs<'a> {
    /// `[n, D]` before the neck: what the metric loss sees.
    pub raw: &'a [f32],
    /// `[n, D]` after the neck: what the identity loss sees and what is compared.
    pub embedding: &'a [f32],
}

/// ∂loss/∂parameter for every parameter of a graph, in the order of [`Graph::parameters`].
#[derive(Debug, Clone, PartialEq)]
pub struct Gradients {
    /// One a parameter, as long as its values; zeros for statistics.
    pub values: Vec<Vec<f32>>,
}

impl Gradients {
    /// All zeros.
    pub fn zeros(graph: &Graph) -> Self {
        Self { values: graph.parameters.iter().map(|parameter| vec![0.0; parameter.values.len()]).collect() }
    }
}

impl Index<ParameterId> for Gradients {
    type Output = [f32];

    fn index(&self, id: ParameterId) -> &[f32] {
        &self.values[id.0]
    }
}

impl Engine {
    /// An engine for `graph` that takes up to `capacity` pictures at once, on `threads` threads (at least one each).
    pub fn new(graph: &Graph, capacity: usize, threads: usize) -> Self {
        Self::with_kernels(Kernels::best(), graph, capacity, threads)
    }

    /// [`Engine::new`] with chosen kernels.
    pub fn with_kernels(kernels: &'static Kernels, graph: &Graph, capacity: usize, threads: usize) -> Self {
        let plan = Plan::new(graph);
        let workers = (0..threads.max(1)).map(|_| Worker::new(&plan, graph)).collect();
        Self { plan, kernels, capacity: capacity.max(1), workers, batch: 0, outputs: [vec![], vec![]] }
    }

    /// Threads in use.
    pub fn threads(&self) -> usize {
        self.workers.len()
    }

    /// The kernels in use.
    pub fn kernels(&self) -> &'static Kernels {
        self.kernels
    }

    /// Runs `pixels`, `[n, height, width, 3]` RGB bytes, with batch statistics, and moves the running statistics
    /// of `graph` by [`MOMENTUM`] towards them (variance unbiased, as PyTorch keeps it).
    ///
    /// # Panics
    /// If `n` is 0 or more than the capacity, if `pixels` is not n pictures, or if `graph` is of another architecture
    /// than the engine's.
    pub fn forward(&mut self, graph: &mut Graph, pixels: &[u8], n: usize) -> Outputs<'_> {
        assert!(n > 0 && n <= self.capacity, "a batch of {n} pictures; the engine takes 1 to {}", self.capacity);
        let pass = Forward { graph, plan: &self.plan, kernels: self.kernels };
        let mut shares = share(&mut self.workers, pixels, n, graph.input().len());
        team::run(&mut shares, |member, (worker, pixels)| pass.train(member, worker, pixels, n));
        self.batch = n;
        self.collect_outputs();
        self.update_running_statistics(graph);
        let [raw, embedding] = &self.outputs;
        Outputs { raw, embedding }
    }

    /// Differentiates Σ `d_raw`·raw + Σ `d_embedding`·embedding of the last [`Engine::forward`] with respect to every
    /// parameter; `gradients` is overwritten. Both arguments are `[n, D]`.
    ///
    /// # Panics
    /// If the arguments are not as long as the outputs were, or [`Engine::embed`] was called in between.
    pub fn backward(&mut self, graph: &Graph, d_raw: &[f32], d_embedding: &[f32], gradients: &mut Gradients) {
        let len = self.batch * graph.dimension();
        assert!(d_raw.len() == len && d_embedding.len() == len, "gradients of {} pictures expected", self.batch);
        let pass = Backward { graph, plan: &self.plan, kernels: self.kernels, batch: self.batch };
        let mut start = 0;
        let mut shares: Vec<_> = Vec::with_capacity(self.workers.len());
        for worker in &mut self.workers {
            let rows = start * graph.dimension()..(start + worker.images) * graph.dimension();
            start += worker.images;
            shares.push((worker, [&d_raw[rows.clone()], &d_embedding[rows]]));
        }
        team::run(&mut shares, |member, (worker, seeds)| pass.run(member, worker, *seeds));
        self.collect_gradients(graph, gradients);
    }

    /// The embeddings of `n` pictures with running statistics, `[n, D]`, not normalized; any `n`.
    ///
    /// # Panics
    /// If `pixels` is not n pictures, or if `graph` is of another architecture than the engine's.
    pub fn embed(&mut self, graph: &Graph, pixels: &[u8], n: usize) -> Vec<f32> {
        let pass = Forward { graph, plan: &self.plan, kernels: self.kernels };
        let mut shares = share(&mut self.workers, pixels, n, graph.input().len());
        team::run(&mut shares, |_, (worker, pixels)| pass.embed(worker, pixels));
        // The statistics of the last training pass are gone.
        self.batch = 0;
        self.collect_outputs();
        self.outputs[1].clone()
    }

    fn collect_outputs(&mut self) {
        for (which, output) in self.outputs.iter_mut().enumerate() {
            output.clear();
            self.workers.iter().for_each(|worker| output.extend_from_slice(&worker.outputs[which]));
        }
    }

    fn update_running_statistics(&self, graph: &mut Graph) {
        for (norm, state) in self.plan.norms.iter().zip(&self.workers[0].norms) {
            let shape = self.plan.tensors[norm.tensor].shape;
            let count = (self.batch * shape.height * shape.width) as f64;
            let unbiased = if count > 1.0 { count / (count - 1.0) } else { 1.0 };
            let mut update = |id: ParameterId, batch: &[f64], factor: f64| {
                for (running, batch) in graph.parameters[id.0].values.iter_mut().zip(batch) {
                    *running += MOMENTUM * ((batch * factor) as f32 - *running);
                }
            };
            update(norm.mean, &state.mean, 1.0);
            update(norm.variance, &state.variance, unbiased);
        }
    }

    fn collect_gradients(&self, graph: &Graph, gradients: &mut Gradients) {
        for (index, total) in gradients.values.iter_mut().enumerate() {
            total.fill(0.0);
            for worker in &self.workers {
                forward::add_to(total, &worker.gradients[index]);
            }
        }
        let pools = self.plan.steps.iter().filter(|step| matches!(step.kind, Kind::GeneralizedMean { .. }));
        for exponent in pools.filter_map(|step| step.weight) {
            let gradient = &mut gradients.values[exponent.0][0];
            *gradient = bounded_exponent_gradient(graph.parameter(exponent).values[0], *gradient);
        }
    }
}

/// Each worker with its pictures: the same number each, as far as they go.
fn share<'a>(workers: &'a mut [Worker], pixels: &'a [u8], n: usize, picture: usize) -> Vec<(&'a mut Worker, &'a [u8])> {
    assert_eq!(pixels.len(), n * picture, "pixels are not {n} pictures");
    let each = n.div_ceil(workers.len()) * picture;
    let start = |rank: usize| (rank * each).min(pixels.len());
    workers.iter_mut().enumerate().map(|(rank, worker)| (worker, &pixels[start(rank)..start(rank + 1)])).collect()
}
