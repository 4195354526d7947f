//! A host in a few lines: asks a camera over any byte pipe, repeats what got lost, collects events.

use deja_shared::protocol::MAX_CHUNK;
use deja_shared::protocol::endpoints::{Endpoint, endpoint};
use deja_shared::protocol::events::Event;
use deja_shared::protocol::frame::{self, Decoder, Kind, MAX_FRAME};
use deja_shared::protocol::messages::{
    Capabilities, Hello, ImageBegin, ImageChunk, ModelBegin, ModelChunk, ModelCommit, ModelCommitted,
};
use deja_shared::protocol::refusal::{Fault, Refusal};
use sha2::{Digest, Sha256};

/// How often a request is sent before the camera counts as lost.
const ATTEMPTS: usize = 50;

/// A byte pipe to a camera.
pub trait Wire {
    /// Sends bytes.
    fn send(&mut self, bytes: &[u8]);
    /// What has come; empty when nothing came in a reasonable time.
    fn receive(&mut self) -> Vec<u8>;
}

/// A camera said no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum No {
    /// The endpoint.
    Refusal(Refusal),
    /// The protocol.
    Fault(Fault),
}

/// One host's side of a conversation.
pub struct Session<W> {
    /// The pipe.
    pub wire: W,
    /// What the camera said without being asked.
    pub events: Vec<Event>,
    decoder: Decoder,
    sequence: u16,
}

impl<W: Wire> Session<W> {
    /// Nothing is said yet.
    pub fn new(wire: W) -> Self {
        Self { wire, events: Vec::new(), decoder: Decoder::new(), sequence: 0 }
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// [`No`].
    ///
    /// # Panics
    /// When no answer comes, or one that is none.
    pub fn ask<E: Endpoint>(&mut self, request: &E::Request<'_>) -> Result<E::Response, No> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut frame = [0; MAX_FRAME];
        let length = frame::encode(Kind::Request, E::ID, self.sequence, request, &mut frame).expect("a legal request");
        for _ in 0..ATTEMPTS {
            self.wire.send(&frame[..length]);
            if let Some((kind, payload)) = self.answer(E::ID) {
                return match kind {
                    Kind::Response => Ok(postcard::from_bytes(&payload).expect("a response")),
                    Kind::Refusal => Err(No::Refusal(postcard::from_bytes(&payload).expect("a refusal"))),
                    _ => Err(No::Fault(postcard::from_bytes(&payload).expect("a fault"))),
                };
            }
        }
        panic!("no answer to {} after {ATTEMPTS} attempts", E::NAME);
    }

    /// Says hello in the present version.
    ///
    /// # Errors
    /// [`No`].
    pub fn hello(&mut self) -> Result<Capabilities, No> {
        self.ask::<endpoint::Hello>(&Hello { protocol: deja_shared::protocol::PROTOCOL_VERSION })
    }

    /// Sends a model from where the camera wants it, and makes it run.
    ///
    /// # Errors
    /// [`No`].
    pub fn flash(&mut self, file: &[u8]) -> Result<ModelCommitted, No> {
        let sha256 = sha256(file);
        let bytes = file.len() as u32;
        let mut next = self.ask::<endpoint::ModelBegin>(&ModelBegin { bytes, sha256 })?.next;
        while next < bytes {
            let rest = &file[next as usize..];
            let chunk = ModelChunk { offset: next, bytes: &rest[..rest.len().min(MAX_CHUNK)] };
            next = self.ask::<endpoint::ModelChunk>(&chunk)?.next;
        }
        self.ask::<endpoint::ModelCommit>(&ModelCommit { sha256 })
    }

    /// Sends a picture of `[height, width]`.
    ///
    /// # Errors
    /// [`No`].
    pub fn show(&mut self, [height, width]: [u16; 2], pixels: &[u8]) -> Result<(), No> {
        self.ask::<endpoint::ImageBegin>(&ImageBegin { height, width })?;
        let mut offset = 0;
        for bytes in pixels.chunks(MAX_CHUNK) {
            offset = self.ask::<endpoint::ImageChunk>(&ImageChunk { offset, bytes })?.next;
        }
        Ok(())
    }

    /// The next answer to the present request, if there comes one.
    fn answer(&mut self, endpoint: u8) -> Option<(Kind, Vec<u8>)> {
        let mut found = None;
        loop {
            let bytes = self.wire.receive();
            if bytes.is_empty() {
                return found;
            }
            for byte in bytes {
                let Some(Ok(frame)) = self.decoder.push(byte) else { continue };
                if frame.kind == Kind::Event {
                    self.events.push(postcard::from_bytes(frame.payload).expect("an event"));
                } else if frame.endpoint == endpoint && frame.sequence == self.sequence {
                    found = Some((frame.kind, frame.payload.to_vec()));
                }
            }
            if found.is_some() {
                return found;
            }
        }
    }
}

/// SHA-256 of a whole file, as it is announced on the link.
pub fn sha256(file: &[u8]) -> [u8; 32] {
    Sha256::digest(file).into()
}
