//! Frames: `COBS(kind, endpoint, sequence, payload, CRC-32), 0`.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | [`Kind`] |
//! | 1 | endpoint number, 0 for an event |
//! | 2 | sequence number, little-endian: an answer repeats its request's |
//! | n | payload in postcard |
//! | 4 | CRC-32 (ISO-HDLC) of everything before, little-endian |
//!
//! COBS leaves no zero byte inside, so the zero at the end marks frames, and a receiver that joins late, or that got
//! damaged bytes, is whole again at the next zero.

use super::MAX_PAYLOAD;

const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
const HEADER: usize = 4;
const TRAILER: usize = 4;
const MAX_BODY: usize = HEADER + MAX_PAYLOAD + TRAILER;
/// The longest frame on the wire, its end mark included.
pub const MAX_FRAME: usize = MAX_BODY + MAX_BODY / 254 + 2;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Host to camera.
    Request = 0,
    /// The endpoint's response.
    Response = 1,
    /// The endpoint's [`Refusal`](super::refusal::Refusal).
    Refusal = 2,
    /// A [`Fault`](super::refusal::Fault) of the protocol.
    Fault = 3,
    /// An [`Event`](super::events::Event).
    Event = 4,
}

impl Kind {
    fn from_number(number: u8) -> Option<Self> {
        [Self::Request, Self::Response, Self::Refusal, Self::Fault, Self::Event]
            .into_iter()
            .find(|&k| k as u8 == number)
    }
}

/// A frame received whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it is.
    pub kind: Kind,
    /// Which endpoint it concerns; 0 for an event.
    pub endpoint: u8,
    /// Number of the request.
    pub sequence: u16,
    /// The message in postcard.
    pub payload: &'a [u8],
}

/// Why a frame could not be made or was thrown away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// Longer than [`MAX_FRAME`], or than the buffer that was given.
    TooLong,
    /// Not COBS, too short, or of an unknown kind.
    Malformed,
    /// The CRC does not fit.
    Crc,
}

impl core::fmt::Display for FrameError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::TooLong => "frame too long",
            Self::Malformed => "malformed frame",
            Self::Crc => "frame damaged (CRC)",
        })
    }
}

impl core::error::Error for FrameError {}

/// Writes one frame, end mark included, and gives its length.
///
/// # Errors
/// [`FrameError::TooLong`] when message or frame do not fit; a buffer of [`MAX_FRAME`] holds any legal frame.
pub fn encode<M: serde::Serialize>(
    kind: Kind,
    endpoint: u8,
    sequence: u16,
    message: &M,
    out: &mut [u8],
) -> Result<usize, FrameError> {
    let mut body = [0; MAX_BODY];
    body[0] = kind as u8;
    body[1] = endpoint;
    body[2..HEADER].copy_from_slice(&sequence.to_le_bytes());
    let payload =
        postcard::to_slice(message, &mut body[HEADER..HEADER + MAX_PAYLOAD]).map_err(|_| FrameError::TooLong)?.len();
    let end = HEADER + payload;
    let crc = CRC.checksum(&body[..end]);
    body[end..end + TRAILER].copy_from_slice(&crc.to_le_bytes());
    let last = out.len().checked_sub(1).ok_or(FrameError::TooLong)?;
    let length = cobs::try_encode(&body[..end + TRAILER], &mut out[..last]).map_err(|_| FrameError::TooLong)?;
    out[length] = 0;
    Ok(length + 1)
}

/// Gathers bytes into frames; survives any bytes.
#[derive(Debug)]
pub struct Decoder {
    buffer: [u8; MAX_FRAME],
    length: usize,
    overflow: bool,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// A decoder that waits for a frame to begin.
    pub const fn new() -> Self {
        Self { buffer: [0; MAX_FRAME], length: 0, overflow: false }
    }

    /// Takes one byte. At the end of a frame gives the frame, or why it was thrown away.
    pub fn push(&mut self, byte: u8) -> Option<Result<Frame<'_>, FrameError>> {
        if byte != 0 {
            match self.buffer.get_mut(self.length) {
                Some(place) => {
                    *place = byte;
                    self.length += 1;
                }
                None => self.overflow = true,
            }
            return None;
        }
        let (length, overflow) = (self.length, self.overflow);
        self.length = 0;
        self.overflow = false;
        match (length, overflow) {
            (_, true) => Some(Err(FrameError::TooLong)),
            // Zeros between frames: what a host sends to end whatever was under way.
            (0, false) => None,
            _ => Some(open(&mut self.buffer[..length])),
        }
    }
}

fn open(packet: &mut [u8]) -> Result<Frame<'_>, FrameError> {
    let length = cobs::decode_in_place(packet).map_err(|_| FrameError::Malformed)?;
    let body = packet.get(..length).ok_or(FrameError::Malformed)?;
    let payload_end = length.checked_sub(TRAILER).filter(|&end| end >= HEADER).ok_or(FrameError::Malformed)?;
    let (content, crc) = body.split_at(payload_end);
    if CRC.checksum(content).to_le_bytes() != *crc {
        return Err(FrameError::Crc);
    }
    Ok(Frame {
        kind: Kind::from_number(content[0]).ok_or(FrameError::Malformed)?,
        endpoint: content[1],
        sequence: u16::from_le_bytes([content[2], content[3]]),
        payload: &content[HEADER..],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::endpoints::{Endpoint, endpoint};
    use crate::protocol::messages::{Hello, ImageChunk};
    use proptest::prelude::*;

    #[test]
    fn hello_has_these_bytes_for_ever() {
        let mut out = [0; MAX_FRAME];
        let hello = Hello { protocol: 1 };
        let length = encode(Kind::Request, endpoint::Hello::ID, 0x1234, &hello, &mut out).unwrap();
        assert_eq!(out[..length], [1, 1, 8, 0x34, 0x12, 1, 0x14, 0xfa, 0xb3, 0xea, 0]);
    }

    #[test]
    fn every_byte_can_be_flipped_and_the_next_frame_still_arrives() {
        let mut out = [0; MAX_FRAME];
        let chunk = ImageChunk { offset: 7, bytes: &[0, 1, 2, 0, 255] };
        let length = encode(Kind::Request, endpoint::ImageChunk::ID, 9, &chunk, &mut out).unwrap();
        for place in 0..length {
            for bit in 0..8 {
                let mut damaged = out;
                damaged[place] ^= 1 << bit;
                let line = damaged[..length].iter().chain(&[0]).chain(&out[..length]);
                assert_eq!(frames(line.copied()), 1, "byte {place} bit {bit}");
            }
        }
    }

    fn frames(bytes: impl IntoIterator<Item = u8>) -> usize {
        let mut decoder = Decoder::new();
        bytes.into_iter().filter(|&byte| matches!(decoder.push(byte), Some(Ok(_)))).count()
    }

    proptest! {
        #[test]
        fn what_is_sent_arrives(payload in proptest::collection::vec(any::<u8>(), 0..=super::super::MAX_CHUNK), sequence: u16) {
            let mut out = [0; MAX_FRAME];
            let chunk = ImageChunk { offset: 1 << 31, bytes: &payload };
            let length = encode(Kind::Request, 17, sequence, &chunk, &mut out).unwrap();
            let mut decoder = Decoder::new();
            for &byte in &out[..length - 1] {
                prop_assert!(decoder.push(byte).is_none());
            }
            let frame = decoder.push(0).unwrap().unwrap();
            prop_assert_eq!((frame.kind, frame.endpoint, frame.sequence), (Kind::Request, 17, sequence));
            prop_assert_eq!(postcard::from_bytes::<ImageChunk<'_>>(frame.payload).unwrap(), chunk);
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..6000)) {
            let mut decoder = Decoder::new();
            for byte in bytes {
                let _ = decoder.push(byte);
            }
        }
    }
}
