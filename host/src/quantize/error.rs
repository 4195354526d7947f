//! Why a network does not become a `.deja` file.

use deja_firmware::embedder::EmbedError;
use deja_shared::embedding::MAX_DIMENSION;
use deja_shared::model::{MAX_FAN_IN, ModelError};

/// The first obstacle that a step of the pipeline finds.
#[derive(Debug, thiserror::Error)]
pub enum QuantizeError {
    /// There is nothing to calibrate with.
    #[error("no calibration picture: give the training set, or a folder with at least a few pictures of its kind")]
    NoPictures,
    /// The pixels are not whole pictures of the network's input size.
    #[error(
        "{bytes} bytes of pixels are not whole pictures of {picture} bytes: resize them to the network's input first"
    )]
    PictureSize {
        /// What was given.
        bytes: usize,
        /// height × width × 3.
        picture: usize,
    },
    /// A picture would both calibrate and evaluate.
    #[error(
        "{calibrates} calibrates and {evaluates} evaluates, but both are the same picture: what is measured on it proves \
         nothing. Remove one of them, or evaluate on other pictures"
    )]
    SharedPicture {
        /// Among the calibration pictures.
        calibrates: String,
        /// Among the others.
        evaluates: String,
    },
    /// Int8 loses too much.
    #[error(
        "int8 loses {:.2} points of mAP on {identities} held-out identities, more than the budget of {:.2}. The layer that hurts \
         most is {layer}. Calibrate with more pictures (--pictures), or write the model all the same with --force",
        loss * 100.0,
        budget * 100.0
    )]
    Budget {
        /// mAP of float − int8, 0..1.
        loss: f64,
        /// What may be lost.
        budget: f64,
        /// On how many identities.
        identities: usize,
        /// The layer that hurts most, and what of it.
        layer: String,
    },
    /// A layer that was to have 16 bits cannot.
    #[error(
        "`{layer}` is no layer whose result can have 16 bits: there is none of that name, or a table, a generalized mean or a \
         gate reads it. These can: {candidates}"
    )]
    NotWide {
        /// What was asked for.
        layer: String,
        /// The names that could be.
        candidates: String,
    },
    /// A setting is out of its range.
    #[error("{setting} is {value}, but must be {wanted}")]
    Setting {
        /// Which one.
        setting: &'static str,
        /// What was given.
        value: f64,
        /// What is possible.
        wanted: &'static str,
    },
    /// A parameter or an activation is NaN or infinite.
    #[error(
        "`{name}` holds a value that is not a finite number: the training diverged; quantize an earlier checkpoint"
    )]
    NotFinite {
        /// The parameter or node.
        name: String,
    },
    /// A layer without bias, or a batch norm, came to be lowered.
    #[error("`{node}` has no bias or is a batch norm: `fold_batch_norm` comes before `lower`")]
    NotFolded {
        /// The node.
        node: String,
    },
    /// A node's inputs are not those that its operator takes.
    #[error(
        "`{node}` reads what is not computed before it, or too many inputs for the camera's format: `fold_batch_norm` \
         comes before `lower` and takes them apart"
    )]
    Operands {
        /// The node.
        node: String,
    },
    /// Something else than a matrix reads a flattened activation.
    #[error(
        "`{node}` reads an activation that was flattened, which on a camera only a fully connected layer can: fold it \
         into that layer, or move the flattening behind it"
    )]
    Flattened {
        /// The node.
        node: String,
    },
    /// A generalized mean is none.
    #[error(
        "the generalized mean `{node}` has the exponent {exponent} and the floor {floor}, but a camera takes exponents up \
         to 10 and floors above 0: a max pool is nearly the same, or train it again with a smaller exponent"
    )]
    Exponent {
        /// The node.
        node: String,
        /// Its exponent.
        exponent: f32,
        /// Least value that it raises to a power.
        floor: f32,
    },
    /// The network does not end as the format wants.
    #[error(
        "the embedding `{node}` is {height}x{width}x{channels}, but a camera holds a vector (1x1) of 1 to {MAX_DIMENSION} \
         components: put a pool or a fully connected layer behind it"
    )]
    Embedding {
        /// The embedding's node.
        node: String,
        /// Its rows.
        height: usize,
        /// Its columns.
        width: usize,
        /// Its channels.
        channels: usize,
    },
    /// An extent does not fit its field of the format.
    #[error("`{node}` is too large for the format: at most 65535 rows, columns and channels, and 512 layers")]
    TooLarge {
        /// The node.
        node: String,
    },
    /// The network needs more activation memory than it was to.
    #[error(
        "`{network}` needs at least {needed} bytes of activation memory, not {limit}: raise --arena-limit, or train a network \
         for smaller pictures"
    )]
    Arena {
        /// The network.
        network: String,
        /// Bytes of the smallest plan that was found.
        needed: usize,
        /// Bytes that it may have.
        limit: usize,
    },
    /// A sum could exceed 32 bits.
    #[error("the accumulator of `{node}` could overflow: at most {MAX_FAN_IN} products and biases within its range")]
    Accumulator {
        /// The node.
        node: String,
    },
    /// A golden picture has no direction in embedding space.
    #[error("calibration picture {picture} embeds to zero: the network is untrained, or has died")]
    ZeroEmbedding {
        /// Its number.
        picture: usize,
    },
    /// The open-set protocol needs both people in a gallery and strangers.
    #[error(
        "{identities} held-out identities with two or more pictures do not make a gallery and strangers: hold out at least {needed}"
    )]
    HeldOut {
        /// How many there are.
        identities: usize,
        /// How many are needed.
        needed: usize,
    },
    /// The reader refuses what was written.
    #[error("the quantized model is not valid")]
    Model(#[from] ModelError),
    /// The camera's code refuses to run it.
    #[error("the camera's own code cannot run the quantized model")]
    Embedder(#[from] EmbedError),
    /// The user asked to stop.
    #[error("stopped before the model was finished; nothing was written")]
    Interrupted,
}
