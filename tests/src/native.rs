//! A camera in this process: its parts are in memory, and the test holds their other ends.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::rc::Rc;

use deja_firmware::board::memory::{Line, MemoryFlash};
use deja_firmware::board::{Board, Clock, Flash, NoIndicator, Parts, PictureSize, Sensor};
use deja_firmware::camera::{Activity, Camera};
use deja_firmware::gallery::Gallery;
use deja_firmware::recognizer::Buffers;
use embedded_io::{ErrorType, Read, ReadReady, Write};

use crate::parity::Tamper;
use crate::session::Wire;

/// Length of the flash.
const FLASH_BYTES: usize = 512 << 10;
/// Length of the activation memory.
const ARENA_BYTES: usize = 256 << 10;
/// Length of the pixel buffer.
const PIXEL_BYTES: usize = 96 << 10;

/// The board.
pub struct Native;

impl Board for Native {
    const NAME: &'static str = "native";
    const SNAPSHOT_BYTES: u32 = 72 << 10;
    type Link = Pipe;
    type Flash = NativeFlash;
    type Clock = HandClock;
    type Indicator = NoIndicator;
    type Sensor = Pictures;
}

/// Flash that outlives the camera.
pub type NativeFlash = MemoryFlash<Vec<Line>>;

/// Both directions of the link.
#[derive(Debug, Clone, Default)]
pub struct Pipe {
    to_camera: Rc<RefCell<VecDeque<u8>>>,
    to_host: Rc<RefCell<VecDeque<u8>>>,
}

impl ErrorType for Pipe {
    type Error = Infallible;
}

impl ReadReady for Pipe {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(!self.to_camera.borrow().is_empty())
    }
}

impl Read for Pipe {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        let mut waiting = self.to_camera.borrow_mut();
        let count = bytes.len().min(waiting.len());
        bytes[..count].iter_mut().zip(waiting.drain(..count)).for_each(|(place, byte)| *place = byte);
        Ok(count)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.to_host.borrow_mut().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// A clock that the test sets.
#[derive(Debug, Clone, Default)]
pub struct HandClock(Rc<Cell<u64>>);

impl Clock for HandClock {
    fn micros(&mut self) -> u64 {
        self.0.get()
    }
}

/// The pictures that the sensor will see.
#[derive(Debug, Clone, Default)]
pub struct Pictures(Rc<RefCell<VecDeque<Picture>>>);

type Picture = (PictureSize, Vec<u8>);

impl Sensor for Pictures {
    fn capture(&mut self, pixels: &mut [u8]) -> Option<PictureSize> {
        let (size, picture) = self.0.borrow_mut().pop_front()?;
        pixels.get_mut(..picture.len())?.copy_from_slice(&picture);
        Some(size)
    }
}

/// The camera with the other ends of its parts.
pub struct NativeCamera {
    camera: Option<Camera<'static, Native>>,
    pipe: Pipe,
    clock: HandClock,
    pictures: Pictures,
}

impl Default for NativeCamera {
    fn default() -> Self {
        Self::new(MemoryFlash::new(vec![Line::ERASED; FLASH_BYTES / size_of::<Line>()]))
    }
}

impl NativeCamera {
    /// A camera that starts with this flash.
    pub fn new(flash: NativeFlash) -> Self {
        let mut native =
            Self { camera: None, pipe: Pipe::default(), clock: HandClock::default(), pictures: Pictures::default() };
        native.start(flash);
        native
    }

    /// Pulls the plug and puts it in again; `change` may touch the flash in between.
    pub fn restart(&mut self, change: impl FnOnce(&mut NativeFlash)) {
        if let Some(camera) = self.camera.take() {
            let mut flash = camera.into_flash();
            change(&mut flash);
            self.start(flash);
        }
    }

    /// Lets time pass.
    pub fn wait(&mut self, micros: u64) {
        self.clock.0.set(self.clock.0.get() + micros);
    }

    /// Lets the sensor see a picture.
    pub fn see(&mut self, size: PictureSize, pixels: &[u8]) {
        self.pictures.0.borrow_mut().push_back((size, pixels.to_vec()));
    }

    /// Lets the camera work until there is nothing to do.
    pub fn work(&mut self) {
        while let Some(camera) = &mut self.camera {
            match camera.poll() {
                Ok(Activity::Idle | Activity::Closed) => return,
                Ok(Activity::Worked) => {}
                Ok(Activity::Reboot) => self.restart(|_| {}),
            }
        }
    }

    fn start(&mut self, flash: NativeFlash) {
        // As on a board, the buffers are there for ever.
        let buffers = Buffers {
            arena: bytemuck::cast_slice_mut(vec![Line::ZERO; ARENA_BYTES / size_of::<Line>()].leak()),
            pixels: vec![0; PIXEL_BYTES].leak(),
            gallery: Box::leak(Box::new(Gallery::new())),
        };
        let parts = Parts {
            link: self.pipe.clone(),
            flash,
            clock: self.clock.clone(),
            indicator: NoIndicator,
            sensor: self.pictures.clone(),
        };
        self.camera = Some(Camera::new(parts, buffers));
    }
}

impl Tamper for NativeCamera {
    fn tamper(&mut self, change: &dyn Fn(&mut [u8])) {
        self.restart(|flash| {
            let mut bytes = flash.mapped().to_vec();
            change(&mut bytes);
            let lines = bytes.as_chunks().0.iter().map(|&line| Line::from(line));
            *flash = MemoryFlash::new(lines.collect());
        });
    }
}

impl Wire for NativeCamera {
    fn send(&mut self, bytes: &[u8]) {
        self.pipe.to_camera.borrow_mut().extend(bytes);
    }

    fn receive(&mut self) -> Vec<u8> {
        self.work();
        self.pipe.to_host.borrow_mut().drain(..).collect()
    }
}
