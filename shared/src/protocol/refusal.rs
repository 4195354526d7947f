//! The answers "no", each with what a person can do about it.

use serde::{Deserialize, Serialize};

use crate::model::ModelError;

/// An endpoint understood the request and could not do it. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// The model does not fit its flash slot.
    ModelTooLarge {
        /// What fits.
        capacity: u32,
    },
    /// A chunk or a commit without a `ModelBegin`, or for another model.
    NoTransfer,
    /// A chunk that is not the next one.
    WrongOffset {
        /// Which byte is expected.
        expected: u32,
    },
    /// What was received does not have the announced digest; the transfer starts over.
    WrongDigest,
    /// The model is malformed.
    InvalidModel(ModelError),
    /// The model needs more activation memory than the camera has.
    ArenaTooSmall {
        /// What the model needs.
        needed: u32,
        /// What there is.
        capacity: u32,
    },
    /// Writing flash failed; what was committed before still stands.
    Flash,
    /// There is no model yet.
    NoModel,
    /// There is no complete picture yet.
    NoImage,
    /// The picture is empty or larger than the camera's buffer.
    ImageSize {
        /// What fits, in bytes.
        capacity: u32,
    },
    /// The picture has no embedding (every component is zero).
    Blank,
    /// The name is empty, too long, or holds control characters.
    Name,
    /// No further template or identity fits.
    GalleryFull {
        /// How many templates fit.
        capacity: u16,
    },
    /// This identity has as many templates as it may have.
    IdentityFull {
        /// How many it may have.
        capacity: u16,
    },
    /// No identity or template has this number.
    NotFound,
    /// The gallery was enrolled with another model.
    ForeignGallery,
    /// The template was made by another model than the one that runs.
    ForeignTemplate,
    /// The embedding has another number of components than the model makes.
    Dimension,
    /// A golden picture of the model does not give, bit for bit, the embedding that it gave to the model's maker.
    Parity {
        /// Which golden pair.
        pair: u16,
    },
    /// The model holds no golden pair, so nothing shows that the camera computes it rightly.
    NoGolden,
}

impl core::fmt::Display for Refusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::ModelTooLarge { capacity } => {
                write!(f, "the model is larger than its flash slot of {capacity} bytes")
            }
            Self::NoTransfer => f.write_str("no such model transfer is under way; begin it again"),
            Self::WrongOffset { expected } => write!(f, "byte {expected} was expected next"),
            Self::WrongDigest => f.write_str("the received bytes do not have the announced digest; send them again"),
            Self::InvalidModel(error) => write!(f, "the model is malformed: {error}"),
            Self::ArenaTooSmall { needed, capacity } => {
                write!(f, "the model needs an arena of {needed} bytes, the camera has {capacity}")
            }
            Self::Flash => f.write_str("flash memory could not be written; what stood there before still stands"),
            Self::NoModel => f.write_str("the camera has no model yet; flash one first"),
            Self::NoImage => f.write_str("no complete picture was sent"),
            Self::ImageSize { capacity } => write!(f, "a picture has 1 to {capacity} bytes"),
            Self::Blank => f.write_str("the picture has no embedding (it is blank)"),
            Self::Name => f.write_str("a name has 1 to 32 bytes and no control characters"),
            Self::GalleryFull { capacity } => {
                write!(
                    f,
                    "no further identity or template fits (of at most {capacity} templates); remove an identity first"
                )
            }
            Self::IdentityFull { capacity } => write!(f, "this identity already has {capacity} templates"),
            Self::NotFound => f.write_str("there is no such identity or template"),
            Self::ForeignGallery => f.write_str(
                "the gallery was enrolled with another model; clear it and enroll again, or flash that model again",
            ),
            Self::ForeignTemplate => f.write_str("the template was made by another model than the one that runs"),
            Self::Dimension => f.write_str("the template has another number of components than the model makes"),
            Self::Parity { pair } => write!(
                f,
                "golden pair {pair} does not come out bit for bit, so the camera does not run this model and stays with the \
                 one before: it was changed on its way, or the firmware computes otherwise than this program; quantize it \
                 again, and update the firmware"
            ),
            Self::NoGolden => f.write_str("the model holds no golden pairs to be tried with; quantize it again"),
        }
    }
}

impl core::error::Error for Refusal {}

/// The protocol itself failed: the request never reached an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// No endpoint has this number.
    UnknownEndpoint,
    /// The payload is not a request of this endpoint.
    Malformed,
    /// The answer did not fit a frame.
    TooLong,
    /// The host spoke before `Hello`, or speaks another version: only frozen endpoints are answered.
    Version,
}

impl core::fmt::Display for Fault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::UnknownEndpoint => "the camera does not know this endpoint; its firmware is older than this program",
            Self::Malformed => "the camera could not decode the request",
            Self::TooLong => "the answer did not fit a frame",
            Self::Version => "host and camera speak different protocol versions; update the older one",
        })
    }
}

impl core::error::Error for Fault {}
