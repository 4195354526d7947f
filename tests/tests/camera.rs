//! A whole camera in this process, asked over its link.

use deja_firmware::board::PictureSize;
use deja_firmware::board::memory::{PowerCut, Remains};
use deja_firmware::camera::{HOST_INTERVAL_US, LOOK_INTERVAL_US};
use deja_shared::model::{Model, ModelError};
use deja_shared::protocol::endpoints::{Endpoint, endpoint};
use deja_shared::protocol::events::Event;
use deja_shared::protocol::frame::{self, Kind, MAX_FRAME};
use deja_shared::protocol::messages::{
    Decision, Enroll, Hello, ImageBegin, ImageChunk, ListIdentities, ModelBegin, ModelCommit, Name, Nothing,
    RemoveIdentity, StoredTemplate, TemplateAt, Threshold,
};
use deja_shared::protocol::refusal::{Fault, Refusal};
use deja_tests::model::{Draft, other, picture, small};
use deja_tests::native::NativeCamera;
use deja_tests::session::{No, Session, Wire, sha256};

const SIZE: [u16; 2] = [8, 6];

#[test]
fn knows_whom_it_has_seen() {
    let mut host = with_model(&small());
    let (ada, bob) = (enroll(&mut host, "Ada", 1), enroll(&mut host, "Bob", 4));
    assert_eq!((ada.identity, ada.templates, ada.own), (1, 1, None));
    assert_eq!((bob.identity, bob.templates), (2, 1));
    host.show(SIZE, &picture(4)).unwrap();
    let found = host.ask::<endpoint::Identify>(&Nothing).unwrap();
    let best = found.best.unwrap();
    assert_eq!((found.decision, best.name.as_str(), best.cosine), (Decision::Match, "Bob", i16::MAX));
    assert_eq!(found.runner_up.unwrap().identity, 1);
    assert_eq!(found.threshold, 20_000);
    let again = enroll(&mut host, "Bob", 4);
    assert_eq!((again.identity, again.templates, again.own), (2, 2, Some(i16::MAX)));
    // The picture of somebody else under a new name: worth a second look.
    let double = enroll(&mut host, "Cleo", 1);
    assert_eq!(double.confusable.unwrap().name.as_str(), "Ada");
}

#[test]
fn a_large_picture_is_scaled_as_the_host_scales_it() {
    let mut host = with_model(&small());
    let pixels: Vec<u8> = (0..40 * 31 * 3).map(|i| (i * i / 7) as u8).collect();
    host.show([40, 31], &pixels).unwrap();
    let embedded = host.ask::<endpoint::Embed>(&Nothing).unwrap();
    let mut scaled = vec![0; 8 * 6 * 3];
    deja_firmware::image::resize(&pixels, [40, 31], &mut scaled, [8, 6]).unwrap();
    host.show(SIZE, &scaled).unwrap();
    assert_eq!(host.ask::<endpoint::Embed>(&Nothing).unwrap().embedding, embedded.embedding);
}

#[test]
fn a_restart_keeps_model_gallery_and_threshold() {
    let mut host = with_model(&small());
    enroll(&mut host, "Ada", 1);
    host.ask::<endpoint::SetThreshold>(&Threshold { cosine: Some(-5) }).unwrap();
    let before = host.hello().unwrap();
    host.ask::<endpoint::Reboot>(&Nothing).unwrap();
    assert_eq!(host.ask::<endpoint::Embed>(&Nothing), Err(No::Fault(Fault::Version)), "no hello since the restart");
    assert_eq!(host.hello(), Ok(before));
    assert_eq!(host.ask::<endpoint::GetThreshold>(&Nothing), Ok(Threshold { cosine: Some(-5) }));
    host.show(SIZE, &picture(1)).unwrap();
    let found = host.ask::<endpoint::Identify>(&Nothing).unwrap();
    assert_eq!((found.best.unwrap().name.as_str(), found.threshold), ("Ada", -5));
}

#[test]
fn the_gallery_is_listed_exported_and_imported() {
    let mut host = with_model(&small());
    for seed in 0..20 {
        enroll(&mut host, &format!("person {seed}"), seed);
    }
    let page = |host: &mut Session<NativeCamera>, skip| host.ask::<endpoint::ListIdentities>(&ListIdentities { skip });
    let (first, second) = (page(&mut host, 0).unwrap(), page(&mut host, 16).unwrap());
    assert_eq!((first.total, first.identities.len(), second.identities.len()), (20, 16, 4));
    assert_eq!(second.identities[3].name.as_str(), "person 19");
    let read = |host: &mut Session<NativeCamera>, index| host.ask::<endpoint::ReadTemplate>(&TemplateAt { index });
    let exported: Vec<_> = (0..20).map(|index| read(&mut host, index).unwrap()).collect();
    assert_eq!(read(&mut host, 20), refused(Refusal::NotFound));
    host.ask::<endpoint::RemoveIdentity>(&RemoveIdentity { identity: 5 }).unwrap();
    let gone = host.ask::<endpoint::RemoveIdentity>(&RemoveIdentity { identity: 5 });
    assert_eq!(gone, refused(Refusal::NotFound));
    assert_eq!(host.ask::<endpoint::ClearGallery>(&Nothing).unwrap().identities, 19);
    for template in &exported {
        host.ask::<endpoint::WriteTemplate>(template).unwrap();
    }
    assert_eq!(read(&mut host, 7), Ok(exported[7].clone()));
    let foreign = StoredTemplate { fingerprint: [0; 32], ..exported[0].clone() };
    assert_eq!(host.ask::<endpoint::WriteTemplate>(&foreign), refused(Refusal::ForeignTemplate));
}

#[test]
fn another_model_does_not_compare_with_the_old_gallery() {
    let mut host = with_model(&small());
    enroll(&mut host, "Ada", 1);
    let committed = host.flash(&other().emit()).unwrap();
    assert_eq!(committed.foreign_templates, 1);
    host.show(SIZE, &picture(1)).unwrap();
    assert_eq!(host.ask::<endpoint::Identify>(&Nothing), refused(Refusal::ForeignGallery));
    assert_eq!(host.ask::<endpoint::Enroll>(&named("Bob")), refused(Refusal::ForeignGallery));
    assert!(!host.hello().unwrap().gallery_fits_model);
    assert_eq!(host.flash(&small().emit()).unwrap().foreign_templates, 0);
    host.show(SIZE, &picture(1)).unwrap();
    assert_eq!(host.ask::<endpoint::Identify>(&Nothing).unwrap().decision, Decision::Match);
}

#[test]
fn a_full_gallery_says_so_and_takes_more_after_a_removal() {
    let mut host = with_model(&small());
    for number in 0..64 {
        enroll(&mut host, &format!("person {number}"), number);
    }
    let full = host.ask::<endpoint::Enroll>(&named("one more")).map(|_| ());
    assert_eq!(full, Err(No::Refusal(Refusal::GalleryFull { capacity: 256 })));
    host.ask::<endpoint::RemoveIdentity>(&RemoveIdentity { identity: 3 }).unwrap();
    assert_eq!(host.ask::<endpoint::Enroll>(&named("one more")).unwrap().identity, 65);
}

#[test]
fn flash_that_fails_changes_nothing() {
    let mut host = with_model(&small());
    enroll(&mut host, "Ada", 1);
    host.wire.restart(|flash| flash.set_power_cut(Some(PowerCut { operations: 7, remains: Remains::Garbage(5) })));
    host.hello().unwrap();
    host.show(SIZE, &picture(4)).unwrap();
    assert_eq!(host.ask::<endpoint::Enroll>(&named("Bob")).map(|_| ()), Err(No::Refusal(Refusal::Flash)));
    let threshold = Threshold { cosine: Some(1) };
    assert_eq!(host.ask::<endpoint::SetThreshold>(&threshold), Err(No::Refusal(Refusal::Flash)));
    assert_eq!(host.ask::<endpoint::GetThreshold>(&Nothing), Ok(Threshold { cosine: None }));
    assert_eq!(host.hello().unwrap().identities, 1);
    host.wire.restart(|flash| flash.set_power_cut(None));
    assert_eq!(host.hello().unwrap().identities, 1);
    assert_eq!(enroll(&mut host, "Bob", 4).identity, 2);
}

#[test]
fn refusals_name_what_is_wrong() {
    let mut host = Session::new(NativeCamera::default());
    let capacity = host.hello().unwrap().max_image;
    assert_eq!(host.ask::<endpoint::Embed>(&Nothing), refused(Refusal::NoModel));
    let file = small().emit();
    assert_eq!(host.flash(&file[..file.len() - 1]).map(|_| ()), refused(Refusal::InvalidModel(ModelError::Truncated)));
    host.flash(&file).unwrap();
    assert_eq!(host.ask::<endpoint::Embed>(&Nothing), refused(Refusal::NoImage));
    let chunk = ImageChunk { offset: 0, bytes: &[1] };
    assert_eq!(host.ask::<endpoint::ImageChunk>(&chunk), refused(Refusal::NoImage));
    for (height, width) in [(0, 6), (6, 0), (u16::MAX, u16::MAX), (200, 200)] {
        let size = Refusal::ImageSize { capacity: capacity - 8 * 6 * 3 };
        assert_eq!(host.ask::<endpoint::ImageBegin>(&ImageBegin { height, width }), refused(size));
    }
    host.ask::<endpoint::ImageBegin>(&ImageBegin { height: 8, width: 6 }).unwrap();
    assert_eq!(host.ask::<endpoint::Embed>(&Nothing), refused(Refusal::NoImage));
    let beyond = ImageChunk { offset: 0, bytes: &[1; 145] };
    assert_eq!(host.ask::<endpoint::ImageChunk>(&beyond), refused(Refusal::WrongOffset { expected: 0 }));
    host.show(SIZE, &picture(1)).unwrap();
    assert_eq!(host.ask::<endpoint::Enroll>(&named("bell\u{7}")).map(|_| ()), refused(Refusal::Name));
    let unknown = ModelCommit { sha256: [1; 32] };
    assert_eq!(host.ask::<endpoint::ModelCommit>(&unknown).map(|_| ()), refused(Refusal::NoTransfer));
}

#[test]
fn only_the_frozen_part_is_answered_to_another_version() {
    let mut host = Session::new(NativeCamera::default());
    let file = small().emit();
    assert_eq!(host.ask::<endpoint::Statistics>(&Nothing), Err(No::Fault(Fault::Version)));
    let capabilities = host.ask::<endpoint::Hello>(&Hello { protocol: 999 }).unwrap();
    assert_eq!(capabilities.protocol, deja_shared::protocol::PROTOCOL_VERSION);
    assert_eq!(host.ask::<endpoint::Statistics>(&Nothing), Err(No::Fault(Fault::Version)));
    assert_eq!(host.flash(&file).unwrap().model.fingerprint, Model::parse(&file).unwrap().header().fingerprint);
    host.ask::<endpoint::Recover>(&Nothing).unwrap();
    assert_eq!(host.hello().unwrap().model, None);
    assert!(host.ask::<endpoint::Statistics>(&Nothing).is_ok());
}

#[test]
fn the_same_frame_again_does_nothing_twice() {
    let mut host = with_model(&small());
    host.show(SIZE, &picture(1)).unwrap();
    let mut frame = [0; MAX_FRAME];
    let length = frame::encode(Kind::Request, endpoint::Enroll::ID, 5000, &named("Ada"), &mut frame).unwrap();
    let mut answers: Vec<Vec<u8>> = Vec::new();
    for _ in 0..3 {
        host.wire.send(&frame[..length]);
        answers.push(host.wire.receive());
    }
    assert!(!answers[0].is_empty() && answers[0] == answers[1] && answers[0] == answers[2]);
    let statistics = host.ask::<endpoint::Statistics>(&Nothing).unwrap();
    assert_eq!((statistics.embedded, statistics.repeated), (1, 2));
    assert_eq!(host.hello().unwrap().templates, 1);
}

#[test]
fn malformed_and_unknown_requests_are_faults() {
    let mut host = with_model(&small());
    for (endpoint, payload, fault) in [(200, 7, Fault::UnknownEndpoint), (endpoint::Embed::ID, 7, Fault::Malformed)] {
        let mut frame = [0; MAX_FRAME];
        let length = frame::encode(Kind::Request, endpoint, 9, &payload, &mut frame).unwrap();
        host.wire.send(&frame[..length]);
        let mut expected = [0; MAX_FRAME];
        let length = frame::encode(Kind::Fault, endpoint, 9, &fault, &mut expected).unwrap();
        assert_eq!(host.wire.receive(), expected[..length]);
    }
}

#[test]
fn the_sensor_is_looked_at_when_the_host_is_silent() {
    let mut host = with_model(&small());
    enroll(&mut host, "Ada", 1);
    let size = PictureSize { height: 8, width: 6 };
    for seed in [1, 4] {
        host.wire.see(size, &picture(seed));
    }
    host.ask::<endpoint::Statistics>(&Nothing).unwrap();
    assert_eq!(host.events, [], "the host's picture stays for a while");
    host.wire.wait(HOST_INTERVAL_US);
    for _ in 0..3 {
        host.wire.work();
        host.ask::<endpoint::Statistics>(&Nothing).unwrap();
        host.wire.wait(LOOK_INTERVAL_US);
    }
    assert_eq!(host.ask::<endpoint::Embed>(&Nothing), refused(Refusal::NoImage), "what was seen is not the host's");
    let seen = host.events.iter().map(|event| match event {
        Event::Sighting { identified, .. } => identified.best.as_ref().map(|best| best.cosine),
        Event::Log { .. } => None,
    });
    let seen: Vec<_> = seen.collect();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0], Some(i16::MAX));
    assert!(seen[1] < seen[0]);
}

#[test]
fn a_transfer_goes_on_after_a_restart() {
    let mut draft = small();
    draft.certify(&(0..80).map(picture).collect::<Vec<_>>());
    let file = draft.emit();
    let mut host = Session::new(NativeCamera::default());
    let begin = ModelBegin { bytes: file.len() as u32, sha256: sha256(&file) };
    assert_eq!(host.ask::<endpoint::ModelBegin>(&begin).unwrap().next, 0);
    for offset in (0..6 * 2048).step_by(2048) {
        let bytes = &file[offset as usize..offset as usize + 2048];
        host.ask::<endpoint::ModelChunk>(&deja_shared::protocol::messages::ModelChunk { offset, bytes }).unwrap();
    }
    host.wire.restart(|_| {});
    assert_eq!(host.ask::<endpoint::ModelBegin>(&begin).unwrap().next, 6 * 2048);
    assert!(host.flash(&file).is_ok());
}

fn refused<T>(refusal: Refusal) -> Result<T, No> {
    Err(No::Refusal(refusal))
}

fn with_model(draft: &Draft) -> Session<NativeCamera> {
    let mut host = Session::new(NativeCamera::default());
    host.hello().unwrap();
    host.flash(&draft.emit()).unwrap();
    host
}

fn named(name: &str) -> Enroll {
    Enroll { name: Name::try_from(name).unwrap() }
}

fn enroll(host: &mut Session<NativeCamera>, name: &str, seed: u32) -> deja_shared::protocol::messages::Enrolled {
    host.show(SIZE, &picture(seed)).unwrap();
    host.ask::<endpoint::Enroll>(&named(name)).unwrap()
}
