//! Why the loop stopped.

use std::path::PathBuf;

use super::camera::CameraError;
use crate::dataset::DatasetError;
use crate::device::ClientError;
use crate::evaluation::EvaluationError;
use crate::quantize::ShipError;
use crate::report::chart::ChartError;
use crate::training::{CheckpointError, RecipeError, TrainingError};
use deja_shared::model::ModelError;

/// The step that failed, with its own error.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The folder holds a run of another recipe or data set.
    #[error("{} holds the run of another data set or recipe: give another --out, or delete it", folder.display())]
    OtherRun {
        /// The demonstration's folder.
        folder: PathBuf,
    },
    /// A file cannot be written.
    #[error("{}: cannot be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The data set cannot be used.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The recipe cannot be followed.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// Training stopped.
    #[error(transparent)]
    Training(#[from] TrainingError),
    /// The run cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Evaluation failed.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// Quantization failed.
    #[error(transparent)]
    Ship(#[from] ShipError),
    /// The model that was written is refused.
    #[error("the model that was written is malformed")]
    Model(#[from] ModelError),
    /// The camera does not start.
    #[error(transparent)]
    Camera(#[from] CameraError),
    /// The camera or the link to it.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A chart of the report.
    #[error(transparent)]
    Chart(#[from] ChartError),
    /// A picture of the report.
    #[error("a picture of the report cannot be encoded")]
    Picture(#[from] image::ImageError),
}
