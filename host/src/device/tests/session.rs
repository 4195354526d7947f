//! Whole sessions with a simulated camera.

use super::*;
use crate::device::{Address, ClientError, GalleryFile, cosine};
use crate::quantize::Int8Model;
use deja_shared::model::Model;
use deja_shared::protocol::events::Event;
use deja_shared::protocol::messages::Decision;
use deja_shared::protocol::refusal::Refusal;

fn refusal<T: std::fmt::Debug>(outcome: Result<T, ClientError>) -> Refusal {
    outcome.unwrap_err().refusal().unwrap()
}

#[test]
fn flash_enroll_identify_export_clear_import() {
    let simulator = simulator();
    let mut client = connect(&simulator);
    assert_eq!(client.capabilities().board, "sim");
    assert_eq!(refusal(client.identify(SIZE, &picture(0))), Refusal::NoModel);

    let committed = client.flash_model(model(1), &Silent).unwrap();
    assert_eq!(committed.model.fingerprint, Model::digest(model(1)));
    assert_eq!(client.model().unwrap(), &committed.model);
    let first = client.enroll("ann", SIZE, &picture(0)).unwrap();
    assert_eq!((first.templates, first.own), (1, None));
    let second = client.enroll("ann", SIZE, &picture(1)).unwrap();
    assert_eq!((second.identity, second.templates), (first.identity, 2));
    let other = client.enroll("bo", SIZE, &picture(2)).unwrap();
    assert_ne!(other.identity, first.identity);

    let seen = client.identify(SIZE, &picture(2)).unwrap();
    assert_eq!(seen.decision, Decision::Match);
    assert_eq!(seen.best.as_ref().map(|best| (best.name.as_str(), cosine(best.cosine))), Some(("bo", 1.0)));
    let before: Vec<_> = client.list().unwrap().iter().map(|who| (who.name.to_string(), who.templates)).collect();
    assert_eq!(before, [("ann".to_owned(), 2), ("bo".to_owned(), 1)]);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("people.json");
    client.export(&Silent).unwrap().write(&path).unwrap();
    assert_eq!(client.clear().unwrap(), 2);
    assert_eq!(client.identify(SIZE, &picture(2)).unwrap().best, None);
    let file = GalleryFile::read(&path).unwrap();
    assert_eq!(client.import(&file, &Silent).unwrap(), 3);
    assert_eq!(client.import(&file, &Silent).unwrap(), 0, "what is there already is not added twice");
    assert_eq!(client.export(&Silent).unwrap(), file);
    assert_eq!(client.identify(SIZE, &picture(0)).unwrap().best.unwrap().name, "ann");

    assert_eq!(client.remove("ann").unwrap().templates, 2);
    assert!(matches!(client.remove("ann"), Err(ClientError::Nobody { name }) if name == "ann"));
    assert_eq!(client.list().unwrap().len(), 1);
}

#[test]
fn the_camera_embeds_as_the_host_does() {
    let simulator = simulator();
    let mut client = connect(&simulator);
    client.flash_model(model(1), &Silent).unwrap();
    let native = Int8Model::from_bytes(model(1).clone()).unwrap();
    for number in 0..4 {
        let expected = native.embeddings(&picture(number), &Silent).unwrap();
        assert_eq!(Some(client.embed(SIZE, &picture(number)).unwrap().embedding), expected[0]);
    }
    assert_eq!(client.statistics().unwrap().embedded, 4);
}

#[test]
fn threshold_and_gallery_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let address = Address::Sim { flash: Some(folder.path().join("camera.flash")) };
    let mut client = Client::connect(&address).unwrap();
    client.flash_model(model(1), &Silent).unwrap();
    client.enroll("ann", SIZE, &picture(0)).unwrap();
    assert_eq!(client.set_threshold(Some(1234)).unwrap().cosine, Some(1234));
    client.reboot().unwrap();
    assert_eq!((client.capabilities().identities, client.capabilities().templates), (1, 1));
    drop(client);
    let mut client = Client::connect(&address).unwrap();
    assert_eq!(client.model().unwrap().fingerprint, Model::digest(model(1)));
    assert_eq!(client.identify(SIZE, &picture(0)).unwrap().threshold, 1234);
    assert_eq!(client.set_threshold(None).unwrap().cosine, None);
    assert_eq!(client.identify(SIZE, &picture(0)).unwrap().threshold, 32_000);
}

#[test]
fn a_full_identity_and_a_full_gallery_are_refused_and_nothing_is_lost() {
    let simulator = simulator();
    let mut client = connect(&simulator);
    client.flash_model(model(1), &Silent).unwrap();
    for number in 0..8 {
        client.enroll("ann", SIZE, &picture(number)).unwrap();
    }
    assert_eq!(refusal(client.enroll("ann", SIZE, &picture(8))), Refusal::IdentityFull { capacity: 8 });
    let exported = client.export(&Silent).unwrap();
    let mut crowd = exported.clone();
    for copy in 0..32 {
        crowd.templates.extend(exported.templates.iter().cloned().map(|mut template| {
            template.name = crate::device::name(&format!("somebody {copy}")).unwrap();
            template
        }));
    }
    let error = client.import(&crowd, &Silent).unwrap_err();
    assert!(matches!(error, ClientError::NoRoom { templates: 256, room: 248 }), "{error}");
    assert_eq!(client.export(&Silent).unwrap(), exported);
    crowd.templates.truncate(256);
    assert_eq!(client.import(&crowd, &Silent).unwrap(), 248);
    assert_eq!(refusal(client.enroll("one more", SIZE, &picture(9))), Refusal::GalleryFull { capacity: 256 });
    assert_eq!(client.export(&Silent).unwrap(), crowd);
}

#[test]
fn another_model_keeps_the_templates_but_does_not_compare_them() {
    let simulator = simulator();
    let mut client = connect(&simulator);
    client.flash_model(model(1), &Silent).unwrap();
    client.enroll("ann", SIZE, &picture(0)).unwrap();
    let gallery = client.export(&Silent).unwrap();
    assert_eq!(client.flash_model(model(2), &Silent).unwrap().foreign_templates, 1);
    assert!(!client.capabilities().gallery_fits_model);
    assert_eq!(refusal(client.identify(SIZE, &picture(0))), Refusal::ForeignGallery);
    assert!(matches!(client.import(&gallery, &Silent), Err(ClientError::ForeignGallery { .. })));
    client.flash_model(model(1), &Silent).unwrap();
    assert_eq!(client.identify(SIZE, &picture(0)).unwrap().best.unwrap().name, "ann");
}

#[test]
fn a_model_that_does_not_fit_or_is_damaged_leaves_the_old_one_running() {
    let small = crate::simulator::Settings { flash_bytes: 1 << 20, ..Default::default() };
    let simulator = Simulator::start(&small).unwrap();
    let mut client = connect(&simulator);
    client.flash_model(model(1), &Silent).unwrap();
    let refused = refusal(client.flash_model(&vec![0; 1 << 20], &Silent));
    assert!(matches!(refused, Refusal::ModelTooLarge { .. }), "{refused}");
    let mut flipped = model(2).clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 4;
    let mut newer = model(2).clone();
    newer[4] = 9;
    for bad in [flipped, newer, AlignedBytes::from(&b"no model at all!"[..])] {
        assert!(matches!(refusal(client.flash_model(&bad, &Silent)), Refusal::InvalidModel(_)));
    }
    assert_eq!(client.refresh().unwrap().model.as_ref().unwrap().fingerprint, Model::digest(model(1)));
    client.embed(SIZE, &picture(0)).unwrap();
}

#[test]
fn a_camera_with_a_sensor_tells_what_it_sees() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..2 {
        let path = folder.path().join(format!("{number}.png"));
        image::save_buffer(path, &picture(number), 32, 32, image::ColorType::Rgb8).unwrap();
    }
    let frames = Some((folder.path().to_owned(), Duration::from_millis(1)));
    let simulator = Simulator::start(&crate::simulator::Settings { frames, ..Default::default() }).unwrap();
    let mut client = connect(&simulator);
    client.flash_model(model(1), &Silent).unwrap();
    client.enroll("ann", SIZE, &picture(0)).unwrap();
    let is_exact = |event| match event {
        Ok(Event::Sighting { identified, .. }) => identified.best.unwrap().cosine == i16::MAX,
        other => panic!("{other:?}"),
    };
    let exact: Vec<bool> = client.watch(&|| false).take(4).map(is_exact).collect();
    assert_eq!(
        exact.iter().filter(|&&exact| exact).count(),
        2,
        "two pictures in turn, one of them enrolled: {exact:?}"
    );
    assert!(client.watch(&|| true).next().is_none());
}
