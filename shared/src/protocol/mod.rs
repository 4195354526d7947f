//! What travels on the link between host and camera. Sans-IO: bytes in, bytes out, no clock and no socket.
//!
//! * [`frame`]: COBS packets with a header and a CRC-32, so that a receiver finds its feet after any damage;
//! * [`endpoints`]: the table of everything a host can ask, with request and response types;
//! * [`messages`]: those types; [`events`]: what a camera says unasked;
//! * [`refusal`]: the answers "no": [`Refusal`](refusal::Refusal) from an endpoint, [`Fault`](refusal::Fault) from the
//!   protocol itself.
//!
//! A host asks one thing at a time. It repeats a request, unchanged, until the answer with its sequence number comes;
//! a camera that gets the same frame again sends its last answer again and does nothing twice. `Hello` starts afresh.
//!
//! For ever frozen, so that no change can lock a camera out of its own update: the frame, and the endpoints `Hello`,
//! `Reboot`, `ModelBegin`, `ModelChunk`, `ModelCommit` and `Recover` with their messages and the first variants of both
//! error types.

pub mod endpoints;
pub mod events;
pub mod frame;
pub mod messages;
pub mod refusal;

/// Version of the table and of every message that is not frozen. Host and camera compare it in `Hello`.
pub const PROTOCOL_VERSION: u16 = 1;
/// Most bytes of a model or a picture in one request.
pub const MAX_CHUNK: usize = 2048;
/// Longest payload of a frame: a chunk and what stands around it.
pub const MAX_PAYLOAD: usize = MAX_CHUNK + 64;
/// Greatest length of an identity's name, in bytes of UTF-8.
pub const MAX_NAME: usize = 32;
/// Layers in one page of a profile.
pub const PROFILE_PAGE: usize = 128;
/// Identities in one page of the gallery's list.
pub const PAGE: usize = 16;
