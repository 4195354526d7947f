//! The loop: batch → network → losses → gradients → optimizer, an epoch at a time, with a checkpoint after each.

use super::batches::{PreparedBatch, Source};
use super::history::{StepReport, to_json_lines};
use super::material::Material;
use super::train::{LAST, LOG, MODEL};
use super::validation::validate;
use super::{CheckpointError, Learner, RunState, TrainingError, atomic, checkpoint};
use crate::loss::{Batch, CrossEntropy, Margin, MetricLoss, cross_entropy};
use crate::mining::CollapseWatch;
use crate::network::{Engine, Gradients, Graph, Role};
use crate::progress::Progress;
use crate::sampler::PkSampler;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::time::Instant;

/// A run in memory.
pub struct Trainer<'a> {
    /// How far it is.
    pub state: RunState,
    run: &'a Path,
    graph: Graph,
    learner: Learner,
    engine: Engine,
    gradients: Gradients,
    watch: CollapseWatch,
    batches_per_epoch: u64,
    /// The epoch whose end was saved last.
    saved: u64,
}

impl<'a> Trainer<'a> {
    /// With an engine of `threads` threads, or of one a core for 0.
    pub fn new(
        run: &'a Path,
        (graph, state, learner): (Graph, RunState, Learner),
        sampler: &PkSampler,
        threads: usize,
    ) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if threads == 0 { cores } else { threads };
        let margin = match state.recipe.loss.metric_settings().margin {
            Margin::Hinge(margin) => Some(margin),
            Margin::Soft => None,
        };
        Self {
            engine: Engine::new(&graph, sampler.batch_size(), threads),
            gradients: Gradients::zeros(&graph),
            watch: CollapseWatch::new(margin),
            batches_per_epoch: sampler.batches_per_epoch() as u64,
            saved: state.epoch,
            state,
            run,
            graph,
            learner,
        }
    }

    /// Writes the checkpoint to resume from, and the log.
    ///
    /// # Errors
    /// When they cannot be written, or a weight is not finite: then the older checkpoint stays.
    pub fn save(&mut self) -> Result<(), TrainingError> {
        let saved = checkpoint::write(&self.run.join(LAST), &self.graph, &self.state, Some(&self.learner));
        saved.map_err(|error| match error {
            CheckpointError::NotFinite { .. } => self.not_finite("a weight"),
            error => error.into(),
        })?;
        self.saved = self.state.epoch;
        let path = self.run.join(LOG);
        let written = to_json_lines(&self.state.history).map_err(std::io::Error::from);
        let written = written.and_then(|lines| atomic::write(&path, lines.as_bytes()));
        written.map_err(|source| TrainingError::Io { path, source })
    }

    /// Runs what is left of the run, with batches prepared one ahead in another thread, and saves the finished model.
    ///
    /// # Errors
    /// What stops it: [`TrainingError::Interrupted`], [`TrainingError::NotFinite`], or a file that cannot be written.
    pub fn run_epochs(&mut self, source: Source<'_>, progress: &dyn Progress) -> Result<(), TrainingError> {
        let (epoch, batch) = (self.state.epoch, self.state.totals.batches);
        let left = (self.state.recipe.epochs - epoch) * self.batches_per_epoch - batch;
        progress.start("training", left);
        let (sender, receiver) = sync_channel(1);
        let result = std::thread::scope(|scope| {
            scope.spawn(move || source.send_all(epoch, batch, &sender));
            // Owned here: when an epoch returns early it is dropped, the sender's next `send` fails, and its thread ends.
            let receiver = receiver;
            while self.state.epoch < self.state.recipe.epochs {
                let pictures_per_second = self.run_epoch(&mut receiver.iter(), progress)?;
                self.finish_epoch(source.material, pictures_per_second)?;
            }
            Ok(())
        });
        progress.finish();
        result.and_then(|()| Ok(checkpoint::write(&self.run.join(MODEL), &self.model(), &self.state, None)?))
    }

    /// What is left of an epoch; returns pictures a second.
    fn run_epoch(
        &mut self,
        batches: &mut dyn Iterator<Item = PreparedBatch>,
        progress: &dyn Progress,
    ) -> Result<f32, TrainingError> {
        let (start, mut pictures) = (Instant::now(), 0);
        let rate = |pictures: usize| (pictures as f64 / start.elapsed().as_secs_f64().max(1e-9)) as f32;
        let left = self.batches_per_epoch - self.state.totals.batches;
        for batch in batches.take(left as usize) {
            let report = self.step(&batch)?;
            pictures += batch.classes.len();
            self.state.totals.add(&report);
            progress.advance(1);
            progress.message(&self.describe(&report, rate(pictures)));
            if progress.interrupted() {
                self.save()?;
                return Err(TrainingError::Interrupted { run: self.run.to_owned(), epoch: self.state.epoch + 1 });
            }
        }
        Ok(rate(pictures))
    }

    /// One batch: forward, losses, backward, update.
    fn step(&mut self, batch: &PreparedBatch) -> Result<StepReport, TrainingError> {
        let loss = self.state.recipe.loss;
        let outputs = self.engine.forward(&mut self.graph, &batch.pixels, batch.classes.len());
        let embeddings =
            Batch { embeddings: outputs.raw, dimension: self.graph.dimension(), identities: &batch.classes };
        let mut metric = loss.metric_settings().evaluate(&embeddings);
        let measured = loss.metric_settings().measured(&embeddings);
        let collapse = self.watch.observe(metric.value, &measured, embeddings.dimension);
        let classifier = &self.learner.classifier;
        let logits = classifier.forward(outputs.embedding);
        let mut id = cross_entropy(&logits, &batch.classes, classifier.identities, loss.label_smoothing);
        scale(&mut metric.gradient, loss.metric_weight);
        scale(&mut id.gradient, loss.id_weight);
        let classifier = classifier.backward(outputs.embedding, &id.gradient);
        let report = report(&metric, &id, loss.metric_weight, loss.id_weight);
        if !report.loss.is_finite() {
            return Err(self.not_finite("the loss"));
        }
        if let Some(collapse) = collapse {
            tracing::warn!("{collapse}");
            self.state.totals.warn(collapse.to_string());
        }
        self.engine.backward(&self.graph, &metric.gradient, &classifier.embeddings, &mut self.gradients);
        self.update(&classifier.weights);
        Ok(report)
    }

    /// Optimizer and average, from the network's gradients and the classifier's.
    fn update(&mut self, classifier_gradient: &[f32]) {
        let factor = self.rate_factor();
        let Learner { classifier, optimizer, average } = &mut self.learner;
        optimizer.begin_step();
        let parameters = self.graph.parameters.iter_mut().zip(&self.gradients.values);
        for (index, (parameter, gradient)) in parameters.enumerate() {
            if parameter.role != Role::Statistic {
                let decay = parameter.role == Role::Weight;
                optimizer.update(index, factor, decay, &mut parameter.values, gradient);
            }
        }
        let last = self.graph.parameters.len();
        optimizer.update(last, factor, true, &mut classifier.weights, classifier_gradient);
        if let Some(average) = average {
            average.update(&self.graph);
        }
    }

    fn rate_factor(&self) -> f32 {
        let total = self.state.recipe.epochs * self.batches_per_epoch;
        self.state.recipe.schedule.factor(self.learner.optimizer.step, total, self.batches_per_epoch)
    }

    /// Closes the epoch's books, looks at the held-out identities when it is time, and saves.
    fn finish_epoch(&mut self, material: &Material, pictures_per_second: f32) -> Result<(), TrainingError> {
        let recipe = &self.state.recipe;
        let epoch = self.state.epoch + 1;
        let mut record = self.state.totals.record(epoch);
        record.learning_rate = recipe.optimizer.learning_rate * self.rate_factor();
        record.images_per_second = pictures_per_second;
        if epoch.is_multiple_of(recipe.validate_every) || epoch == recipe.epochs {
            let model = self.model();
            if let Some(scores) = validate(&mut self.engine, &model, &material.held_out) {
                record.validation_map = Some(scores.map);
                record.validation_rank1 = Some(scores.rank1);
                self.state.best_map = Some(self.state.best_map.unwrap_or(0.0).max(scores.map));
            }
        }
        self.state.epoch = epoch;
        self.state.totals = Default::default();
        self.state.history.push(record);
        self.save()
    }

    /// The network to use: averaged where the recipe wants it.
    fn model(&self) -> Graph {
        self.learner.average.as_ref().map_or_else(|| self.graph.clone(), |average| average.apply(&self.graph))
    }

    fn describe(&self, report: &StepReport, rate: f32) -> String {
        let (epoch, epochs) = (self.state.epoch + 1, self.state.recipe.epochs);
        let StepReport { loss, metric_loss, id_loss, active_fraction, .. } = report;
        let active = active_fraction * 100.0;
        format!(
            "epoch {epoch}/{epochs} · loss {loss:.3} = metric {metric_loss:.3} ({active:.0} % active) + id {id_loss:.3} · \
             {rate:.0} pictures/s"
        )
    }

    fn not_finite(&self, what: &'static str) -> TrainingError {
        let (epoch, batch) = (self.state.epoch + 1, self.state.totals.batches + 1);
        TrainingError::NotFinite { epoch, batch, what, saved: self.saved }
    }
}

fn report(metric: &MetricLoss, id: &CrossEntropy, metric_weight: f32, id_weight: f32) -> StepReport {
    StepReport {
        loss: metric_weight * metric.value + id_weight * id.value,
        metric_loss: metric.value,
        id_loss: id.value,
        active_fraction: metric.active_fraction,
        positive_distance: metric.positive_distance,
        negative_distance: metric.negative_distance,
        id_correct: id.correct,
    }
}

fn scale(values: &mut [f32], factor: f32) {
    values.iter_mut().for_each(|value| *value *= factor);
}
