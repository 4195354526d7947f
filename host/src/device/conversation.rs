//! One question and its answer over a pipe that may lose, damage or repeat bytes.
//!
//! A request is sent again, unchanged, until the answer with its sequence number comes; the camera does nothing twice.
//! A zero byte goes ahead of every repetition and ends whatever damaged frame the camera was in.

use super::{ClientError, Connector, Transport};
use deja_shared::protocol::endpoints::{Endpoint, EndpointId};
use deja_shared::protocol::events::Event;
use deja_shared::protocol::frame::{Decoder, Frame, Kind, MAX_FRAME, encode};
use deja_shared::protocol::refusal::Fault;
use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

/// Events that are kept while nobody asks for them; older ones are dropped.
const KEPT_EVENTS: usize = 1024;

/// How long to wait for answers.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For the first answer to a short question; doubled at every repetition.
    pub quick: Duration,
    /// The same for questions that embed a picture, or erase or verify flash.
    pub slow: Duration,
    /// How often a question is sent at most.
    pub tries: u32,
    /// For a camera that was disconnected to come back.
    pub reconnect: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            quick: Duration::from_millis(500),
            slow: Duration::from_secs(4),
            tries: 4,
            reconnect: Duration::from_secs(20),
        }
    }
}

/// A pipe with its place in the conversation.
pub(super) struct Conversation {
    connector: Connector,
    transport: Option<Box<dyn Transport>>,
    decoder: Decoder,
    sequence: u16,
    events: VecDeque<Event>,
    /// For error messages.
    pub address: String,
    pub patience: Patience,
}

/// An answer, not yet read.
struct Answer {
    kind: Kind,
    payload: Vec<u8>,
}

impl Conversation {
    /// Begins at a random sequence number, so that an answer to an earlier program is not taken for ours.
    pub fn new(connector: Connector, address: String, patience: Patience) -> Self {
        let sequence = rand::random();
        Self {
            connector,
            transport: None,
            decoder: Decoder::new(),
            sequence,
            events: VecDeque::new(),
            address,
            patience,
        }
    }

    /// Closes the pipe and opens it anew.
    pub fn reopen(&mut self) -> Result<(), ClientError> {
        // A camera takes one connection at a time: the old one goes first.
        self.transport = None;
        self.decoder = Decoder::new();
        let mut transport =
            (self.connector)().map_err(|source| ClientError::Unreachable { address: self.address.clone(), source })?;
        transport.send(&[0]).map_err(|source| self.broken(source))?;
        self.transport = Some(transport);
        Ok(())
    }

    /// Asks and waits for the answer.
    pub fn call<E: Endpoint>(&mut self, request: &E::Request<'_>) -> Result<E::Response, ClientError> {
        self.sequence = self.sequence.wrapping_add(1);
        // The first byte is the zero that goes ahead.
        let mut line = [0; 1 + MAX_FRAME];
        let length = encode(Kind::Request, E::ID, self.sequence, request, &mut line[1..])
            .map_err(|_| ClientError::TooLarge { what: E::NAME })?;
        let answer = self.exchange(&line[..=length], E::ID, E::NAME)?;
        let unreadable = |_| ClientError::Answer { endpoint: E::NAME };
        match answer.kind {
            Kind::Response => postcard::from_bytes(&answer.payload).map_err(unreadable),
            Kind::Refusal => {
                let refusal = postcard::from_bytes(&answer.payload).map_err(unreadable)?;
                Err(ClientError::Refused { endpoint: E::NAME, refusal })
            }
            _ => match postcard::from_bytes(&answer.payload).map_err(unreadable)? {
                // We have greeted it, so it has restarted since.
                Fault::Version => Err(ClientError::Restarted),
                fault => Err(ClientError::Fault { endpoint: E::NAME, fault }),
            },
        }
    }

    /// The next event, if one comes within `wait`.
    pub fn event(&mut self, wait: Duration) -> Result<Option<Event>, ClientError> {
        let end = Instant::now() + wait;
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            let left = end.saturating_duration_since(Instant::now());
            self.listen(left, None)?;
            if left.is_zero() {
                return Ok(self.events.pop_front());
            }
        }
    }

    fn exchange(&mut self, line: &[u8], endpoint: u8, name: &'static str) -> Result<Answer, ClientError> {
        let mut wait = if is_slow(endpoint) { self.patience.slow } else { self.patience.quick };
        for attempt in 0..self.patience.tries {
            if attempt > 0 {
                tracing::debug!(endpoint = name, attempt, "no answer, asking again");
            }
            self.send(if attempt == 0 { &line[1..] } else { line })?;
            let end = Instant::now() + wait;
            loop {
                let left = end.saturating_duration_since(Instant::now());
                if let Some(answer) = self.listen(left, Some((endpoint, self.sequence)))? {
                    return Ok(answer);
                }
                if left.is_zero() {
                    break;
                }
            }
            wait *= 2;
        }
        Err(ClientError::Timeout { address: self.address.clone(), endpoint: name })
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        let sent = self.transport.as_mut().map_or_else(|| Err(closed()), |transport| transport.send(bytes));
        sent.map_err(|source| self.broken(source))
    }

    /// Reads once. Keeps events, and gives the answer to endpoint and sequence number `awaited` if it came.
    fn listen(&mut self, wait: Duration, awaited: Option<(u8, u16)>) -> Result<Option<Answer>, ClientError> {
        let mut buffer = [0; 4096];
        let received =
            self.transport.as_mut().map_or_else(|| Err(closed()), |transport| transport.receive(&mut buffer, wait));
        let received = received.map_err(|source| self.broken(source))?;
        let mut answer = None;
        for &byte in &buffer[..received] {
            match self.decoder.push(byte) {
                Some(Ok(frame)) if frame.kind == Kind::Event => keep(&mut self.events, &frame),
                Some(Ok(frame)) if is_answer(&frame, awaited) => {
                    answer = Some(Answer { kind: frame.kind, payload: frame.payload.to_vec() });
                }
                Some(Ok(frame)) => tracing::debug!(sequence = frame.sequence, "passing over a late answer"),
                Some(Err(error)) => tracing::debug!(%error, "throwing away"),
                None => {}
            }
        }
        Ok(answer)
    }

    /// Forgets the broken pipe.
    fn broken(&mut self, source: io::Error) -> ClientError {
        self.transport = None;
        ClientError::Disconnected { address: self.address.clone(), source }
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the connection is closed")
}

fn is_answer(frame: &Frame<'_>, awaited: Option<(u8, u16)>) -> bool {
    frame.kind != Kind::Request && awaited == Some((frame.endpoint, frame.sequence))
}

fn keep(events: &mut VecDeque<Event>, frame: &Frame<'_>) {
    match postcard::from_bytes(frame.payload) {
        Ok(event) => {
            if events.len() == KEPT_EVENTS {
                events.pop_front();
            }
            events.push_back(event);
        }
        Err(_) => tracing::warn!("an event of the camera cannot be read"),
    }
}

/// What embeds a picture, or erases or verifies flash.
fn is_slow(endpoint: u8) -> bool {
    use EndpointId::{
        ClearGallery, Embed, Enroll, Identify, ModelBegin, ModelCommit, Profile, Recover, RemoveIdentity, Verify,
        WriteTemplate,
    };
    matches!(
        EndpointId::from_number(endpoint),
        Some(
            Embed
                | Enroll
                | Identify
                | ModelBegin
                | ModelCommit
                | Profile
                | Recover
                | ClearGallery
                | RemoveIdentity
                | Verify
                | WriteTemplate
        )
    )
}
