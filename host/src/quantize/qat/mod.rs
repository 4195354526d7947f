//! Quantization-aware fine-tuning: the network learns to do without what rounding takes from it.
//!
//! The forward pass is no imitation: each state of the parameters is lowered, and the camera's own code runs it (`camera`), so
//! what was learned with is, bit for bit, what ships. On the way back rounding counts as the identity (`backward`, with one
//! function an operator in `operators`). Besides weights and biases the scales are learned (LSQ, Esser et al. 2020): the bounds
//! of every activation, and where the weights of each output channel are clipped (`parameters`). Batch norms are folded in
//! before, with their running statistics.
//!
//! The float network is the teacher: the int8 embeddings of a batch are drawn towards its embeddings of the same, augmented
//! pictures, in direction and among one another. So identities are not needed, and a network that was trained elsewhere can be
//! tuned too.

mod backward;
mod camera;
mod operators;
mod parameters;
#[cfg(test)]
mod tests;

use super::QuantizeError;
use super::calibrate::Range;
use super::lower::Lowered;
use super::order::Placed;
use crate::augment::{self, Augment};
use crate::loss::Distillation;
use crate::loss::distillation::{DistillationSettings, Rows, distillation};
use crate::network::{Engine, Graph};
use crate::progress::Progress;
use crate::training::schedule::Schedule;
use backward::backward;
use camera::{Camera, Trace};
use parameters::{Gradients, Parameters};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Pictures whose gradients are added up in one go; batches are cut alike whatever the number of threads.
const CHUNK: usize = 8;
/// Most pictures, evenly spread, on which the tuned network is compared with the untuned one.
const PROBES: usize = 128;

/// How to fine-tune.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Passes over the pictures.
    pub epochs: u64,
    /// Pictures in a batch.
    pub batch: usize,
    /// Largest step, as a share of what a quantizer covers: 1/127 of it is one step of a weight, 1/255 one of an activation.
    pub learning_rate: f32,
    /// Of the order of pictures and their changes.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { epochs: 2, batch: 32, learning_rate: 1e-4, seed: 1 }
    }
}

/// What is learned on.
#[derive(Debug, Clone, Copy)]
pub struct Pictures<'a> {
    /// `[n, height, width, 3]` RGB bytes of the network's input size.
    pub pixels: &'a [u8],
    /// Random changes to them.
    pub augment: &'a Augment,
}

/// A network that knows how it will be rounded.
#[derive(Debug, Clone, PartialEq)]
pub struct Tuned {
    /// Without batch norm.
    pub graph: Graph,
    /// The bounds of each node.
    pub ranges: Vec<Range>,
    /// Both as the camera's layers.
    pub lowered: Lowered,
    /// What it brought.
    pub loss: Loss,
}

/// How far int8 is from float: the loss over some pictures, without changes.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Loss {
    /// At the start.
    pub before: f32,
    /// In the end; never more, for then the network stays as it was.
    pub after: f32,
}

/// Fine-tunes a calibrated network from `start` on: the same network, its weights already rounded and its biases corrected for
/// its layers' outputs, or as they are.
///
/// # Errors
/// No pictures or not whole ones, or an interruption.
pub fn fine_tune(
    (calibrated, start): (&Placed, &Graph),
    pictures: Pictures<'_>,
    settings: &Settings,
    progress: &dyn Progress,
) -> Result<Tuned, QuantizeError> {
    let mut tuning = Tuning::new((calibrated, start), pictures, settings)?;
    let probes = tuning.probes();
    let before = tuning.loss(&probes)?;
    progress.start("fine-tune (int8)", settings.epochs * tuning.steps_per_epoch());
    let run = tuning.run(progress);
    progress.finish();
    run?;
    let after = tuning.loss(&probes)?;
    if after < before {
        let (graph, ranges) = (tuning.parameters.clipped(), tuning.parameters.ranges().to_vec());
        return Ok(Tuned { graph, ranges, lowered: tuning.camera()?.lowered, loss: Loss { before, after } });
    }
    tracing::warn!("fine-tuning did not bring int8 nearer to float ({before:.2e} → {after:.2e}); it is left out");
    let (graph, ranges) = (start.clone(), calibrated.ranges.clone());
    Ok(Tuned { graph, ranges, lowered: calibrated.lower_again(start)?, loss: Loss { before, after: before } })
}

struct Tuning<'a> {
    settings: Settings,
    pictures: Pictures<'a>,
    calibrated: &'a Placed,
    /// The teacher.
    float: &'a Graph,
    engine: Engine,
    parameters: Parameters,
    steps: u64,
}

impl<'a> Tuning<'a> {
    fn new(
        (calibrated, start): (&'a Placed, &Graph),
        pictures: Pictures<'a>,
        settings: &Settings,
    ) -> Result<Self, QuantizeError> {
        let float = &calibrated.graph;
        let picture = float.input().len();
        if pictures.pixels.is_empty() {
            return Err(QuantizeError::NoPictures);
        }
        if !pictures.pixels.len().is_multiple_of(picture) {
            return Err(QuantizeError::PictureSize { bytes: pictures.pixels.len(), picture });
        }
        let engine = Engine::new(float, settings.batch, rayon::current_num_threads());
        let parameters = Parameters::new(start.clone(), calibrated.ranges.clone(), settings.learning_rate);
        Ok(Self { settings: *settings, pictures, calibrated, float, engine, parameters, steps: 0 })
    }

    fn count(&self) -> usize {
        self.pictures.pixels.len() / self.float.input().len()
    }

    fn steps_per_epoch(&self) -> u64 {
        self.count().div_ceil(self.settings.batch.max(1)) as u64
    }

    fn run(&mut self, progress: &dyn Progress) -> Result<(), QuantizeError> {
        let mut random = ChaCha8Rng::seed_from_u64(self.settings.seed);
        let mut order: Vec<usize> = (0..self.count()).collect();
        let shape = self.float.input();
        for epoch in 1..=self.settings.epochs {
            order.shuffle(&mut random);
            for batch in order.chunks(self.settings.batch.max(1)) {
                if progress.interrupted() {
                    return Err(QuantizeError::Interrupted);
                }
                let mut pixels = vec![0; batch.len() * shape.len()];
                let (seed, size) = (random.next_u64(), [shape.height, shape.width]);
                augment::batch(self.pictures.augment, self.pictures.pixels, size, batch, seed, &mut pixels);
                let loss = self.step(&pixels)?;
                progress.message(&format!("epoch {epoch}/{} · loss {loss:.2e}", self.settings.epochs));
                progress.advance(1);
            }
        }
        Ok(())
    }

    /// One batch: forward through the camera's code, loss, backward, update; the loss before the update.
    fn step(&mut self, pixels: &[u8]) -> Result<f32, QuantizeError> {
        let camera = self.camera()?;
        let traces = camera.traces(pixels)?;
        let Distillation { value, gradient, .. } = self.compare(&camera, &traces, pixels);
        let gradients = gradients(&camera, pixels, &traces, &gradient)?;
        let (total, each) = (self.settings.epochs * self.steps_per_epoch(), self.steps_per_epoch());
        let factor = Schedule { warm_up: 0.1, floor: 0.01 }.factor(self.steps, total, each);
        self.parameters.update(factor, &camera.rounded, &gradients);
        self.steps += 1;
        Ok(value)
    }

    fn camera(&self) -> Result<Camera, QuantizeError> {
        Camera::new(self.parameters.clipped(), self.parameters.ranges(), self.calibrated)
    }

    /// How far the camera's embeddings are from the float network's, and which way is nearer.
    fn compare(&mut self, camera: &Camera, traces: &[Trace], pixels: &[u8]) -> Distillation {
        let teacher = self.engine.embed(self.float, pixels, traces.len());
        let student: Vec<f32> = traces.iter().flat_map(|trace| camera.embedding(trace)).collect();
        let dimension = self.float.dimension();
        let rows = |values| Rows { values, dimension };
        distillation(rows(&student), rows(&teacher), None, &DistillationSettings::default())
    }

    fn loss(&mut self, pixels: &[u8]) -> Result<f32, QuantizeError> {
        let camera = self.camera()?;
        let traces = camera.traces(pixels)?;
        Ok(self.compare(&camera, &traces, pixels).value)
    }

    /// Some of the pictures, evenly spread.
    fn probes(&self) -> Vec<u8> {
        let (count, picture) = (self.count(), self.float.input().len());
        let chosen = count.min(PROBES);
        let at = |index: usize| index * count / chosen * picture;
        (0..chosen).flat_map(|index| &self.pictures.pixels[at(index)..][..picture]).copied().collect()
    }
}

/// Those of a batch, given ∂loss/∂ its raw embeddings, `[n, dimension]`. They do not depend on the number of threads.
fn gradients(
    camera: &Camera,
    pixels: &[u8],
    traces: &[Trace],
    d_embeddings: &[f32],
) -> Result<Gradients, QuantizeError> {
    let (picture, dimension) = (camera.rounded.input().len(), camera.rounded.dimension());
    let chunks = pixels.par_chunks(CHUNK * picture).zip(traces.par_chunks(CHUNK));
    let parts = chunks.zip(d_embeddings.par_chunks(CHUNK * dimension)).map(|((pixels, traces), d_embeddings)| {
        let mut sum = Gradients::zeros(&camera.rounded);
        let rows = pixels.chunks_exact(picture).zip(traces).zip(d_embeddings.chunks_exact(dimension));
        for ((pixels, trace), d_embedding) in rows {
            backward(camera, pixels, trace, d_embedding, &mut sum)?;
        }
        Ok(sum)
    });
    let parts: Vec<Gradients> = parts.collect::<Result<_, QuantizeError>>()?;
    let mut parts = parts.into_iter();
    let first = parts.next().unwrap_or_else(|| Gradients::zeros(&camera.rounded));
    Ok(parts.fold(first, |mut sum, part| {
        sum.add(&part);
        sum
    }))
}
