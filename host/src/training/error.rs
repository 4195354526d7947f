//! Why a training run cannot begin or go on.

use super::report::ReportError;
use super::watchdog::Trouble;
use super::{CheckpointError, RecipeError, TeacherError};
use crate::dataset::DatasetError;
use crate::mining::{MiningError, TripletFileError};
use crate::network::NetworkError;
use crate::sampler::SamplerError;
use std::path::PathBuf;

/// Why a training run cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// The data set cannot be read or used.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The recipe makes no sense.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// There is no such network.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// No batch can be made.
    #[error(transparent)]
    Sampler(#[from] SamplerError),
    /// Nothing can be mined.
    #[error(transparent)]
    Mining(#[from] MiningError),
    /// A triplet file cannot be used.
    #[error(transparent)]
    TripletFile(#[from] TripletFileError),
    /// Batches of triplets, and none given or mined.
    #[error(
        "sampler.kind = triplets, but there are none: give --triplets FILE, or --remine-every N (mining.every) to mine them \
         from the run's own weights"
    )]
    NoTriplets,
    /// Triplets given for batches that are not made of them.
    #[error("{}: batches are made of triplets only with sampler.kind = triplets; set that, or give no triplets", .0.display())]
    TripletsUnused(PathBuf),
    /// Resumed with other triplets, or those in the run's folder were changed.
    #[error(
        "{}: not the triplets that the run in {} learns from, which were mined from checkpoint {checkpoint}; resume without \
         --triplets and with its own triplets.jsonl, or begin a new run",
        path.display(),
        run.display()
    )]
    TripletsChanged {
        /// The file.
        path: PathBuf,
        /// Folder of the run.
        run: PathBuf,
        /// The first digits of the fingerprint of the weights that mined the run's triplets.
        checkpoint: String,
    },
    /// A checkpoint cannot be read or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The teacher of a distillation cannot teach.
    #[error(transparent)]
    Teacher(#[from] TeacherError),
    /// Something else in the run's folder cannot be written.
    #[error("{}: cannot be written", path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The folder holds a run already.
    #[error("{}: holds a training run already; go on with --resume, or choose another folder with --out", .0.display())]
    RunExists(PathBuf),
    /// There is nothing to resume.
    #[error("{}: holds no training run to resume; leave out --resume to begin one", .0.display())]
    NothingToResume(PathBuf),
    /// Resumed with another recipe.
    #[error("{}: was begun with another recipe ({differences}); resume with the same one, or begin a new run", run.display())]
    RecipeChanged {
        /// Folder of the run.
        run: PathBuf,
        /// Keys with their old and new values.
        differences: String,
    },
    /// Resumed with other data.
    #[error("the run was begun on other data: {problem}; give the data set that it was begun on, or begin a new run")]
    DataChanged {
        /// What is different.
        problem: String,
    },
    /// The loss or a weight is NaN or infinite.
    #[error(
        "epoch {epoch}, batch {batch}: {what} is no longer a finite number; the checkpoint of epoch {saved} is kept. Begin a \
         new run with a lower optimizer.learning_rate or a longer schedule.warm_up"
    )]
    NotFinite {
        /// From 1.
        epoch: u64,
        /// From 1.
        batch: u64,
        /// What went wrong first.
        what: &'static str,
        /// The last epoch whose end was saved (0: none).
        saved: u64,
    },
    /// The watchdog stopped it.
    #[error(
        "epoch {epoch}: {trouble}. The recipe's [watchdog] stops the run there; the checkpoint of epoch {saved} is kept. Begin a \
         new run with one of the remedies, or with the reaction \"warn\""
    )]
    Stopped {
        /// From 1.
        epoch: u64,
        /// What went wrong.
        trouble: Trouble,
        /// The last epoch whose end was saved (0: none).
        saved: u64,
    },
    /// Early stopping without anybody to watch.
    #[error(
        "early_stopping watches held-out identities, but of {identities} identities none can be held out: add pictures of others, \
         or set early_stopping.patience = 0"
    )]
    NothingHeldOut {
        /// Of the data set.
        identities: usize,
    },
    /// The page that shows the run.
    #[error("{}: the report cannot be written; the trained model beside it is whole", path.display())]
    Report {
        /// The page.
        path: PathBuf,
        /// What went wrong.
        source: ReportError,
    },
    /// The user stopped it.
    #[error("interrupted in epoch {epoch}; {} is saved: go on with --resume", run.display())]
    Interrupted {
        /// Folder of the run.
        run: PathBuf,
        /// From 1.
        epoch: u64,
    },
}
