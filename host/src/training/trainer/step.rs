//! One step: batch → network → losses → gradients → optimizer.

use super::Trainer;
use crate::loss::distillation::Rows;
use crate::loss::{Batch, Outputs};
use crate::mining::Memory;
use crate::network::Role;
use crate::training::batches::PreparedBatch;
use crate::training::history::StepReport;
use crate::training::objective::Evaluation;
use crate::training::{Learner, TrainingError};

impl Trainer<'_> {
    /// One batch: forward, losses, backward, update.
    pub(super) fn step(&mut self, batch: &PreparedBatch) -> Result<StepReport, TrainingError> {
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

    pub(super) fn rate_factor(&self) -> f32 {
        let total = self.state.recipe.epochs * self.batches_per_epoch;
        self.state.recipe.schedule.factor(self.learner.optimizer.step, total, self.batches_per_epoch)
    }
}
