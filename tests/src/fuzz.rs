//! Fuzz targets as plain functions: `tests/fuzz` gives them to libFuzzer, `tests/tests/fuzz.rs` runs them on stable.
//!
//! A target must return for every input. What it asserts holds for every input too.

use deja_firmware::embedder;
use deja_shared::model::{Model, ModelError};
use deja_shared::protocol::endpoints::{Endpoint, endpoint};
use deja_shared::protocol::events::Event;
use deja_shared::protocol::frame::{Decoder, Kind};
use deja_shared::protocol::refusal::{Fault, Refusal};

use crate::model::seal;
use deja::quantize::AlignedBytes;

/// Most memory that a hostile model may ask this test for.
const ARENA: usize = 1 << 16;

/// Any bytes on the link: frames come out or not, and whatever comes out decodes or not.
pub fn frame_decoder(bytes: &[u8]) {
    // Damage rarely gets past the CRC, so the bytes are also taken for a payload that did.
    message(bytes);
    let mut decoder = Decoder::new();
    for &byte in bytes {
        if let Some(Ok(frame)) = decoder.push(byte) {
            message(frame.payload);
        }
    }
    // Whatever came before, the next whole frame arrives.
    let mut good = [0; 64];
    let hello = deja_shared::protocol::messages::Hello { protocol: 1 };
    let length = deja_shared::protocol::frame::encode(Kind::Request, endpoint::Hello::ID, 7, &hello, &mut good)
        .expect("hello fits a frame");
    let _ = decoder.push(0);
    let received = good[..length].iter().filter(|&&byte| matches!(decoder.push(byte), Some(Ok(_)))).count();
    assert_eq!(received, 1, "a frame after damage was lost");
}

/// Decodes a payload as everything that it could be.
fn message(payload: &[u8]) {
    let _ = postcard::from_bytes::<Event>(payload);
    let _ = postcard::from_bytes::<Refusal>(payload);
    let _ = postcard::from_bytes::<Fault>(payload);
    both::<endpoint::Hello>(payload);
    both::<endpoint::ModelBegin>(payload);
    both::<endpoint::ModelChunk>(payload);
    both::<endpoint::ModelCommit>(payload);
    both::<endpoint::ImageChunk>(payload);
    both::<endpoint::Embed>(payload);
    both::<endpoint::Enroll>(payload);
    both::<endpoint::Identify>(payload);
    both::<endpoint::Verify>(payload);
    both::<endpoint::ListIdentities>(payload);
    both::<endpoint::WriteTemplate>(payload);
    both::<endpoint::SetThreshold>(payload);
}

fn both<E: Endpoint>(payload: &[u8]) {
    let _ = postcard::from_bytes::<E::Request<'_>>(payload);
    let _ = postcard::from_bytes::<E::Response>(payload);
}

/// Any bytes as a model: refused, or run without a panic. The digest is put right first, so that damage gets past it.
pub fn model_reader(bytes: &[u8]) {
    let mut file = AlignedBytes::from(bytes);
    if let Some(length) = file.get_mut(8..12) {
        length.copy_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    }
    seal(&mut file);
    match Model::parse(&file) {
        Ok(model) => run(&model),
        Err(error) => assert_ne!(error, ModelError::Corrupt, "the digest was put right"),
    }
}

fn run(model: &Model<'_>) {
    let picture = vec![0x5A; usize::try_from(model.header().picture_bytes()).unwrap_or(usize::MAX)];
    let mut arena = vec![0i8; ARENA];
    let first = embedder::embed(model, &picture, &mut arena);
    assert_eq!(first, embedder::embed(model, &picture, &mut arena), "the same picture embeds the same");
}
