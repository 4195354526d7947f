//! Bits that flip in a model, and a camera that notices: the same story for every kind of camera.

use deja::quantize::AlignedBytes;
use deja_shared::model::{Fingerprint, Model, ModelError, VERSION};
use deja_shared::protocol::endpoints::endpoint;
use deja_shared::protocol::events::Event;
use deja_shared::protocol::messages::{Certificate, Decision, Enroll, Name, Nothing};
use deja_shared::protocol::refusal::Refusal;

use crate::model::{other, picture, seal, small};
use crate::session::{No, Session, Wire};

const SIZE: [u16; 2] = [8, 6];

/// A camera whose flash can be got at.
pub trait Tamper: Wire {
    /// Pulls the plug, changes what is in flash, and puts the plug in again.
    fn tamper(&mut self, change: &dyn Fn(&mut [u8]));
}

/// The file with one bit of a weight of the last layer flipped.
pub fn flipped(file: &[u8]) -> AlignedBytes {
    let mut flipped = AlignedBytes::from(file);
    let model = Model::parse(&flipped).expect("a whole model");
    let place = model.layer(model.header().layer_count - 1).weights_offset as usize;
    flipped[place] ^= 0x40;
    flipped
}

/// The same, with the fingerprint that belongs to it: what a wrong tool leaves, or memory that flips before the sum is made.
pub fn forged(file: &[u8]) -> AlignedBytes {
    let mut forged = flipped(file);
    seal(&mut forged);
    forged
}

/// Puts `new` into flash where the model `file` lies.
pub fn replace(flash: &mut [u8], file: &[u8], new: &[u8]) {
    let place = flash.windows(file.len()).step_by(16).position(|there| there == file).expect("the model is in flash");
    flash[place * 16..][..new.len()].copy_from_slice(new);
}

/// A flipped bit never runs: not when it is sent, and not when it happens in flash. The older model takes over with its
/// gallery, the host is told, and the newer one runs again when it is sent again.
pub fn a_flipped_bit_never_runs<W: Tamper>(host: &mut Session<W>) {
    let (older, newer) = (small().emit(), other().emit());
    host.hello().unwrap();
    host.flash(&older).unwrap();
    host.show(SIZE, &picture(1)).unwrap();
    host.ask::<endpoint::Enroll>(&Enroll { name: Name::try_from("Ada").unwrap() }).unwrap();
    host.flash(&newer).unwrap();
    assert_certified(host, &newer, false);
    for bad in [forged(&newer), flipped(&newer)] {
        host.events.clear();
        host.wire.tamper(&|flash| replace(flash, &newer, &bad));
        let capabilities = host.hello().unwrap();
        assert_eq!(capabilities.model.map(|model| model.fingerprint), Some(fingerprint(&older)));
        assert_certified(host, &older, true);
        let told = |event: &Event| matches!(event, Event::Log { text, .. } if text.contains("newest model"));
        assert_eq!(host.events.iter().filter(|event| told(event)).count(), 1, "{:?}", host.events);
        host.show(SIZE, &picture(1)).unwrap();
        assert_eq!(host.ask::<endpoint::Identify>(&Nothing).unwrap().decision, Decision::Match);
        assert_eq!(host.flash(&newer).unwrap().model.fingerprint, fingerprint(&newer));
        assert_certified(host, &newer, false);
    }
    assert_eq!(host.flash(&forged(&newer)).map(drop), Err(No::Refusal(Refusal::Parity { pair: 0 })));
    assert_certified(host, &newer, false);
}

/// What a camera cannot serve it refuses with the reason, and the older model goes on: too large an arena, an operator that it
/// does not know, arrays off their boundary, another version.
pub fn what_cannot_be_served_never_runs<W: Wire>(host: &mut Session<W>) {
    let older = small().emit();
    let capacity = host.hello().unwrap().max_arena;
    host.flash(&older).unwrap();
    let mut large = other();
    large.header.arena_bytes = capacity + 16;
    let changed = |place: usize, byte: u8| {
        let mut file = AlignedBytes::from(&other().emit()[..]);
        file[place] = byte;
        seal(&mut file);
        file
    };
    let first_layer = Model::parse(&other().emit()).expect("a whole model").header().layers_offset as usize;
    let weights = first_layer + 16;
    let off_boundary = other().emit()[weights] + 4;
    for (file, reason) in [
        (large.emit(), Refusal::ArenaTooSmall { needed: capacity + 16, capacity }),
        (changed(first_layer, 200), Refusal::InvalidModel(ModelError::Layer { index: 0 })),
        (changed(weights, off_boundary), Refusal::InvalidModel(ModelError::Alignment)),
        (changed(4, 200), Refusal::InvalidModel(ModelError::Version { found: 200, supported: VERSION })),
    ] {
        assert_eq!(host.flash(&file).map(drop), Err(No::Refusal(reason)));
        assert_certified(host, &older, false);
    }
}

/// The model that runs is `file`, and passes.
pub fn assert_certified<W: Wire>(host: &mut Session<W>, file: &[u8], rolled_back: bool) {
    let fingerprint = fingerprint(file);
    let found = host.ask::<endpoint::Verify>(&Nothing).unwrap();
    let runs = Some(fingerprint);
    let expected =
        Certificate { fingerprint, pairs: 2, fault: None, runs, rolled_back, microseconds: found.microseconds };
    assert_eq!(found, expected);
}

/// The fingerprint in a file.
pub fn fingerprint(file: &[u8]) -> Fingerprint {
    Model::digest(file)
}
