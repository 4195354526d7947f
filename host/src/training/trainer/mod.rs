//! The loop: an epoch at a time, with a checkpoint after each. `step` is what a batch does, `finish` what comes after the last.

mod finish;
mod step;

use super::batches::{PreparedBatch, Source};
use super::guide::Guide;
use super::history::{StepReport, to_json_lines};
use super::material::Material;
use super::objective::Objective;
use super::train::{BEST, LAST, LOG};
use super::validation::validate;
use super::watchdog::{Reaction, Trouble, Watchdog};
use super::{CheckpointError, Learner, RunState, Teacher, TrainingError, atomic, checkpoint, report};
use crate::mining::MiningError;
use crate::network::{Engine, Gradients, Graph};
use crate::progress::Progress;
use crate::sampler::{Guidance, Sampler};
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
    objective: Objective,
    teacher: Option<Teacher>,
    batches_per_epoch: u64,
    /// The epoch whose end was saved last.
    saved: u64,
}

impl<'a> Trainer<'a> {
    /// With an engine of `threads` threads, or of one a core for 0.
    pub fn new(
        run: &'a Path,
        (graph, state, learner): (Graph, RunState, Learner),
        sampler: &Sampler,
        threads: usize,
    ) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if threads == 0 { cores } else { threads };
        Self {
            engine: Engine::new(&graph, sampler.batch_size(), threads),
            gradients: Gradients::zeros(&graph),
            objective: Objective::new(&state.recipe.losses),
            teacher: None,
            batches_per_epoch: sampler.batches_per_epoch() as u64,
            saved: state.epoch,
            state,
            run,
            graph,
            learner,
        }
    }

    /// Lets a distillation learn from `teacher`.
    pub fn taught_by(mut self, teacher: Option<Teacher>) -> Self {
        self.teacher = teacher;
        self
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

    /// Runs what is left of the run, with batches prepared one ahead in another thread; saves the finished model and gives it.
    ///
    /// # Errors
    /// What stops it: [`TrainingError::Interrupted`], [`TrainingError::NotFinite`], [`TrainingError::Stopped`], or a file that
    /// cannot be written.
    pub fn run_epochs(&mut self, source: Source<'_>, progress: &dyn Progress) -> Result<Graph, TrainingError> {
        let (epoch, batch) = (self.state.epoch, self.state.totals.batches);
        let left = (self.state.recipe.epochs - epoch) * self.batches_per_epoch - batch;
        progress.start("training", left);
        let (sender, receiver) = sync_channel(1);
        let (guidances, guidance) = sync_channel(1);
        self.warn(source.sampler.warning().filter(|_| epoch == 0 && batch == 0));
        let result = std::thread::scope(|scope| {
            scope.spawn(move || source.send_all(epoch, batch, &guidance, &sender));
            // Owned here: when an epoch returns early it is dropped, the sender's next `send` fails, and its thread ends.
            let (receiver, guidances) = (receiver, guidances);
            let mut guide = Guide::new(source, self.run);
            while !self.is_over() {
                if source.sampler.is_guided() && guidances.send(self.guide(&mut guide, progress)?).is_err() {
                    break;
                }
                let pictures_per_second = self.run_epoch(&mut receiver.iter(), progress)?;
                self.finish_epoch(source.material, pictures_per_second)?;
            }
            Ok(())
        });
        progress.finish();
        result.and_then(|()| self.finish(source.material, progress))
    }

    /// Writes the page that shows the run; `model` is what [`Self::run_epochs`] gave.
    ///
    /// # Errors
    /// [`TrainingError::Report`].
    pub fn report(&mut self, path: &Path, model: &Graph, material: &Material) -> Result<(), TrainingError> {
        report::write(path, &self.state, model, &mut self.engine, material)
    }

    fn is_over(&self) -> bool {
        let RunState { recipe, epoch, history, .. } = &self.state;
        *epoch >= recipe.epochs || recipe.early_stopping.is_over(history)
    }

    /// What the weights at the beginning of this epoch say to the sampler.
    fn guide(&mut self, guide: &mut Guide<'_>, progress: &dyn Progress) -> Result<Guidance, TrainingError> {
        let model = self.model();
        let guidance = guide.guidance(&mut self.engine, &model, &mut self.state, &mut self.learner, progress);
        match guidance {
            Err(TrainingError::Mining(MiningError::Interrupted)) => {
                self.save()?;
                Err(TrainingError::Interrupted { run: self.run.to_owned(), epoch: self.state.epoch + 1 })
            }
            other => other,
        }
    }

    fn warn(&mut self, warning: Option<String>) {
        if let Some(warning) = warning {
            tracing::warn!("{warning}");
            self.state.totals.warn(warning);
        }
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

    /// Closes the epoch's books, looks at the held-out identities when it is time, and saves.
    fn finish_epoch(&mut self, material: &Material, pictures_per_second: f32) -> Result<(), TrainingError> {
        let epoch = self.state.epoch + 1;
        let mut record = self.state.totals.record(epoch);
        let recipe = &self.state.recipe;
        record.learning_rate = recipe.optimizer.learning_rate * self.rate_factor();
        record.images_per_second = pictures_per_second;
        let active = self.objective.is_idle_without_active().then_some(record.active_fraction);
        if let Some(trouble) = Watchdog::epoch(active) {
            record.warnings.extend(self.heed(trouble)?);
        }
        record.mined = self.state.triplets.as_ref().map(|triplets| triplets.record(epoch));
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
        let stopping = self.state.recipe.early_stopping;
        if stopping.is_on() && stopping.best(&self.state.history).is_some_and(|best| best.epoch == epoch) {
            // Before the checkpoint: a run that dies in between repeats this epoch, and writes the same again.
            checkpoint::write(&self.run.join(BEST), &self.model(), &self.state, None)?;
        }
        self.save()
    }

    /// Reacts to a trouble as the recipe says; a warning to be kept comes back.
    fn heed(&self, trouble: Trouble) -> Result<Option<String>, TrainingError> {
        match trouble.reaction(&self.state.recipe.watchdog) {
            Reaction::Ignore => Ok(None),
            Reaction::Warn => {
                tracing::warn!("{trouble}");
                Ok(Some(trouble.to_string()))
            }
            Reaction::Stop => Err(TrainingError::Stopped { epoch: self.state.epoch + 1, trouble, saved: self.saved }),
        }
    }

    /// The network to use: averaged where the recipe wants it.
    fn model(&self) -> Graph {
        self.learner.average.as_ref().map_or_else(|| self.graph.clone(), |average| average.apply(&self.graph))
    }

    fn describe(&self, report: &StepReport, rate: f32) -> String {
        let (epoch, epochs) = (self.state.epoch + 1, self.state.recipe.epochs);
        let mut parts = Vec::new();
        if let Some(metric) = report.metric_loss {
            parts.push(format!("metric {metric:.3} ({:.0} % active)", report.active_fraction * 100.0));
        }
        parts.extend(report.id_loss.map(|id| format!("id {id:.3}")));
        let (loss, parts) = (report.loss, parts.join(", "));
        let step = self.state.recipe.optimizer.learning_rate * self.rate_factor();
        format!("epoch {epoch}/{epochs} · loss {loss:.3}: {parts} · {rate:.0} pictures/s · learning rate {step:.1e}")
    }

    fn not_finite(&self, what: &'static str) -> TrainingError {
        let (epoch, batch) = (self.state.epoch + 1, self.state.totals.batches + 1);
        TrainingError::NotFinite { epoch, batch, what, saved: self.saved }
    }
}
