//! What a run tells its sampler at the beginning of an epoch: mined triplets, and embeddings of the classes.
//!
//! Both follow from the weights at the beginning of an epoch, which a run interrupted in the middle of one no longer has: so
//! the triplets in force stand in the run's folder and the class embeddings in its checkpoint. What is due at the beginning of
//! an epoch is computed anew when a run resumes there, with the same result.

use super::batches::Source;
use super::checkpoint::TripletsInForce;
use super::history::TripletRecord;
use super::material::Material;
use super::mine::{Origin, Set};
use super::randomness::{Purpose, stream};
use super::train::TRIPLETS;
use super::{Learner, RunState, TrainingError, atomic, fingerprint};
use crate::hexadecimal::hexadecimal;
use crate::loss::normalize::normalize;
use crate::mining::triplet_file::{Header, shortfalls};
use crate::mining::{MiningError, Triplet, TripletFile, TripletFileError};
use crate::network::{Engine, Graph};
use crate::progress::{Progress, Quiet};
use crate::sampler::{ClassEmbeddings, Guidance, Members, Sampler};
use rand::Rng;
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::Arc;

/// Pictures embedded between two looks at the clock.
const CHUNK: usize = 256;

/// Makes the guidance of a run's epochs.
pub struct Guide<'a> {
    source: Source<'a>,
    run: &'a Path,
    triplets: Option<Arc<Vec<Triplet>>>,
}

/// Takes a triplet file over into the folder of a run that begins, or checks that it is the one of a run that resumes.
pub fn adopt(
    given: Option<&Path>,
    run: &Path,
    sampler: &Sampler,
    material: &Material,
    state: &mut RunState,
) -> Result<(), TrainingError> {
    let Some(path) = given else {
        let none = sampler.needs_triplets() && state.triplets.is_none() && state.recipe.mining.every == 0;
        return if none { Err(TrainingError::NoTriplets) } else { Ok(()) };
    };
    if !sampler.needs_triplets() {
        return Err(TrainingError::TripletsUnused(path.to_owned()));
    }
    let bytes = read(path)?;
    if let Some(in_force) = &state.triplets {
        return in_force.check(path, run, &bytes);
    }
    let file = TripletFile::parse(path, &bytes)?;
    file.resolve(path, &material.dataset, &material.list, &material.rows, &material.classes)?;
    write(run, &bytes)?;
    state.triplets = Some(TripletsInForce::new(&file.header, &bytes, 0));
    Ok(())
}

impl<'a> Guide<'a> {
    /// Of the run in the folder `run`.
    pub fn new(source: Source<'a>, run: &'a Path) -> Self {
        Self { source, run, triplets: None }
    }

    /// The guidance of the epoch under way, by `model`, whose weights are those of its beginning unless batches are done.
    pub fn guidance(
        &mut self,
        engine: &mut Engine,
        model: &Graph,
        state: &mut RunState,
        learner: &mut Learner,
        progress: &dyn Progress,
    ) -> Result<Guidance, TrainingError> {
        let begins = state.totals.batches == 0;
        let mut guidance = Guidance::default();
        if self.source.sampler.needs_classes() {
            let due = begins && state.epoch.is_multiple_of(state.recipe.sampler.refresh_every);
            if due || learner.classes.is_none() {
                learner.classes = Some(self.class_embeddings(engine, model, state));
            }
            guidance.classes = learner.classes.clone().map(Arc::new);
        }
        if self.source.sampler.needs_triplets() {
            let every = state.recipe.mining.every;
            let is_time = every > 0 && state.epoch.is_multiple_of(every);
            if begins && is_time && (state.epoch > 0 || state.triplets.is_none()) {
                self.mine(engine, model, state, progress)?;
            }
            guidance.triplets = self.in_force(state)?;
        }
        Ok(guidance)
    }

    /// Embeds some pictures of each class, without augmentation.
    fn class_embeddings(&self, engine: &mut Engine, model: &Graph, state: &RunState) -> ClassEmbeddings {
        let Source { material, recipe, .. } = self.source;
        let (members, views) = (Members::new(&material.classes, &material.train.cameras), recipe.sampler.views());
        let mut rng = stream(recipe.seed, Purpose::Classes, state.epoch, 0);
        let pictures = ClassEmbeddings::pictures(&members, views, &mut rng);
        let mut embeddings = Vec::with_capacity(pictures.len() * model.dimension());
        for chunk in pictures.chunks(CHUNK) {
            let pixels: Vec<u8> = chunk.iter().flat_map(|&picture| material.train.picture(picture)).copied().collect();
            embeddings.extend(engine.embed(model, &pixels, chunk.len()));
        }
        ClassEmbeddings::new(&members, state.identities.len(), views, model.dimension(), embeddings)
    }

    /// Mines the training pictures by the present weights and puts the triplets in force. Where nothing of the wanted classes is
    /// left, those in force stay.
    fn mine(
        &mut self,
        engine: &mut Engine,
        model: &Graph,
        state: &mut RunState,
        progress: &dyn Progress,
    ) -> Result<(), TrainingError> {
        progress.message("mining triplets");
        let file = match self.mined(engine, model, state, progress) {
            Err(TrainingError::Mining(error @ MiningError::NothingWanted { .. })) if state.triplets.is_some() => {
                warn(state, format!("{error}; the triplets mined before stay"));
                return Ok(());
            }
            other => other?,
        };
        let path = self.run.join(TRIPLETS);
        let bytes = file.to_bytes().map_err(|error| TrainingError::Io { path, source: error.into() })?;
        write(self.run, &bytes)?;
        shortfalls(&file.header).into_iter().for_each(|warning| warn(state, warning));
        state.triplets = Some(TripletsInForce::new(&file.header, &bytes, state.epoch));
        self.triplets = None;
        Ok(())
    }

    fn mined(
        &self,
        engine: &mut Engine,
        model: &Graph,
        state: &RunState,
        progress: &dyn Progress,
    ) -> Result<TripletFile, TrainingError> {
        let Material { train, classes, dataset, list, rows, .. } = self.source.material;
        let mut embeddings = Vec::with_capacity(train.len() * model.dimension());
        let picture = train.pixels.len() / train.len().max(1);
        for pixels in train.pixels.chunks((picture * CHUNK).max(1)) {
            embeddings.extend(engine.embed(model, pixels, pixels.len() / picture));
            if progress.interrupted() {
                return Err(MiningError::Interrupted.into());
            }
        }
        embeddings.chunks_exact_mut(model.dimension()).for_each(|row| {
            normalize(row);
        });
        let mut pictures = vec![0; train.len()];
        rows.iter().enumerate().filter_map(|(listed, row)| Some((listed, (*row)?))).for_each(|(listed, row)| {
            pictures[row] = listed;
        });
        let seed = stream(self.source.recipe.seed, Purpose::Mining, state.epoch, 0).next_u64();
        let (checkpoint, epoch) = (fingerprint(model), state.epoch);
        let set =
            Set { embeddings: &embeddings, dimension: model.dimension(), identities: classes, pictures: &pictures };
        let quiet = Quiet(progress);
        Origin { checkpoint, epoch, dataset, list }.mine(&set, &self.source.recipe.mining, seed, &quiet)
    }

    /// The triplets in force, from the run's folder unless they are in memory already.
    fn in_force(&mut self, state: &mut RunState) -> Result<Arc<Vec<Triplet>>, TrainingError> {
        let triplets = match &self.triplets {
            Some(triplets) => triplets.clone(),
            None => self.load(state)?,
        };
        self.triplets = Some(triplets.clone());
        if let Some(TripletsInForce { mined_at, checkpoint, .. }) = &state.triplets {
            let (count, ago) = (triplets.len(), state.epoch - mined_at);
            tracing::info!("epoch {}: {count} triplets, mined {ago} epochs ago from {checkpoint:.12}", state.epoch + 1);
        }
        Ok(triplets)
    }

    fn load(&self, state: &mut RunState) -> Result<Arc<Vec<Triplet>>, TrainingError> {
        let path = self.run.join(TRIPLETS);
        let in_force = state.triplets.as_ref().ok_or(TrainingError::NoTriplets)?;
        let bytes = read(&path)?;
        in_force.check(&path, self.run, &bytes)?;
        let Material { dataset, list, rows, classes, .. } = self.source.material;
        let resolved = TripletFile::parse(&path, &bytes)?.resolve(&path, dataset, list, rows, classes)?;
        if resolved.left_out > 0 && state.totals.batches == 0 {
            let (left_out, path) = (resolved.left_out, path.display());
            warn(state, format!("{path}: left out {left_out} triplets with a picture that is held out or unreadable"));
        }
        Ok(Arc::new(resolved.triplets))
    }
}

impl TripletsInForce {
    fn new(header: &Header, bytes: &[u8], mined_at: u64) -> Self {
        let sha256 = hexadecimal(&Sha256::digest(bytes));
        let checkpoint = header.checkpoint.clone();
        Self { sha256, checkpoint, mined_at, examined: header.examined, chosen: header.chosen }
    }

    /// An error unless these are the bytes of the file in force.
    fn check(&self, path: &Path, run: &Path, bytes: &[u8]) -> Result<(), TrainingError> {
        if hexadecimal(&Sha256::digest(bytes)) == self.sha256 {
            return Ok(());
        }
        let checkpoint = self.checkpoint.chars().take(12).collect();
        Err(TrainingError::TripletsChanged { path: path.to_owned(), run: run.to_owned(), checkpoint })
    }

    /// For the record of `epoch`, counted from 1.
    pub fn record(&self, epoch: u64) -> TripletRecord {
        TripletRecord {
            checkpoint: self.checkpoint.clone(),
            mined_epochs_ago: epoch - 1 - self.mined_at,
            examined: self.examined,
            chosen: self.chosen,
        }
    }
}

fn warn(state: &mut RunState, warning: String) {
    tracing::warn!("{warning}");
    state.totals.warn(warning);
}

fn read(path: &Path) -> Result<Vec<u8>, TripletFileError> {
    std::fs::read(path).map_err(|source| TripletFileError::Io { path: path.to_owned(), source })
}

fn write(run: &Path, bytes: &[u8]) -> Result<(), TripletFileError> {
    let path = run.join(TRIPLETS);
    atomic::write(&path, bytes).map_err(|source| TripletFileError::Io { path, source })
}
