//! Why there is no embedding, or another than the host's.

/// Why a picture has no embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmbedError {
    /// The picture does not have the model's input size.
    Picture {
        /// Bytes that the model expects: height × width × 3.
        expected: u64,
        /// Bytes that were given.
        found: usize,
    },
    /// The model needs more activation memory.
    Arena {
        /// Bytes that the model needs.
        needed: u32,
        /// Bytes that there are.
        found: usize,
    },
    /// Every component came out as zero: the picture shows nothing that the network knows.
    Blank,
}

impl core::fmt::Display for EmbedError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Picture { expected, found } => {
                write!(f, "the picture has {found} bytes, but the model takes {expected}: scale it to the input size")
            }
            Self::Arena { needed, found } => {
                write!(
                    f,
                    "the model needs {needed} bytes of activation memory, and there are {found}: use a smaller model"
                )
            }
            Self::Blank => f.write_str("the network sees nothing in this picture: take another"),
        }
    }
}

impl core::error::Error for EmbedError {}

/// Why a model does not compute what its host computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoldenError {
    /// A golden picture has no embedding.
    Embed {
        /// Number of its pair.
        pair: u16,
        /// Why.
        error: EmbedError,
    },
    /// The golden pair of this number gives another embedding.
    Differs {
        /// Its number.
        pair: u16,
    },
}

impl core::fmt::Display for GoldenError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Embed { pair, error } => write!(f, "golden picture {pair} cannot be embedded: {error}"),
            Self::Differs { pair } => {
                write!(f, "golden pair {pair} gives another embedding: model and firmware do not fit together")
            }
        }
    }
}

impl core::error::Error for GoldenError {}
