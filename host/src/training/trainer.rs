//! The loop: batch → network → losses → gradients → optimizer, an epoch at a time, with a checkpoint after each.

use super::batches::{PreparedBatch, Source};
use super::guide::Guide;
use super::history::{StepReport, to_json_lines};
use super::material::Material;
use super::objective::{Evaluation, Objective};
use super::on_top::put_on_top;
use super::train::{BEST, LAST, LOG, MODEL};
use super::validation::validate;
use super::watchdog::{Reaction, Trouble, Watchdog};
use super::{Checkpoint, CheckpointError, Learner, RunState, Teacher, TrainingError, atomic, checkpoint, report};
use crate::loss::distillation::Rows;
use crate::loss::{Batch, Outputs};
use crate::mining::{Memory, MiningError};
use crate::network::{Engine, Gradients, Graph, Role};
use crate::progress::Progress;
use crate::projection::{MetricOnTop, ProjectionError};
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

    /// Saves the network of the last epoch as the model, or that of the best one where the recipe stops early, with the
    /// recipe's metric on top. The engine is then of that network.
    fn finish(&mut self, material: &Material, progress: &dyn Progress) -> Result<Graph, TrainingError> {
        let stopping = self.state.recipe.early_stopping;
        let model = match stopping.best(&self.state.history) {
            Some(_) if stopping.is_on() => Checkpoint::load(&self.run.join(BEST))?.graph,
            _ => self.model(),
        };
        let (model, state) = self.with_metric_on_top(model, material, progress)?;
        checkpoint::write(&self.run.join(MODEL), &model, &state, None)?;
        Ok(model)
    }

    /// Folds in what the recipe wants on top; a metric that cannot be learned is left out, with a warning.
    fn with_metric_on_top(
        &mut self,
        model: Graph,
        material: &Material,
        progress: &dyn Progress,
    ) -> Result<(Graph, RunState), TrainingError> {
        let method = self.state.recipe.metric_on_top;
        if method == MetricOnTop::None {
            return Ok((model, self.state.clone()));
        }
        match put_on_top(method, &mut self.engine, &model, material, progress) {
            Ok((folded, on_top)) => {
                self.state.metric_on_top = Some(on_top);
                self.engine = Engine::new(&folded, 1, self.engine.threads());
                let state = self.state.with_metric_on_top(method, folded.dimension(), Some(on_top));
                Ok((folded, state))
            }
            Err(ProjectionError::Interrupted) => {
                Err(TrainingError::Interrupted { run: self.run.to_owned(), epoch: self.state.epoch })
            }
            Err(error) => {
                tracing::warn!("the model is saved without {}: {error}", method.name());
                let dimension = model.dimension();
                Ok((model, self.state.with_metric_on_top(MetricOnTop::None, dimension, None)))
            }
        }
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

    /// One batch: forward, losses, backward, update.
    fn step(&mut self, batch: &PreparedBatch) -> Result<StepReport, TrainingError> {
        let dimension = self.graph.dimension();
        let taught = self.teacher.as_ref().map(|teacher| (teacher.rows(&batch.pictures), teacher.dimension));
        let remembering = self.remembering();
        let outputs = self.engine.forward(&mut self.graph, &batch.pixels, batch.classes.len());
        let embeddings = |embeddings| Batch { embeddings, dimension, identities: &batch.classes };
        let present = embeddings(outputs.raw);
        let outputs = Outputs {
            raw: present,
            neck: embeddings(outputs.embedding),
            pictures: &batch.pictures,
            triplets: &batch.triplets,
            teacher: taught.as_ref().map(|(values, dimension)| Rows { values, dimension: *dimension }),
            past: self.learner.memory.as_ref().filter(|_| remembering).map(Memory::past),
        };
        let view = self.objective.view(&outputs.raw);
        let Evaluation { mut report, raw, neck, learned } = self.objective.evaluate(&outputs, &self.learner.learned);
        report.triplets = view.triplets;
        if !view.vitals.norm.is_finite() {
            return Err(self.not_finite("an embedding"));
        }
        if !report.loss.is_finite() {
            return Err(self.not_finite("the loss"));
        }
        self.objective.follow(&outputs, &mut self.learner.learned);
        if let Some(memory) = &mut self.learner.memory {
            memory.remember(&present);
        }
        if let Some(trouble) = self.state.watchdog.batch(&view.vitals, view.reach) {
            let warning = self.heed(trouble)?;
            warning.into_iter().for_each(|warning| self.state.totals.warn(warning));
        }
        self.engine.backward(&self.graph, &raw, &neck, &mut self.gradients);
        self.update(&learned);
        Ok(report)
    }

    /// Optimizer and average, from the network's gradients and those of what the losses learn.
    fn update(&mut self, learned_gradients: &[Vec<f32>]) {
        let factor = self.rate_factor();
        let Learner { learned, optimizer, average, .. } = &mut self.learner;
        optimizer.begin_step();
        let parameters = self.graph.parameters.iter_mut().zip(&self.gradients.values);
        for (index, (parameter, gradient)) in parameters.enumerate() {
            if parameter.role != Role::Statistic {
                let decay = parameter.role == Role::Weight;
                optimizer.update(index, factor, decay, &mut parameter.values, gradient);
            }
        }
        let learned = (self.graph.parameters.len()..).zip(learned).zip(learned_gradients);
        for ((index, learned), gradient) in learned {
            optimizer.update(index, factor, true, learned.values_mut(), gradient);
        }
        if let Some(average) = average {
            average.update(&self.graph);
        }
    }

    /// Whether the losses look at past batches already.
    fn remembering(&self) -> bool {
        let epochs = self.learner.optimizer.step as f64 / self.batches_per_epoch.max(1) as f64;
        epochs >= f64::from(self.state.recipe.memory.start)
    }

    fn rate_factor(&self) -> f32 {
        let total = self.state.recipe.epochs * self.batches_per_epoch;
        self.state.recipe.schedule.factor(self.learner.optimizer.step, total, self.batches_per_epoch)
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
