//! What becomes the model once the last epoch is over.

use super::Trainer;
use crate::network::{Engine, Graph};
use crate::progress::Progress;
use crate::projection::{MetricOnTop, ProjectionError};
use crate::training::on_top::put_on_top;
use crate::training::train::{BEST, MODEL};
use crate::training::{Checkpoint, Material, RunState, TrainingError, checkpoint};

impl Trainer<'_> {
    /// Saves the network of the last epoch as the model, or that of the best one where the recipe stops early, with the
    /// recipe's metric on top. The engine is then of that network.
    pub(super) fn finish(&mut self, material: &Material, progress: &dyn Progress) -> Result<Graph, TrainingError> {
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
}
