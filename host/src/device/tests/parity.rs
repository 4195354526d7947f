//! Bits that flip in a model, on the way and in a simulated camera's flash.

use super::*;
use crate::device::ClientError;
use crate::simulator;
use deja_shared::model::Model;
use deja_shared::protocol::messages::Certificate;
use deja_shared::protocol::refusal::Refusal;
use std::path::Path;

#[test]
fn a_model_that_was_changed_on_its_way_is_refused_and_the_former_one_runs_on() {
    let simulator = simulator();
    let mut client = connect(&simulator);
    client.flash_model(model(1), &Silent).unwrap();
    let certificate = client.verify().unwrap();
    assert_eq!((certificate.fingerprint, certificate.pairs), (Model::digest(model(1)), 2));
    assert_eq!((certificate.fault, certificate.rolled_back), (None, false));
    // The digests are right: what a wrong tool would send.
    let error = client.flash_model(&forged(model(2)), &Silent).unwrap_err();
    assert_eq!(error.refusal(), Some(Refusal::Parity { pair: 0 }));
    assert!(error.to_string().contains("bit for bit"), "{error}");
    assert_eq!(client.refresh().unwrap().model.as_ref().unwrap().fingerprint, Model::digest(model(1)));
    let again = client.verify().unwrap();
    assert_eq!(again, Certificate { microseconds: again.microseconds, ..certificate });
}

#[test]
fn a_bit_that_flips_in_flash_brings_the_older_model_back_with_its_gallery() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("camera.flash");
    let settings = simulator::Settings { flash: Some(path.clone()), ..Default::default() };
    let on = || Simulator::start(&settings).unwrap();
    let camera = on();
    let mut client = connect(&camera);
    client.flash_model(model(1), &Silent).unwrap();
    client.enroll("ann", SIZE, &picture(0)).unwrap();
    client.flash_model(model(2), &Silent).unwrap();
    drop((client, camera));
    let mut flipped = model(2).clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 4;
    for bad in [forged(model(2)), flipped] {
        exchange(&path, model(2), &bad);
        let camera = on();
        let mut client = connect(&camera);
        let certificate = client.verify().unwrap();
        assert_eq!((certificate.fingerprint, certificate.fault), (Model::digest(model(1)), None));
        assert!(certificate.rolled_back && client.capabilities().gallery_fits_model);
        assert_eq!(client.identify(SIZE, &picture(0)).unwrap().best.unwrap().name, "ann");
        client.flash_model(model(2), &Silent).unwrap();
        let certificate = client.verify().unwrap();
        assert_eq!((certificate.fingerprint, certificate.rolled_back), (Model::digest(model(2)), false));
    }
}

#[test]
fn without_a_model_there_is_nothing_to_verify() {
    let simulator = simulator();
    let error = connect(&simulator).verify().unwrap_err();
    assert!(matches!(error, ClientError::Refused { refusal: Refusal::NoModel, .. }), "{error}");
}

/// A bit of the last layer's weights is another, and the fingerprint fits.
fn forged(file: &AlignedBytes) -> AlignedBytes {
    let mut forged = file.clone();
    let model = Model::parse(file).unwrap();
    forged[model.layer(model.header().layer_count - 1).weights_offset as usize] ^= 0x40;
    let digest = Model::digest(&forged);
    forged[16..48].copy_from_slice(&digest);
    forged
}

/// Puts `new` where `old` lies in the flash of a camera that is off.
fn exchange(flash: &Path, old: &[u8], new: &[u8]) {
    let mut bytes = std::fs::read(flash).unwrap();
    let place = bytes.windows(old.len()).step_by(16).position(|there| there == old).unwrap() * 16;
    bytes[place..place + new.len()].copy_from_slice(new);
    std::fs::write(flash, bytes).unwrap();
}
