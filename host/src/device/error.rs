//! What can go wrong between host and camera, and what to do about it.

use crate::hexadecimal::hexadecimal;
use deja_shared::model::Fingerprint;
use deja_shared::protocol::refusal::{Fault, Refusal};
use std::io;
use std::path::PathBuf;

/// Why a camera did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The pipe cannot be opened.
    #[error("cannot reach the camera at {address}; is it powered and connected, and is nothing else using it?")]
    Unreachable {
        /// Where it should be.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// The pipe broke.
    #[error("the camera at {address} was disconnected; connect it and run the command again")]
    Disconnected {
        /// Where it was.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// No answer, however often it was asked.
    #[error("no answer from {address} to {endpoint}; is the camera powered and connected?")]
    Timeout {
        /// Where it should be.
        address: String,
        /// What was asked.
        endpoint: &'static str,
    },
    /// Host and camera speak different versions.
    #[error("the camera speaks protocol version {camera}, this program {host}; {}", older(*host, *camera))]
    Version {
        /// Ours.
        host: u16,
        /// The camera's.
        camera: u16,
    },
    /// The camera lost the conversation.
    #[error("the camera restarted meanwhile and has forgotten the picture; run the command again")]
    Restarted,
    /// The endpoint said no; nothing was changed.
    #[error("the camera refused {endpoint}: {refusal}")]
    Refused {
        /// What was asked.
        endpoint: &'static str,
        /// The camera's words.
        refusal: Refusal,
    },
    /// The request did not reach its endpoint.
    #[error("{endpoint} failed: {fault}")]
    Fault {
        /// What was asked.
        endpoint: &'static str,
        /// The camera's words.
        fault: Fault,
    },
    /// An answer that cannot be read.
    #[error("the camera's answer to {endpoint} cannot be read; its firmware does not fit this program: update it")]
    Answer {
        /// What was asked.
        endpoint: &'static str,
    },
    /// The request does not fit a frame or a message.
    #[error("{what} is larger than the protocol allows")]
    TooLarge {
        /// What does not fit.
        what: &'static str,
    },
    /// The camera runs another model than the one it was sent.
    #[error("the camera runs model {} after the transfer of {}; flash it again", short(.got), short(.sent))]
    WrongModel {
        /// The model that was sent.
        sent: Fingerprint,
        /// The model that runs.
        got: Fingerprint,
    },
    /// The number of pixels is not what the size says.
    #[error("a picture of {height} rows and {width} columns has {} bytes, not {bytes}", height * width * 3)]
    PictureSize {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
        /// The bytes that were given.
        bytes: usize,
    },
    /// No identity has this name.
    #[error("nobody named `{name}` is in the gallery; `deja gallery --device … list` shows who is")]
    Nobody {
        /// The name.
        name: String,
    },
    /// A name that no camera takes.
    #[error("`{name}` cannot be a name: a name has 1 to 32 bytes and no control characters")]
    Name {
        /// The name.
        name: String,
    },
    /// A gallery's file cannot be read or written.
    #[error("{}: the gallery cannot be read or written", path.display())]
    GalleryFile {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file that is no gallery.
    #[error("{}: this is no gallery that `deja gallery export` wrote", path.display())]
    NoGallery {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        source: serde_json::Error,
    },
    /// A gallery of another model.
    #[error(
        "the gallery was enrolled with model {}, the camera runs {}; flash that model or enroll again",
        short(.gallery), short(.camera)
    )]
    ForeignGallery {
        /// The gallery's model.
        gallery: Fingerprint,
        /// The camera's model.
        camera: Fingerprint,
    },
    /// A gallery of another model than the one that was named.
    #[error(
        "the gallery was enrolled with model {}, not with {}; name the model that it was enrolled with",
        short(.gallery), short(.model)
    )]
    OtherModel {
        /// The gallery's model.
        gallery: Fingerprint,
        /// The model that was named.
        model: Fingerprint,
    },
    /// A gallery without templates.
    #[error("the gallery holds no templates: enroll somebody first")]
    EmptyGallery,
    /// A template that the map to another model makes nothing of.
    #[error(
        "a template of `{name}` cannot be mapped: it maps to zero, or is no embedding of that model; enroll again from photographs"
    )]
    Unmappable {
        /// Whose.
        name: String,
    },
    /// The gallery does not fit; nothing was written.
    #[error("{templates} templates are to be added, the camera has room for {room}; remove identities first")]
    NoRoom {
        /// What is to be added.
        templates: usize,
        /// What fits.
        room: usize,
    },
    /// The user stopped the work.
    #[error("stopped; what was sent so far is kept, run the same command again to go on")]
    Interrupted,
}

impl ClientError {
    /// Whether opening the pipe again may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Disconnected { .. } | Self::Timeout { .. } | Self::Restarted | Self::Unreachable { .. })
    }

    /// The camera's refusal, if it is one.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refused { refusal, .. } => Some(*refusal),
            _ => None,
        }
    }
}

/// The first bytes of a fingerprint, as people see it: 12 hexadecimal digits.
pub fn short(fingerprint: &Fingerprint) -> String {
    hexadecimal(&fingerprint[..6])
}

fn older(host: u16, camera: u16) -> &'static str {
    if camera < host { "update the camera's firmware" } else { "update this program" }
}
