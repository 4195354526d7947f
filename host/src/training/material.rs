//! The pictures of a run in memory: those of the classes, and those of held-out identities.

use super::split::split;
use super::{Recipe, RunState, TrainingError};
use crate::dataset::{self, Dataset, Identity, Images, PictureList, Sample, Skipped};
use crate::progress::Progress;
use std::collections::{BTreeSet, HashMap};

/// What is trained on and what is watched.
#[derive(Debug, Default)]
pub struct Material {
    /// To train on.
    pub train: Images,
    /// Where each picture of `train` comes from.
    pub samples: Vec<Sample>,
    /// Class of each picture of `train`.
    pub classes: Vec<u32>,
    /// Of held-out identities.
    pub held_out: Images,
    /// Name of the data set.
    pub dataset: String,
    /// Names of all training pictures of the data set.
    pub list: PictureList,
    /// The row in `train` of each picture of `list`; `None` for what is held out, unknown or unreadable.
    pub rows: Vec<Option<usize>>,
}

/// Names of the identities to train on and of those held out, from the training pictures of a data set.
///
/// # Errors
/// When there are too few identities to train on.
pub fn carve(data: &Dataset, recipe: &Recipe) -> Result<(Vec<String>, Vec<String>), TrainingError> {
    data.check_trainable()?;
    let known: BTreeSet<usize> = data.train.iter().filter_map(|sample| sample.identity.known()).collect();
    let known: Vec<usize> = known.into_iter().collect();
    let parts = split(known.len(), recipe.validation, recipe.seed);
    let names = |part: &[usize]| part.iter().map(|&index| data.identities[known[index]].clone()).collect();
    Ok((names(&parts.train), names(&parts.held_out)))
}

impl Material {
    /// Reads the pictures of the run's identities, scaled to the network's input.
    ///
    /// # Errors
    /// What reading reports; [`TrainingError::DataChanged`] when an identity of the run has no pictures any more.
    pub fn load(data: &Dataset, state: &RunState, progress: &dyn Progress) -> Result<Self, TrainingError> {
        let class_of: HashMap<&str, u32> = state.identities.iter().map(String::as_str).zip(0..).collect();
        let held_out: BTreeSet<&str> = state.held_out.iter().map(String::as_str).collect();
        let name = |sample: &Sample| sample.identity.known().map(|index| data.identities[index].as_str());
        let is_trained = |name: &str| class_of.contains_key(name);
        let part = |wanted: &dyn Fn(&str) -> bool| -> Vec<Sample> {
            data.train.iter().filter(|sample| name(sample).is_some_and(wanted)).cloned().collect()
        };
        let samples = [part(&is_trained), part(&|name| held_out.contains(name))];
        let present: BTreeSet<&str> = samples.iter().flatten().filter_map(name).collect();
        if let Some(missing) =
            state.identities.iter().chain(&state.held_out).find(|name| !present.contains(name.as_str()))
        {
            let problem = format!("`{}` has no pictures of identity `{missing}`", data.name);
            return Err(TrainingError::DataChanged { problem });
        }
        let size = state.recipe.network.input;
        let train = dataset::load(&samples[0], size, progress)?;
        let held_out = dataset::load(&samples[1], size, progress)?;
        let class = |identity: &Identity| identity.known().map(|index| class_of[data.identities[index].as_str()]);
        let classes = train.identities.iter().filter_map(class).collect();
        let listed: Vec<usize> =
            (0..data.train.len()).filter(|&index| name(&data.train[index]).is_some_and(is_trained)).collect();
        let mut rows = vec![None; data.train.len()];
        train.kept.iter().enumerate().for_each(|(row, &kept)| rows[listed[kept]] = Some(row));
        let samples = train.kept.iter().map(|&index| samples[0][index].clone()).collect();
        let list = PictureList::new(&data.train, &data.identities);
        Ok(Self { train, samples, classes, held_out, dataset: data.name.clone(), list, rows })
    }

    /// The name in `list` of each picture of `train`.
    pub fn train_names(&self) -> Vec<String> {
        let mut names = vec![String::new(); self.train.len()];
        for (row, name) in self.rows.iter().zip(&self.list.names) {
            if let Some(row) = *row {
                names[row].clone_from(name);
            }
        }
        names
    }

    /// The files that could not be read.
    pub fn skipped(&self) -> Vec<Skipped> {
        [&self.train, &self.held_out].into_iter().flat_map(|images| images.skipped.clone()).collect()
    }
}
