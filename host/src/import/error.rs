//! Why an ONNX file is not an embedding model.

use std::path::PathBuf;

use super::Obstacle;

/// A node of a file that no layer of ours computes.
#[derive(Debug, thiserror::Error)]
#[error("{}: node `{node}` ({operator}) cannot be imported: {obstacle}", path.display())]
pub struct ForeignNode {
    /// The file.
    pub path: PathBuf,
    /// The node.
    pub node: String,
    /// What it is in ONNX.
    pub operator: String,
    /// Why.
    pub obstacle: Obstacle,
}

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
    /// Weights in half precision.
    #[error("{}: `{array}` is {kind}: export the network in 32 bits (`model.float()` before torch.onnx.export)", path.display())]
    HalfFloat {
        /// The file.
        path: PathBuf,
        /// The array.
        array: String,
        /// Its type.
        kind: &'static str,
    },
    /// Weights that are kept in another file, which is not there or too short.
    #[error("{} keeps `{array}` in {}, which is not there or too short: copy it there, or save the network in one file", path.display(), file.display())]
    ExternalData {
        /// The file.
        path: PathBuf,
        /// The array.
        array: String,
        /// The other file.
        file: PathBuf,
    },
    /// An array that nothing computes before it is read.
    #[error("{}: {reader} reads `{array}`, which no node before it computes: the file is damaged or unsorted; export it again", path.display())]
    Undefined {
        /// The file.
        path: PathBuf,
        /// The array.
        array: String,
        /// Who reads it.
        reader: String,
    },
    /// A node that is no operator of ours.
    #[error(transparent)]
    Node(Box<ForeignNode>),
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
