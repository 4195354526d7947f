//! The firmware on every emulated board answers as it does natively: the same embeddings, byte for byte, and nothing is
//! forgotten over a restart.
//!
//! Where the emulator or the compiler's target is missing, the tests say so and pass, except in continuous integration
//! (the environment has `CI`), where that is a failure.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::net::TcpStream;
use std::time::Duration;

use deja::simulator::build_firmware;
use deja::simulator::machine::{self, BOARDS, Board, STORE_BYTES};
use deja::simulator::qemu::{Qemu, QemuError};
use deja_firmware::gallery::MAX_IDENTITIES;
use deja_shared::protocol::endpoints::endpoint;
use deja_shared::protocol::messages::{Embedded, Enroll, Enrolled, Identified, Name, Nothing};
use deja_shared::protocol::refusal::Refusal;
use deja_tests::model::{branched, other, picture, small, wide};
use deja_tests::native::NativeCamera;
use deja_tests::parity::{self, Tamper, assert_certified, fingerprint, flipped, replace};
use deja_tests::session::{Session, Wire};
use deja_tests::tools::skip;

/// Silence of this length means that no answer will come.
const PATIENCE: Duration = Duration::from_secs(20);
const SIZE: [u16; 2] = [8, 6];

macro_rules! boards {
    ($($module:ident: $name:literal;)*) => { $(mod $module {
        #[test]
        fn answers_as_the_native_firmware_does() {
            super::answers_as_the_native_firmware_does($name);
        }

        #[test]
        fn every_kind_of_layer_gives_the_same() {
            super::every_kind_of_layer_gives_the_same($name);
        }

        #[test]
        fn the_firmware_fits_its_flash_and_ram() {
            super::the_firmware_fits_its_flash_and_ram($name);
        }
    })* };
}

boards! {
    cortex_m4: "mps2-an386";
    cortex_m7: "mps2-an500";
    cortex_m33: "mps2-an505";
    cortex_m55: "mps3-an547";
}

fn answers_as_the_native_firmware_does(name: &str) {
    let Some(board) = Emulated::start(name) else { return };
    let (mut board, mut native) = (Session::new(board), Session::new(NativeCamera::default()));
    let (on_board, natively) = (conversation(&mut board), conversation(&mut native));
    assert_eq!(on_board, natively);
    let capabilities = board.hello().unwrap();
    assert_eq!(capabilities.board.as_str(), name);
    assert_eq!(capabilities.model, native.hello().unwrap().model);
    println!("on the board: {capabilities:?}");
    board.ask::<endpoint::Reboot>(&Nothing).unwrap();
    assert_eq!(board.hello().unwrap(), capabilities);
}

#[test]
fn the_board_keeps_model_and_gallery_over_a_restart_and_a_lost_start() {
    let Some(board) = Emulated::start(BOARDS[0].name) else { return };
    let mut host = Session::new(board);
    let before = conversation(&mut host);
    let capabilities = host.hello().unwrap();
    host.ask::<endpoint::Reboot>(&Nothing).unwrap();
    assert_eq!(host.hello().unwrap(), capabilities);
    host.wire.pull_the_plug();
    assert_eq!(host.hello().unwrap(), capabilities);
    host.show(SIZE, &picture(1)).unwrap();
    let found = host.ask::<endpoint::Identify>(&Nothing).unwrap();
    assert_eq!(timeless(found), before.identified[0]);
}

#[test]
fn what_cannot_be_served_never_runs_on_the_board() {
    let Some(board) = Emulated::start(BOARDS[0].name) else { return };
    parity::what_cannot_be_served_never_runs(&mut Session::new(board));
}

#[test]
fn a_flipped_bit_never_runs_on_the_board() {
    let Some(board) = Emulated::start(BOARDS[0].name) else { return };
    let mut host = Session::new(board);
    parity::a_flipped_bit_never_runs(&mut host);
    // A bit that flips while the camera runs is found when the host asks.
    let (older, newer) = (small().emit(), other().emit());
    host.flash(&older).unwrap();
    host.flash(&newer).unwrap();
    host.wire.change_flash(&|flash| replace(flash, &newer, &flipped(&newer)));
    let found = host.ask::<endpoint::Verify>(&Nothing).unwrap();
    assert_eq!((found.fingerprint, found.fault), (fingerprint(&newer), Some(Refusal::WrongDigest)));
    assert_eq!((found.runs, found.rolled_back), (Some(fingerprint(&older)), true));
    assert_certified(&mut host, &older, true);
}

/// Layers of every kind, which the other tests' model has not, and those with 16 bits.
fn every_kind_of_layer_gives_the_same(name: &str) {
    let Some(board) = Emulated::start(name) else { return };
    let (mut board, mut native) = (Session::new(board), Session::new(NativeCamera::default()));
    board.hello().unwrap();
    native.hello().unwrap();
    for (draft, seed) in [branched(), wide()].iter().flat_map(|draft| (0..6).map(move |seed| (draft, seed))) {
        if seed == 0 {
            let file = draft.emit();
            board.flash(&file).unwrap();
            native.flash(&file).unwrap();
        }
        board.show(SIZE, &picture(seed)).unwrap();
        native.show(SIZE, &picture(seed)).unwrap();
        let found = [board.ask::<endpoint::Embed>(&Nothing).unwrap(), native.ask::<endpoint::Embed>(&Nothing).unwrap()];
        let [on_board, natively] = found.map(|embedded| Embedded { microseconds: 0, ..embedded });
        assert_eq!(on_board, natively);
    }
}

fn the_firmware_fits_its_flash_and_ram(name: &str) {
    let Some(elf) = firmware(board(name)) else { return };
    let file = std::fs::read(elf).unwrap();
    let (flash, ram) = sections(&file).fold((0, 0), |(flash, ram), (address, bytes, is_stored)| {
        let in_ram = address >= 0x2000_0000;
        (flash + if is_stored { bytes } else { 0 }, ram + if in_ram { bytes } else { 0 })
    });
    println!("{name}: {flash} bytes of 262144 of flash (program), {ram} of 524288 of RAM (static)");
    // The board has 256 KiB; many a microcontroller has less.
    assert!(flash > 0 && flash <= 96 << 10);
    // What is left is the stack's.
    assert!(ram > 0 && ram + (64 << 10) <= 512 << 10);
}

/// What was answered, without the times that it took.
#[derive(Debug, PartialEq)]
struct Answers {
    embedded: Vec<Embedded>,
    enrolled: Vec<Enrolled>,
    identified: Vec<Identified>,
}

fn conversation<W: Wire>(host: &mut Session<W>) -> Answers {
    host.hello().unwrap();
    host.flash(&small().emit()).unwrap();
    let mut answers = Answers { embedded: Vec::new(), enrolled: Vec::new(), identified: Vec::new() };
    for seed in 0..6 {
        host.show(SIZE, &picture(seed)).unwrap();
        let embedded = host.ask::<endpoint::Embed>(&Nothing).unwrap();
        answers.embedded.push(Embedded { microseconds: 0, ..embedded });
        let enroll = Enroll { name: Name::try_from(format!("person {}", seed % 4).as_str()).unwrap() };
        answers.enrolled.push(host.ask::<endpoint::Enroll>(&enroll).unwrap());
    }
    // A large picture, which the camera scales.
    let large: Vec<u8> = (0..90 * 61 * 3u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    host.show([90, 61], &large).unwrap();
    answers.embedded.push(Embedded { microseconds: 0, ..host.ask::<endpoint::Embed>(&Nothing).unwrap() });
    for seed in [1, 5, 77] {
        host.show(SIZE, &picture(seed)).unwrap();
        answers.identified.push(timeless(host.ask::<endpoint::Identify>(&Nothing).unwrap()));
    }
    assert!(answers.enrolled.len() <= MAX_IDENTITIES);
    answers
}

fn timeless(identified: Identified) -> Identified {
    Identified { microseconds: 0, ..identified }
}

/// The board with a fresh flash.
struct Emulated {
    board: &'static Board,
    folder: tempfile::TempDir,
    firmware: std::path::PathBuf,
    qemu: Option<Qemu>,
    stream: Option<TcpStream>,
}

impl Emulated {
    fn start(name: &str) -> Option<Self> {
        let (board, folder) = (board(name), tempfile::tempdir().unwrap());
        let mut emulated = Self { board, folder, firmware: firmware(board)?, qemu: None, stream: None };
        match emulated.power() {
            Ok(()) => Some(emulated),
            Err(error) => skip(&error),
        }
    }

    /// Ends the emulator in the midst of whatever it does, and starts it again with the same flash.
    fn pull_the_plug(&mut self) {
        (self.stream, self.qemu) = (None, None);
        self.power().unwrap();
    }

    /// Changes the file that the board's flash lies in, whether it runs or not.
    fn change_flash(&self, change: &dyn Fn(&mut [u8])) {
        let path = self.folder.path().join("flash");
        let mut bytes = vec![0; STORE_BYTES];
        let mut file = File::options().read(true).write(true).open(path).unwrap();
        file.read_exact(&mut bytes).unwrap();
        change(&mut bytes);
        file.seek(SeekFrom::Start(0)).unwrap();
        file.write_all(&bytes).unwrap();
    }

    fn power(&mut self) -> Result<(), QemuError> {
        let qemu = Qemu::start(self.board, &self.firmware, &self.folder.path().join("flash"))?;
        let stream = TcpStream::connect(qemu.address()).expect("the emulator listens");
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        (self.qemu, self.stream) = (Some(qemu), Some(stream));
        Ok(())
    }
}

impl Tamper for Emulated {
    fn tamper(&mut self, change: &dyn Fn(&mut [u8])) {
        (self.stream, self.qemu) = (None, None);
        self.change_flash(change);
        self.power().unwrap();
    }
}

impl Wire for Emulated {
    fn send(&mut self, bytes: &[u8]) {
        self.stream.as_mut().unwrap().write_all(bytes).unwrap();
    }

    fn receive(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 4096];
        match self.stream.as_mut().unwrap().read(&mut bytes) {
            Ok(0) => panic!("the emulator has ended: the firmware panicked"),
            Ok(count) => bytes[..count].to_vec(),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Vec::new(),
            Err(error) => panic!("{error}"),
        }
    }
}

fn board(name: &str) -> &'static Board {
    machine::board(name).expect("a board of this name")
}

fn firmware(board: &Board) -> Option<std::path::PathBuf> {
    build_firmware(board).map_or_else(|error| skip(&error), Some)
}

/// Address, length, and whether it lies in the program's flash, of each allocated section of a 32-bit ELF file.
fn sections(elf: &[u8]) -> impl Iterator<Item = (u32, u32, bool)> {
    let word = |at: usize| u32::from_le_bytes(elf[at..at + 4].try_into().unwrap());
    let half = |at: usize| usize::from(u16::from_le_bytes(elf[at..at + 2].try_into().unwrap()));
    assert_eq!(elf[..6], *b"\x7fELF\x01\x01");
    let (table, size, count) = (word(32) as usize, half(46), half(48));
    (0..count).map(move |index| table + index * size).filter_map(move |header| {
        let (kind, flags) = (word(header + 4), word(header + 8));
        // SHF_ALLOC; SHT_NOBITS takes no place in flash.
        (flags & 2 != 0).then(|| (word(header + 12), word(header + 20), kind != 8))
    })
}
