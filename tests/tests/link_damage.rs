//! A link that flips, drops and repeats bytes, and whole stretches of them: the host repeats itself, and everything comes
//! out as over a clean link, nothing done twice.

use deja_shared::protocol::endpoints::endpoint;
use deja_shared::protocol::messages::{Enroll, Enrolled, Identified, Name, Nothing, Statistics};
use deja_tests::model::{picture, small};
use deja_tests::native::NativeCamera;
use deja_tests::session::{Session, Wire};
use proptest::prelude::*;

const SIZE: [u16; 2] = [8, 6];
/// One byte in so many is damaged.
const RATE: u64 = 1500;

#[test]
fn everything_comes_out_as_over_a_clean_link() {
    let (expected, clean) = conversation(NativeCamera::default());
    assert_eq!((clean.damaged_frames, clean.repeated), (0, 0));
    let mut damaged = Statistics::default();
    for seed in 1..=80 {
        let (answers, statistics) = conversation(Damaged { camera: NativeCamera::default(), random: seed });
        assert_eq!(answers, expected, "seed {seed}");
        assert_eq!(statistics.embedded, clean.embedded, "seed {seed}: a repeated request was done twice");
        damaged.damaged_frames += statistics.damaged_frames;
        damaged.repeated += statistics.repeated;
    }
    assert!(damaged.damaged_frames > 20 && damaged.repeated > 20, "the link was not bad enough: {damaged:?}");
}

proptest! {
    #[test]
    fn any_bytes_are_survived_and_the_next_request_is_answered(bytes in proptest::collection::vec(any::<u8>(), 0..9000)) {
        let mut camera = NativeCamera::default();
        camera.send(&bytes);
        camera.receive();
        // Ends whatever the bytes have begun.
        camera.send(&[0]);
        camera.receive();
        prop_assert!(Session::new(camera).hello().is_ok());
    }
}

fn conversation<W: Wire>(wire: W) -> ((Vec<Enrolled>, Vec<Identified>), Statistics) {
    let mut host = Session::new(wire);
    host.hello().unwrap();
    host.flash(&small().emit()).unwrap();
    let enroll = |host: &mut Session<W>, seed: u32| {
        host.show(SIZE, &picture(seed)).unwrap();
        let name = Name::try_from(format!("person {}", seed % 3).as_str()).unwrap();
        host.ask::<endpoint::Enroll>(&Enroll { name }).unwrap()
    };
    let enrolled = (0..9).map(|seed| enroll(&mut host, seed)).collect();
    let identify = |seed| {
        host.show(SIZE, &picture(seed)).unwrap();
        host.ask::<endpoint::Identify>(&Nothing).unwrap()
    };
    let identified = [0, 4, 100].map(identify).to_vec();
    ((enrolled, identified), host.ask::<endpoint::Statistics>(&Nothing).unwrap())
}

/// A bad cable in both directions.
struct Damaged {
    camera: NativeCamera,
    random: u64,
}

impl Damaged {
    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % bound
    }

    fn damage(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut passed = Vec::new();
        let mut lost = 0;
        for &byte in bytes {
            if self.below(RATE) == 0 {
                match self.below(4) {
                    0 => passed.push(byte ^ 1 << self.below(8)),
                    1 => passed.extend([byte; 2]),
                    2 => {}
                    _ => lost = self.below(100),
                }
            } else if lost > 0 {
                lost -= 1;
            } else {
                passed.push(byte);
            }
        }
        passed
    }
}

impl Wire for Damaged {
    fn send(&mut self, bytes: &[u8]) {
        let passed = self.damage(bytes);
        self.camera.send(&passed);
    }

    fn receive(&mut self) -> Vec<u8> {
        let bytes = self.camera.receive();
        self.damage(&bytes)
    }
}
