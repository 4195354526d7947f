//! Requests and responses. New fields go into new messages or a new [`super::PROTOCOL_VERSION`].

use serde::{Deserialize, Serialize};

use super::{MAX_NAME, PAGE, PROFILE_PAGE};
use crate::embedding::Embedding;
use crate::model::Fingerprint;
use crate::protocol::refusal::Refusal;

/// An identity's name or a board's.
pub type Name = heapless::String<MAX_NAME>;

/// No content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nothing;

/// The host's first words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The host's [`super::PROTOCOL_VERSION`].
    pub protocol: u16,
}

/// What a camera is and can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// The camera's [`super::PROTOCOL_VERSION`]; the host stops here when it is not its own.
    pub protocol: u16,
    /// Format version of the models that it reads.
    pub model_format: u16,
    /// Name of the board.
    pub board: Name,
    /// Version of the firmware.
    pub firmware: Name,
    /// Most bytes of content in one chunk, at most [`super::MAX_CHUNK`].
    pub max_chunk: u16,
    /// Greatest model that fits, in bytes.
    pub max_model: u32,
    /// Greatest arena that it can offer, in bytes.
    pub max_arena: u32,
    /// Greatest picture that it takes, in bytes.
    pub max_image: u32,
    /// The model that runs.
    pub model: Option<ModelSummary>,
    /// Identities in the gallery.
    pub identities: u16,
    /// Templates in the gallery.
    pub templates: u16,
    /// How many templates fit.
    pub max_templates: u16,
    /// Whether the gallery was enrolled with the model that runs (an empty one always is).
    pub gallery_fits_model: bool,
}

/// The model that a camera runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelSummary {
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// Its name.
    pub name: Name,
    /// Rows of a picture.
    pub height: u16,
    /// Columns of a picture.
    pub width: u16,
    /// Components of an embedding.
    pub dimension: u16,
}

/// A model is about to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelBegin {
    /// Length of the file.
    pub bytes: u32,
    /// SHA-256 of the whole file.
    pub sha256: [u8; 32],
}

/// Where the transfer of a model stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelProgress {
    /// The next byte that the camera expects: everything before it is kept in flash.
    pub next: u32,
}

/// A stretch of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelChunk<'a> {
    /// Where it belongs; must be the camera's `next`.
    pub offset: u32,
    /// Its bytes: a multiple of 16, except for the last one.
    pub bytes: &'a [u8],
}

/// The model is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelCommit {
    /// SHA-256 of the whole file, as in [`ModelBegin`].
    pub sha256: [u8; 32],
}

/// The model runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelCommitted {
    /// What runs now.
    pub model: ModelSummary,
    /// Templates of another model, kept in flash but not compared while this model runs.
    pub foreign_templates: u16,
}

/// What came of trying the model that ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The model that was tried.
    pub fingerprint: Fingerprint,
    /// How many golden pairs it holds.
    pub pairs: u16,
    /// `None`: the file is whole and every pair came out bit for bit. Otherwise the fault; this model runs no longer.
    pub fault: Option<Refusal>,
    /// The model that runs now.
    pub runs: Option<Fingerprint>,
    /// Whether a newer model is in flash that failed, now or when the camera started.
    pub rolled_back: bool,
    /// Time that it took.
    pub microseconds: u32,
}

/// A picture is about to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageBegin {
    /// Rows.
    pub height: u16,
    /// Columns.
    pub width: u16,
}

/// A stretch of a picture: RGB bytes, row after row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageChunk<'a> {
    /// Where it belongs; must be the camera's `next`.
    pub offset: u32,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// Where the transfer of a picture stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageProgress {
    /// The next byte that the camera expects.
    pub next: u32,
}

/// The embedding of a picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Embedded {
    /// The embedding.
    pub embedding: Embedding,
    /// Time that it took.
    pub microseconds: u32,
}

/// Keep the picture as a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enroll {
    /// Of whom; a new identity if the name is new.
    pub name: Name,
}

/// A template was added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolled {
    /// The identity's number: never given to another one.
    pub identity: u32,
    /// How many templates it has now.
    pub templates: u16,
    /// The cosine to the nearest of its older templates, in 1/2¹⁵; `None` for the first.
    pub own: Option<i16>,
    /// Another identity that the picture would have been taken for, a reason to look again.
    pub confusable: Option<Candidate>,
}

/// An identity of the gallery and how near it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its number.
    pub identity: u32,
    /// Its name.
    pub name: Name,
    /// Cosine to its nearest template, in 1/2¹⁵.
    pub cosine: i16,
}

/// Open-set decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decision {
    /// The best candidate reaches the threshold.
    Match,
    /// It is nobody the camera knows.
    Unknown,
}

/// Who is on the picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identified {
    /// Whether the best candidate is believed.
    pub decision: Decision,
    /// The nearest identity; `None` for an empty gallery.
    pub best: Option<Candidate>,
    /// The nearest other identity.
    pub runner_up: Option<Candidate>,
    /// The threshold that was applied, in 1/2¹⁵.
    pub threshold: i16,
    /// Time from picture to decision.
    pub microseconds: u32,
}

/// Asks what the layers of the model take, a page of them at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// How many layers to pass over.
    pub skip: u16,
}

/// What one layer takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LayerTicks {
    /// Time in ticks of the camera's clock; what reading the clock takes is subtracted.
    pub ticks: u32,
    /// How deep the whole stack was at its deepest, in bytes; 0 where the board does not know.
    pub stack_bytes: u32,
}

/// What embedding a picture takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profiled {
    /// The model that was measured.
    pub fingerprint: Fingerprint,
    /// Ticks of the camera's clock in a second.
    pub ticks_per_second: u32,
    /// Whether each is a cycle of the processor.
    pub ticks_are_cycles: bool,
    /// Ticks of the whole way from the picture in the model's size to its embedding, the clock not looked at meanwhile.
    pub ticks: u64,
    /// Layers of the whole model.
    pub total: u16,
    /// These ones.
    pub layers: heapless::Vec<LayerTicks, PROFILE_PAGE>,
}

/// Asks for a page of identities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListIdentities {
    /// How many identities to pass over.
    pub skip: u16,
}

/// One identity in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentitySummary {
    /// Its number.
    pub identity: u32,
    /// Its name.
    pub name: Name,
    /// How many templates it has.
    pub templates: u16,
}

/// A page of identities, by ascending number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GalleryPage {
    /// Identities in the whole gallery.
    pub total: u16,
    /// These ones.
    pub identities: heapless::Vec<IdentitySummary, PAGE>,
}

/// Forget this identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveIdentity {
    /// Its number.
    pub identity: u32,
}

/// The gallery is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cleared {
    /// Identities that were forgotten.
    pub identities: u16,
}

/// Asks for a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateAt {
    /// Its place, 0 up to the number of templates.
    pub index: u16,
}

/// A template as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredTemplate {
    /// Whose.
    pub name: Name,
    /// The model that made it.
    pub fingerprint: Fingerprint,
    /// The template.
    pub embedding: Embedding,
}

/// Add this template. The same content as [`StoredTemplate`].
pub type StoreTemplate = StoredTemplate;

/// The decision threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Threshold {
    /// Least cosine of a match in 1/2¹⁵; `None` stands for the model's own.
    pub cosine: Option<i16>,
}

/// Counters since the camera started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Statistics {
    /// Time since the start.
    pub uptime_ms: u32,
    /// Frames received whole.
    pub frames: u32,
    /// Frames thrown away: bad COBS, bad CRC, too long.
    pub damaged_frames: u32,
    /// Requests answered again because they came again.
    pub repeated: u32,
    /// Pictures embedded.
    pub embedded: u32,
    /// Decisions for a match.
    pub matches: u32,
    /// Decisions for unknown.
    pub unknown: u32,
    /// Time of the last embedding.
    pub last_embed_us: u32,
}
