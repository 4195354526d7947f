//! A recipe: everything a run depends on besides its data, as TOML. What is left out has the default that stands here.
//!
//! `check` says which recipes make sense, `shipped` holds those that come with the program.

mod check;
mod error;
mod shipped;

#[cfg(test)]
mod tests;

pub use error::RecipeError;

use super::early_stopping::EarlyStopping;
use super::optimizer::OptimizerSettings;
use super::schedule::Schedule;
use super::watchdog::WatchdogSettings;
use crate::augment::Augment;
use crate::loss::distillation::DistillationSettings;
use crate::loss::triplet::Mining;
use crate::loss::{LossTerm, TripletSettings};
use crate::mining::OfflineSettings;
use crate::mining::memory::MemorySettings;
use crate::projection::MetricOnTop;
use crate::sampler::{SamplerKind, SamplerSettings};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Everything a run depends on besides its data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// Passes over the training pictures.
    pub epochs: u64,
    /// Where all randomness comes from.
    pub seed: u64,
    /// Fraction of the identities that is held out to watch the run, and later to set the decision threshold.
    pub validation: f32,
    /// Epochs between two looks at the held-out identities; the last epoch is always looked at.
    pub validate_every: u64,
    /// Decay of the running average of the weights that becomes the model, such as 0.99; 0 takes the last weights.
    pub average: f32,
    /// What is learned on the training pictures at the end and folded into the model: `none`, `whitening` or `lda`.
    pub metric_on_top: MetricOnTop,
    /// What is trained.
    pub network: NetworkSettings,
    /// The make-up of batches.
    pub sampler: SamplerSettings,
    /// Which triplets `sampler.kind = "triplets"` is given, and how often anew.
    pub mining: OfflineSettings,
    /// What is minimized: the weighted sum of these.
    #[serde(rename = "loss")]
    pub losses: Vec<LossTerm>,
    /// Past batches that the losses look at beside the present one.
    pub memory: MemorySettings,
    /// How gradients change weights.
    pub optimizer: OptimizerSettings,
    /// The learning rate over the run.
    pub schedule: Schedule,
    /// When to end before the last epoch.
    pub early_stopping: EarlyStopping,
    /// What to do when the run goes wrong.
    pub watchdog: WatchdogSettings,
    /// Random changes to pictures.
    pub augment: Augment,
    /// Epochs over which the changes grow from nothing to their full strength; 0 begins with full strength.
    pub augment_ramp: u64,
}

/// What is trained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkSettings {
    /// As [`crate::network::by_name`] knows it.
    pub name: String,
    /// Height and width of the picture.
    pub input: [usize; 2],
    /// Components of an embedding.
    pub embedding: usize,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            epochs: 40,
            seed: 1,
            validation: 0.1,
            validate_every: 5,
            average: 0.0,
            metric_on_top: MetricOnTop::None,
            network: NetworkSettings::default(),
            sampler: SamplerSettings::default(),
            mining: OfflineSettings::default(),
            losses: LossTerm::defaults(),
            memory: MemorySettings::default(),
            optimizer: OptimizerSettings::default(),
            schedule: Schedule::default(),
            early_stopping: EarlyStopping::default(),
            watchdog: WatchdogSettings::default(),
            augment: Augment::default(),
            augment_ramp: 0,
        }
    }
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self { name: "mobilenet_v2_0.35".into(), input: [128, 64], embedding: 128 }
    }
}

impl Recipe {
    /// Trains on mined triplets: batches are made of them, and the first triplet loss (or a new one) learns from them.
    pub fn learn_from_triplets(&mut self) {
        self.sampler.kind = SamplerKind::Triplets;
        let triplet = self.losses.iter_mut().find_map(|term| match term {
            LossTerm::Triplet(settings) => Some(settings),
            _ => None,
        });
        match triplet {
            Some(settings) => settings.mining = Mining::Offline,
            None => {
                let settings = TripletSettings { mining: Mining::Offline, ..TripletSettings::default() };
                self.losses.insert(0, LossTerm::Triplet(settings));
            }
        }
    }

    /// Learns from the teacher in that file: the distillation among the losses gets it, or a new one with default settings.
    pub fn learn_from_teacher(&mut self, teacher: &Path) {
        let distillation = self.losses.iter_mut().find_map(|term| match term {
            LossTerm::Distillation(settings) => Some(settings),
            _ => None,
        });
        match distillation {
            Some(settings) => settings.teacher = teacher.to_owned(),
            None => {
                let settings = DistillationSettings { teacher: teacher.to_owned(), ..DistillationSettings::default() };
                self.losses.push(LossTerm::Distillation(settings));
            }
        }
    }

    /// Dotted keys in which `other` differs, each with both values: `loss[0].margin: 0.3 → 0.5`.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let json = |recipe: &Self| serde_json::to_value(recipe).unwrap_or_default();
        let mut found = Vec::new();
        compare("", &json(self), &json(other), &mut found);
        found
    }
}

fn compare(key: &str, a: &serde_json::Value, b: &serde_json::Value, found: &mut Vec<String>) {
    if let (Some(fields), Some(others)) = (a.as_object(), b.as_object()) {
        for (name, a) in fields {
            let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
            compare(&key, a, others.get(name).unwrap_or_default(), found);
        }
    } else if let Some((losses, others)) = tables(a).zip(tables(b)).filter(|(a, b)| a.len() == b.len()) {
        for (index, (a, b)) in losses.iter().zip(others).enumerate() {
            compare(&format!("{key}[{index}]"), a, b, found);
        }
    } else if a != b {
        found.push(format!("{key}: {a} → {b}"));
    }
}

/// The tables of an array that holds nothing else.
fn tables(value: &serde_json::Value) -> Option<&Vec<serde_json::Value>> {
    value.as_array().filter(|values| values.iter().all(serde_json::Value::is_object))
}
