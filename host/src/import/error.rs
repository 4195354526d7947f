//! Why an ONNX file is not an embedding model.

use std::path::PathBuf;

/// What is wrong, with the file's name where there is one.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not ONNX, or with an operator that tract does not know.
    #[error("{} is not an ONNX model that tract can run: {reason}", path.display())]
    Onnx {
        /// The file.
        path: PathBuf,
        /// What tract says.
        reason: String,
    },
    /// Another number of inputs or outputs.
    #[error("{} has {inputs} inputs and {outputs} outputs, but an embedding model has one input and an output", path.display())]
    Ends {
        /// The file.
        path: PathBuf,
        /// How many inputs.
        inputs: usize,
        /// How many outputs.
        outputs: usize,
    },
    /// The input is no RGB picture.
    #[error("{} takes {found}, but an embedding model takes float pictures [batch, 3, height, width]", path.display())]
    NotAPicture {
        /// The file.
        path: PathBuf,
        /// What it takes.
        found: String,
    },
    /// Height or width is not fixed.
    #[error("{} takes {found}: export it again with a fixed height and width (only the batch may be dynamic)", path.display())]
    DynamicSize {
        /// The file.
        path: PathBuf,
        /// What it takes.
        found: String,
    },
    /// The output is no vector a picture.
    #[error("{} gives {found}, but an embedding model gives float vectors [batch, dimension]", path.display())]
    NotAVector {
        /// The file.
        path: PathBuf,
        /// What it gives.
        found: String,
    },
    /// The bytes are not whole pictures.
    #[error("{bytes} bytes are not whole {height}x{width} RGB pictures; resize the pictures to the network's input")]
    NotWholePictures {
        /// Bytes given.
        bytes: usize,
        /// Rows of a picture.
        height: usize,
        /// Columns of a picture.
        width: usize,
    },
    /// tract fails while it runs.
    #[error("the ONNX model cannot be run: {reason}")]
    Run {
        /// What tract says.
        reason: String,
    },
    /// The caller asked to stop.
    #[error("interrupted before all pictures were embedded")]
    Interrupted,
}
