//! Which recipes make sense.

use super::{Recipe, RecipeError};
use crate::loss::LossTerm;
use crate::loss::triplet::Mining;
use crate::sampler::SamplerKind;

impl Recipe {
    /// Checks every setting but two: the network's name is checked where the network is built, and a teacher may come
    /// later, until [`Self::check_teacher`].
    ///
    /// # Errors
    /// [`RecipeError`] for the first that makes no sense.
    pub fn check(&self) -> Result<(), RecipeError> {
        from("epochs", self.epochs, 1, "at least 1")?;
        from("validate_every", self.validate_every, 1, "at least 1")?;
        within("validation", self.validation, 0.0, 0.5, "a fraction from 0 to 0.5")?;
        within("average", self.average, 0.0, 0.99999, "a decay from 0 (off) to 0.99999")?;
        within("network.embedding", self.network.embedding as f32, 1.0, 4096.0, "1 to 4096 components")?;
        within("network.input", self.network.input[0] as f32, 8.0, 1024.0, "a height of 8 to 1024")?;
        within("network.input", self.network.input[1] as f32, 8.0, 1024.0, "a width of 8 to 1024")?;
        from("sampler.identities", self.sampler.identities as u64, 2, "at least 2 identities in a batch")?;
        from("sampler.pictures", self.sampler.pictures as u64, 1, "at least 1 picture of each identity")?;
        from("sampler.refresh_every", self.sampler.refresh_every, 1, "at least 1 epoch")?;
        self.mining.check()?;
        self.check_losses()?;
        self.check_steps()?;
        Ok(self.augment.check()?)
    }

    /// Checks that a distillation has a teacher.
    ///
    /// # Errors
    /// [`RecipeError::NoTeacher`].
    pub fn check_teacher(&self) -> Result<(), RecipeError> {
        let untaught = |term: &LossTerm| term.distillation().is_some_and(|found| found.teacher.as_os_str().is_empty());
        match self.losses.iter().position(untaught) {
            Some(index) => Err(RecipeError::NoTeacher { index }),
            None => Ok(()),
        }
    }

    /// Memory, optimizer, schedule and the end of the run.
    fn check_steps(&self) -> Result<(), RecipeError> {
        let optimizer = &self.optimizer;
        within("memory.size", self.memory.size as f32, 0.0, 1e6, "a number of embeddings from 0 (off) to a million")?;
        within("memory.start", self.memory.start, 0.0, 1e6, "a number of epochs from 0")?;
        if self.early_stopping.is_on() && self.validation <= 0.0 {
            let expected = "0, or a validation above 0: without held-out identities nobody knows when to stop";
            let value = self.early_stopping.patience.to_string();
            return Err(RecipeError::Value { key: "early_stopping.patience", value, expected });
        }
        within("optimizer.learning_rate", optimizer.learning_rate, 1e-12, 1e3, "a number above 0")?;
        within("optimizer.weight_decay", optimizer.weight_decay, 0.0, 1e3, "a number from 0")?;
        within("optimizer.momentum", optimizer.momentum, 0.0, 0.99999, "a fraction from 0 to 0.99999")?;
        within("optimizer.second_momentum", optimizer.second_momentum, 0.0, 0.99999, "a fraction from 0 to 0.99999")?;
        within("schedule.warm_up", self.schedule.warm_up, 0.0, 1e6, "a number of epochs from 0")?;
        within("schedule.floor", self.schedule.floor, 0.0, 1.0, "a fraction from 0 to 1")
    }

    fn check_losses(&self) -> Result<(), RecipeError> {
        for (index, term) in self.losses.iter().enumerate() {
            let kind = term.kind();
            term.check().map_err(|source| RecipeError::Loss { index, kind, source })?;
            if matches!(term, LossTerm::Triplet(settings) if settings.mining == Mining::Offline)
                && self.sampler.kind != SamplerKind::Triplets
            {
                return Err(RecipeError::NoTriplets { index });
            }
            let repeats = matches!(self.sampler.kind, SamplerKind::Pk | SamplerKind::HardClass);
            if repeats && self.sampler.pictures < 2 && term.loss().needs_positives() {
                return Err(RecipeError::NoPositives { index, kind });
            }
        }
        if self.losses.iter().filter(|term| term.distillation().is_some()).count() > 1 {
            return Err(RecipeError::TwoTeachers);
        }
        if self.memory.size > 0 && !self.losses.iter().any(|term| term.loss().remembers()) {
            return Err(RecipeError::NothingRemembers);
        }
        let something = self.losses.iter().any(|term| term.loss().weight() > 0.0);
        something.then_some(()).ok_or(RecipeError::NoLoss)
    }
}

/// An error unless `low` ≤ `value` ≤ `high`; NaN is an error.
fn within(key: &'static str, value: f32, low: f32, high: f32, expected: &'static str) -> Result<(), RecipeError> {
    let error = || RecipeError::Value { key, value: value.to_string(), expected };
    (low..=high).contains(&value).then_some(()).ok_or_else(error)
}

/// An error unless `value` ≥ `least`.
fn from(key: &'static str, value: u64, least: u64, expected: &'static str) -> Result<(), RecipeError> {
    let error = || RecipeError::Value { key, value: value.to_string(), expected };
    (value >= least).then_some(()).ok_or_else(error)
}
