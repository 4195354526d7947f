//! Request → response: the endpoints' table filled with what the camera does, and the rules of the conversation.
//!
//! The rules: the same frame again gets the same answer again and does nothing twice; `Hello` starts afresh; until a
//! `Hello` of this version only the frozen endpoints are answered. Any bytes are survived.

use deja_shared::protocol::endpoints::{Endpoint, EndpointId, endpoint};
use deja_shared::protocol::frame::{self, Decoder, Frame, FrameError, Kind, MAX_FRAME};
use deja_shared::protocol::messages::{ImageProgress, ModelProgress, Nothing};
use deja_shared::protocol::refusal::{Fault, Refusal};
use deja_shared::protocol::{PROTOCOL_VERSION, events::Event};

use crate::board::Board;
use crate::recognizer::Recognizer;

const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);

/// What a received byte led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply<'a> {
    /// Nothing to send.
    Silence,
    /// These bytes are to be sent.
    Send(&'a [u8]),
    /// These bytes are to be sent, then the camera restarts.
    SendAndReboot(&'a [u8]),
}

/// One host's conversation with the camera.
#[derive(Debug)]
pub struct Conversation {
    decoder: Decoder,
    is_greeted: bool,
    events: u16,
    answer: Answer,
}

/// The last answer, and to which frame.
#[derive(Debug)]
struct Answer {
    to: Option<Key>,
    frame: [u8; MAX_FRAME],
    length: usize,
}

/// What makes two requests the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    endpoint: u8,
    sequence: u16,
    payload_crc: u32,
}

impl Default for Conversation {
    fn default() -> Self {
        Self::new()
    }
}

impl Conversation {
    /// Nobody has said anything.
    pub const fn new() -> Self {
        let answer = Answer { to: None, frame: [0; MAX_FRAME], length: 0 };
        Self { decoder: Decoder::new(), is_greeted: false, events: 0, answer }
    }

    /// Takes one byte from the link; a byte that ends a request is answered.
    pub fn receive<B: Board>(&mut self, byte: u8, recognizer: &mut Recognizer<'_, B>) -> Reply<'_> {
        let Self { decoder, is_greeted, answer, .. } = self;
        let request = match decoder.push(byte) {
            None => return Reply::Silence,
            Some(Err(_)) => {
                recognizer.statistics.damaged_frames = recognizer.statistics.damaged_frames.wrapping_add(1);
                return Reply::Silence;
            }
            Some(Ok(frame)) if frame.kind != Kind::Request => return Reply::Silence,
            Some(Ok(frame)) => frame,
        };
        recognizer.statistics.frames = recognizer.statistics.frames.wrapping_add(1);
        let Frame { endpoint, sequence, payload, .. } = request;
        let key = Key { endpoint, sequence, payload_crc: CRC.checksum(payload) };
        let is_hello = endpoint == endpoint::Hello::ID;
        if answer.to == Some(key) && !is_hello {
            recognizer.statistics.repeated = recognizer.statistics.repeated.wrapping_add(1);
        } else {
            if is_hello {
                *is_greeted = greets(payload);
                recognizer.drop_picture();
            }
            answer.length = respond(&request, *is_greeted, recognizer, &mut answer.frame);
            answer.to = Some(key);
        }
        let bytes = &answer.frame[..answer.length];
        if endpoint == endpoint::Reboot::ID { Reply::SendAndReboot(bytes) } else { Reply::Send(bytes) }
    }

    /// Whether a host of this version has said `Hello`.
    pub fn is_greeted(&self) -> bool {
        self.is_greeted
    }

    /// Writes an event as a frame; gives its length, 0 when it does not fit.
    pub fn event(&mut self, event: &Event, out: &mut [u8; MAX_FRAME]) -> usize {
        self.events = self.events.wrapping_add(1);
        frame::encode(Kind::Event, 0, self.events, event, out).unwrap_or(0)
    }
}

fn greets(payload: &[u8]) -> bool {
    decode::<endpoint::Hello>(payload).is_ok_and(|hello| hello.protocol == PROTOCOL_VERSION)
}

/// The part of the table that never changes: what a camera answers to whoever asks.
fn is_frozen(endpoint: EndpointId) -> bool {
    use EndpointId::{Hello, ModelBegin, ModelChunk, ModelCommit, Reboot, Recover};
    matches!(endpoint, Hello | Reboot | ModelBegin | ModelChunk | ModelCommit | Recover)
}

/// Writes the answer to a request; gives its length.
fn respond<B: Board>(
    request: &Frame<'_>,
    is_greeted: bool,
    recognizer: &mut Recognizer<'_, B>,
    out: &mut [u8; MAX_FRAME],
) -> usize {
    let mut writer = Writer { endpoint: request.endpoint, sequence: request.sequence, out };
    let written = match EndpointId::from_number(request.endpoint) {
        None => Err(Fault::UnknownEndpoint),
        Some(endpoint) if !is_greeted && !is_frozen(endpoint) => Err(Fault::Version),
        Some(endpoint) => dispatch(endpoint, request.payload, recognizer, &mut writer),
    };
    // A fault is one byte long: it always fits.
    written.unwrap_or_else(|fault| writer.write(Kind::Fault, &fault).unwrap_or(0))
}

/// The table.
fn dispatch<B: Board>(
    endpoint: EndpointId,
    payload: &[u8],
    camera: &mut Recognizer<'_, B>,
    writer: &mut Writer<'_>,
) -> Result<usize, Fault> {
    use EndpointId as Id;
    match endpoint {
        Id::Hello => call::<endpoint::Hello>(payload, writer, |_| Ok(camera.capabilities())),
        Id::Reboot => call::<endpoint::Reboot>(payload, writer, Ok),
        Id::ModelBegin => call::<endpoint::ModelBegin>(payload, writer, |begin| {
            camera.store.begin(&begin).map(|next| ModelProgress { next })
        }),
        Id::ModelChunk => call::<endpoint::ModelChunk>(payload, writer, |chunk| {
            camera.store.chunk(&chunk).map(|next| ModelProgress { next })
        }),
        Id::ModelCommit => call::<endpoint::ModelCommit>(payload, writer, |commit| camera.commit_model(&commit.sha256)),
        Id::Recover => call::<endpoint::Recover>(payload, writer, |_| camera.recover().map(|()| Nothing)),
        Id::ImageBegin => call::<endpoint::ImageBegin>(payload, writer, |begin| {
            camera.begin_picture(begin).map(|next| ImageProgress { next })
        }),
        Id::ImageChunk => call::<endpoint::ImageChunk>(payload, writer, |chunk| {
            camera.add_pixels(&chunk).map(|next| ImageProgress { next })
        }),
        Id::Embed => call::<endpoint::Embed>(payload, writer, |_| camera.embed()),
        Id::Enroll => call::<endpoint::Enroll>(payload, writer, |enroll| camera.enroll(&enroll.name)),
        Id::Identify => call::<endpoint::Identify>(payload, writer, |_| camera.identify()),
        Id::Verify => call::<endpoint::Verify>(payload, writer, |_| camera.verify()),
        Id::Profile => call::<endpoint::Profile>(payload, writer, |profile| camera.profile(profile.skip)),
        Id::ListIdentities => call::<endpoint::ListIdentities>(payload, writer, |list| Ok(camera.list(list.skip))),
        Id::RemoveIdentity => {
            call::<endpoint::RemoveIdentity>(payload, writer, |remove| camera.remove(remove.identity).map(|()| Nothing))
        }
        Id::ClearGallery => call::<endpoint::ClearGallery>(payload, writer, |_| camera.clear()),
        Id::ReadTemplate => call::<endpoint::ReadTemplate>(payload, writer, |at| camera.template(at.index)),
        Id::WriteTemplate => call::<endpoint::WriteTemplate>(payload, writer, |template| camera.add(&template)),
        Id::GetThreshold => call::<endpoint::GetThreshold>(payload, writer, |_| Ok(camera.threshold())),
        Id::SetThreshold => call::<endpoint::SetThreshold>(payload, writer, |set| camera.set_threshold(set)),
        Id::Statistics => call::<endpoint::Statistics>(payload, writer, |_| Ok(camera.statistics())),
    }
}

fn call<'a, E: Endpoint>(
    payload: &'a [u8],
    writer: &mut Writer<'_>,
    handler: impl FnOnce(E::Request<'a>) -> Result<E::Response, Refusal>,
) -> Result<usize, Fault> {
    let written = match handler(decode::<E>(payload)?) {
        Ok(response) => writer.write(Kind::Response, &response),
        Err(refusal) => writer.write(Kind::Refusal, &refusal),
    };
    written.map_err(|_| Fault::TooLong)
}

/// The whole payload must be the request.
fn decode<E: Endpoint>(payload: &[u8]) -> Result<E::Request<'_>, Fault> {
    match postcard::take_from_bytes(payload) {
        Ok((request, [])) => Ok(request),
        _ => Err(Fault::Malformed),
    }
}

/// Where the answer to one request goes.
struct Writer<'a> {
    endpoint: u8,
    sequence: u16,
    out: &'a mut [u8; MAX_FRAME],
}

impl Writer<'_> {
    fn write(&mut self, kind: Kind, message: &impl serde::Serialize) -> Result<usize, FrameError> {
        frame::encode(kind, self.endpoint, self.sequence, message, self.out)
    }
}
