//! Begins or resumes a run in a folder, and sees it through.

use super::batches::Source;
use super::early_stopping::Best;
use super::guide;
use super::material::{Material, carve};
use super::trainer::Trainer;
use super::{Checkpoint, CheckpointError, EpochRecord, Learner, OnTop, Recipe, RunState, Teacher, TrainingError};
use crate::dataset::{Dataset, Skipped};
use crate::loss::LossTerm;
use crate::network::{Graph, by_name};
use crate::progress::Progress;
use crate::sampler::Sampler;
use std::path::{Path, PathBuf};

/// File of a run with everything to resume it.
pub const LAST: &str = "last.safetensors";
/// File of a run with the finished network.
pub const MODEL: &str = "model.safetensors";
/// File of a run with the network that was best for the held-out identities; only with early stopping.
pub const BEST: &str = "best.safetensors";
/// File of a finished run that shows it to a person.
pub const REPORT: &str = "report.html";
/// File of a run with the mined triplets in force, where it learns from any.
pub const TRIPLETS: &str = "triplets.jsonl";
/// File of a run with one JSON line an epoch.
pub const LOG: &str = "log.jsonl";

/// How a run is started.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// Go on with the run in the folder instead of beginning one.
    pub resume: bool,
    /// Threads of the engine; 0 takes one a core. A resumed run repeats bit by bit only on the same number.
    pub threads: usize,
    /// The triplet file to learn from, for a recipe whose batches are made of triplets.
    pub triplets: Option<PathBuf>,
}

/// A finished run.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The finished network.
    pub model: PathBuf,
    /// The page that shows the run.
    pub report: PathBuf,
    /// With early stopping, the epoch whose weights are the model.
    pub best: Option<Best>,
    /// Every epoch.
    pub history: Vec<EpochRecord>,
    /// Identities trained on.
    pub identities: usize,
    /// Pictures trained on.
    pub pictures: usize,
    /// What the recipe's metric on top changed, when it wants one and it could be learned.
    pub metric_on_top: Option<OnTop>,
    /// Files that could not be read.
    pub skipped: Vec<Skipped>,
}

/// Trains on `data.train` as `recipe` says and leaves [`LAST`], [`MODEL`], [`LOG`] and [`REPORT`] in the folder `run`.
///
/// # Errors
/// [`TrainingError`]. After [`TrainingError::Interrupted`] and [`TrainingError::NotFinite`] the folder can be resumed.
pub fn train(
    data: &Dataset,
    recipe: &Recipe,
    run: &Path,
    options: Options,
    progress: &dyn Progress,
) -> Result<Outcome, TrainingError> {
    recipe.check()?;
    recipe.check_teacher()?;
    let (graph, mut state, learner) = if options.resume { resume(recipe, run)? } else { begin(data, recipe, run)? };
    let material = Material::load(data, &state, progress)?;
    let sampler = Sampler::new(&material.classes, &material.train.cameras, recipe.sampler)?;
    guide::adopt(options.triplets.as_deref(), run, &sampler, &material, &mut state)?;
    let teacher = teacher(recipe, &material, run, progress)?;
    let learner = learner.unwrap_or_else(|| {
        state.teacher = teacher.as_ref().map(|teacher| teacher.dimension);
        Learner::new(&state, &graph)
    });
    let mut trainer = Trainer::new(run, (graph, state, learner), &sampler, options.threads).taught_by(teacher);
    trainer.save()?;
    let model = trainer.run_epochs(Source { material: &material, sampler: &sampler, recipe }, progress)?;
    let report = run.join(REPORT);
    trainer.report(&report, &model, &material)?;
    Ok(Outcome {
        model: run.join(MODEL),
        report,
        best: recipe.early_stopping.best(&trainer.state.history).filter(|_| recipe.early_stopping.is_on()),
        identities: trainer.state.identities.len(),
        history: trainer.state.history,
        pictures: material.train.len(),
        metric_on_top: trainer.state.metric_on_top,
        skipped: material.skipped(),
    })
}

/// The teacher that a distillation among the losses wants.
fn teacher(
    recipe: &Recipe,
    material: &Material,
    run: &Path,
    progress: &dyn Progress,
) -> Result<Option<Teacher>, TrainingError> {
    let settings = recipe.losses.iter().find_map(LossTerm::distillation);
    Ok(settings.map(|settings| Teacher::open(settings, material, run, progress)).transpose()?)
}

/// Network and state at the beginning; what is learned beside the network depends on the teacher and comes later.
fn begin(data: &Dataset, recipe: &Recipe, run: &Path) -> Result<(Graph, RunState, Option<Learner>), TrainingError> {
    if [LAST, MODEL].iter().any(|file| run.join(file).exists()) {
        return Err(TrainingError::RunExists(run.to_owned()));
    }
    let network = &recipe.network;
    let graph = by_name(&network.name, network.input, network.embedding, recipe.seed)?;
    let (identities, held_out) = carve(data, recipe)?;
    if recipe.early_stopping.is_on() && held_out.is_empty() {
        return Err(TrainingError::NothingHeldOut { identities: identities.len() });
    }
    std::fs::create_dir_all(run).map_err(|source| TrainingError::Io { path: run.to_owned(), source })?;
    let state = RunState::new(recipe.clone(), data.name.clone(), identities, held_out);
    Ok((graph, state, None))
}

fn resume(recipe: &Recipe, run: &Path) -> Result<(Graph, RunState, Option<Learner>), TrainingError> {
    let path = run.join(LAST);
    if !path.exists() {
        return Err(TrainingError::NothingToResume(run.to_owned()));
    }
    let Checkpoint { graph, state, learner } = Checkpoint::load(&path)?;
    let differences = state.recipe.differences(recipe);
    if !differences.is_empty() {
        return Err(TrainingError::RecipeChanged { run: run.to_owned(), differences: differences.join(", ") });
    }
    let learner = learner.ok_or(CheckpointError::NotResumable { path })?;
    Ok((graph, state, Some(learner)))
}
