//! Why a teacher cannot teach.

use crate::dataset::DatasetError;
use crate::import::ImportError;
use crate::training::CheckpointError;
use std::path::PathBuf;

/// Why a teacher cannot teach.
#[derive(Debug, thiserror::Error)]
pub enum TeacherError {
    /// A file cannot be read or written.
    #[error("teacher: {} cannot be read or written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Nothing that a teacher can be.
    #[error(
        "teacher: {} is none that deja knows; name an .onnx model, a checkpoint or a file of embeddings (.safetensors)",
        .0.display()
    )]
    Unknown(PathBuf),
    /// The ONNX file is no embedding model.
    #[error("teacher: {0}")]
    Import(#[from] ImportError),
    /// The checkpoint or the file of embeddings is damaged.
    #[error("teacher: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// A picture cannot be read.
    #[error("teacher: {0}")]
    Dataset(#[from] DatasetError),
    /// The model fails while it embeds.
    #[error("teacher: {} cannot embed the pictures: {source}", path.display())]
    Embed {
        /// The model.
        path: PathBuf,
        /// What it says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The model gives NaN or infinity.
    #[error("teacher: {}: the embedding of {picture} is not finite; take another teacher", path.display())]
    NotFinite {
        /// The model.
        path: PathBuf,
        /// The picture.
        picture: String,
    },
    /// The file of embeddings is of other pictures.
    #[error(
        "teacher: {} has embeddings of {known} pictures, but none of `{picture}` of the data set `{dataset}`; name the model \
         itself as teacher, or embeddings of this data set",
        path.display()
    )]
    OtherPictures {
        /// The file of embeddings.
        path: PathBuf,
        /// How many it has.
        known: usize,
        /// One that it lacks.
        picture: String,
        /// The data set.
        dataset: String,
    },
    /// The run was begun with another teacher.
    #[error(
        "teacher: {} holds what another teacher than {} said; give the run its teacher back, or begin a new run",
        kept.display(),
        teacher.display()
    )]
    Changed {
        /// The run's file.
        kept: PathBuf,
        /// The teacher that is named now.
        teacher: PathBuf,
    },
    /// The user stopped it.
    #[error("interrupted while the teacher embedded the pictures; the same command begins again")]
    Interrupted,
}
