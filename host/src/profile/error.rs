//! Why there is no profile.

use deja_shared::protocol::refusal::Refusal;

use crate::device::ClientError;
use crate::network::NetworkError;
use crate::quantize::QuantizeError;
use crate::simulator::qemu::QemuError;
use deja_shared::model::ModelError;

/// The step that failed.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The emulator or the firmware for it.
    #[error(transparent)]
    Emulator(#[from] QemuError),
    /// Files of the emulated board.
    #[error("the emulated board's flash cannot be written to a temporary folder")]
    Flash(#[from] std::io::Error),
    /// The model does not go into a board's flash.
    #[error("the model does not fit the board's flash; quantize a smaller network: {0}")]
    Store(Refusal),
    /// The board has too little activation memory.
    #[error(
        "the model needs {needed} bytes of activation memory, but {board} has {found}: quantize it with --arena-limit \
         {found}, or quantize a smaller network"
    )]
    Arena {
        /// The board's name.
        board: String,
        /// Bytes that the model needs.
        needed: u32,
        /// Bytes that there are.
        found: u32,
    },
    /// The camera started without the model that was put into its flash.
    #[error("{board} refuses the model: it does not compute the golden embedding bit for bit")]
    Refused {
        /// The board's name.
        board: String,
    },
    /// The camera runs something else.
    #[error("the camera does not run this model: put it there with `deja flash --model`, or name the one that runs")]
    OtherModel,
    /// The camera's firmware cannot do that.
    #[error("the camera cannot be asked")]
    Camera(#[from] ClientError),
    /// No network of this name.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// It cannot be quantized.
    #[error("the network cannot be quantized")]
    Quantize(#[from] QuantizeError),
    /// What was written cannot be read.
    #[error("the quantized network is no valid model; please report this")]
    Model(#[from] ModelError),
}
