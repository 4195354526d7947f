//! Why a file is not a model that this camera can run.

use serde::{Deserialize, Serialize};

/// The first fault that [`super::Model::parse`] finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModelError {
    /// The first four bytes are not `DEJA`.
    NotAModel,
    /// Another format version.
    Version {
        /// What the file says.
        found: u16,
        /// What this program reads.
        supported: u16,
    },
    /// Shorter than its header says.
    Truncated,
    /// The digest does not fit the content.
    Corrupt,
    /// A reserved field or byte is not zero, or a field holds a value without meaning.
    Field,
    /// The file does not lie on a 16-byte boundary of memory, or an array not on one of the file.
    Alignment,
    /// A section reaches beyond the end of the file.
    Section,
    /// An activation reaches beyond the arena, is empty or misaligned, or is not what its place in the network demands.
    Tensor {
        /// Its number.
        index: u16,
    },
    /// A layer's operands do not fit together.
    Layer {
        /// Its number.
        index: u16,
    },
    /// A layer would overwrite an activation that is still needed.
    Arena {
        /// Its number.
        layer: u16,
    },
    /// The accumulator of a layer could overflow 32 bits.
    Accumulator {
        /// The layer's number.
        layer: u16,
    },
}

impl core::fmt::Display for ModelError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NotAModel => f.write_str("not a .deja model"),
            Self::Version { found, supported } => {
                write!(f, "format version {found}, but this program reads version {supported}")
            }
            Self::Truncated => f.write_str("the file is shorter than its header says"),
            Self::Corrupt => f.write_str("the content does not fit its fingerprint: the file was damaged"),
            Self::Field => f.write_str("a header field holds a value without meaning"),
            Self::Alignment => f.write_str("an array is not aligned to 16 bytes"),
            Self::Section => f.write_str("a section reaches beyond the end of the file"),
            Self::Tensor { index } => write!(f, "activation {index} is malformed"),
            Self::Layer { index } => write!(f, "layer {index} is malformed"),
            Self::Arena { layer } => write!(f, "layer {layer} overwrites an activation that is still needed"),
            Self::Accumulator { layer } => write!(f, "the accumulator of layer {layer} could overflow"),
        }
    }
}

impl core::error::Error for ModelError {}
