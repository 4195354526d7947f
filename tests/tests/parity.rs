//! A model runs on a camera only after its golden pairs came out there, bit for bit.

use deja_shared::model::Model;
use deja_shared::protocol::endpoints::endpoint;
use deja_shared::protocol::messages::Nothing;
use deja_shared::protocol::refusal::Refusal;
use deja_tests::model::{other, small};
use deja_tests::native::NativeCamera;
use deja_tests::parity::{self, Tamper, assert_certified, flipped, forged, replace};
use deja_tests::session::{No, Session};

#[test]
fn a_flipped_bit_never_runs() {
    parity::a_flipped_bit_never_runs(&mut Session::new(NativeCamera::default()));
}

#[test]
fn what_cannot_be_served_never_runs() {
    parity::what_cannot_be_served_never_runs(&mut Session::new(NativeCamera::default()));
}

#[test]
fn the_flip_of_these_tests_fools_the_checksum_and_not_the_golden_pairs() {
    let file = small().emit();
    assert!(Model::parse(&flipped(&file)).is_err());
    let forged = forged(&file);
    let model = Model::parse(&forged).unwrap();
    assert!(deja_firmware::embedder::check_golden(&model, &mut vec![0; 336]).is_err());
}

#[test]
fn without_an_older_model_a_damaged_one_leaves_none() {
    let file = small().emit();
    let mut host = Session::new(NativeCamera::default());
    host.hello().unwrap();
    assert_eq!(host.ask::<endpoint::Verify>(&Nothing), Err(No::Refusal(Refusal::NoModel)));
    for bad in [flipped(&file), forged(&file)] {
        host.flash(&file).unwrap();
        host.wire.tamper(&|flash| replace(flash, &file, &bad));
        assert_eq!(host.hello().unwrap().model, None);
        assert_eq!(host.ask::<endpoint::Verify>(&Nothing), Err(No::Refusal(Refusal::NoModel)));
    }
    host.flash(&file).unwrap();
    assert_certified(&mut host, &file, false);
}

/// Both models fail, as after a firmware that computes differently: nothing runs, and the next transfer is taken.
#[test]
fn where_both_models_fail_none_runs() {
    let (older, newer) = (small().emit(), other().emit());
    let mut host = Session::new(NativeCamera::default());
    host.hello().unwrap();
    host.flash(&older).unwrap();
    host.flash(&newer).unwrap();
    host.wire.tamper(&|flash| {
        replace(flash, &older, &forged(&older));
        replace(flash, &newer, &forged(&newer));
    });
    assert_eq!(host.hello().unwrap().model, None);
    host.flash(&older).unwrap();
    assert_certified(&mut host, &older, false);
}

#[test]
fn a_model_without_golden_pairs_or_with_wrong_ones_is_refused() {
    let older = small().emit();
    let mut host = Session::new(NativeCamera::default());
    host.hello().unwrap();
    host.flash(&older).unwrap();
    let mut none = other();
    none.golden.clear();
    assert_eq!(host.flash(&none.emit()).map(drop), Err(No::Refusal(Refusal::NoGolden)));
    let mut wrong = other();
    wrong.golden[1].1[3] ^= 1;
    assert_eq!(host.flash(&wrong.emit()).map(drop), Err(No::Refusal(Refusal::Parity { pair: 1 })));
    let mut blank = other();
    blank.layers[5].weights.fill(0);
    blank.layers[5].biases.fill(0);
    assert_eq!(host.flash(&blank.emit()).map(drop), Err(No::Refusal(Refusal::Parity { pair: 0 })));
    assert_certified(&mut host, &older, false);
    host.wire.restart(|_| {});
    host.hello().unwrap();
    assert_certified(&mut host, &older, false);
}
