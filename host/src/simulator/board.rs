//! The board `sim`: its parts, its memory, and its main loop.

use super::file_flash::PAGE;
use super::{FileFlash, FolderSensor, SocketLink};
use deja_firmware::board::memory::Line;
use deja_firmware::board::{Board, Clock, NoIndicator, Parts};
use deja_firmware::camera::{Activity, Camera};
use deja_firmware::gallery::{Gallery, snapshot};
use deja_firmware::recognizer::Buffers;
use std::io;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Room for a picture of the sensor's greatest size and behind it one of a model's: 2 MB.
const PIXEL_BYTES: usize = 2 << 20;
/// What a snapshot needs besides the gallery.
const SNAPSHOT_HEAD: usize = 64;

/// The kinds of parts.
#[derive(Debug)]
struct Sim;

impl Board for Sim {
    const NAME: &'static str = "sim";
    const SNAPSHOT_BYTES: u32 = (SNAPSHOT_HEAD + snapshot::MAX_SNAPSHOT_BYTES).next_multiple_of(PAGE) as u32;
    type Link = SocketLink;
    type Flash = FileFlash;
    type Clock = WallClock;
    type Indicator = NoIndicator;
    type Sensor = FolderSensor;
}

/// Time since the camera was switched on.
#[derive(Debug)]
struct WallClock(Instant);

impl Clock for WallClock {
    fn micros(&mut self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn ticks(&mut self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn ticks_per_second(&self) -> u32 {
        1_000_000_000
    }
}

/// What a board keeps in static memory.
pub(super) struct Memory {
    arena: Vec<Line>,
    pixels: Vec<u8>,
    gallery: Box<Gallery>,
}

impl Memory {
    /// With `arena_bytes` of activation memory.
    pub fn new(arena_bytes: usize) -> Self {
        Self {
            arena: vec![Line::ZERO; arena_bytes.div_ceil(size_of::<Line>())],
            pixels: vec![0; PIXEL_BYTES],
            gallery: Box::new(Gallery::new()),
        }
    }

    fn buffers(&mut self) -> Buffers<'_> {
        Buffers {
            arena: bytemuck::cast_slice_mut(&mut self.arena),
            pixels: &mut self.pixels,
            gallery: &mut self.gallery,
        }
    }
}

/// Life after life, a restart in between, until `stop`.
pub(super) fn run(
    listener: &TcpListener,
    mut flash: FileFlash,
    sensor: &FolderSensor,
    mut memory: Memory,
    stop: &AtomicBool,
) -> io::Result<()> {
    while !stop.load(Ordering::Relaxed) {
        let backing = flash.backing();
        let settle = || backing.as_ref().map_or(Ok(()), |backing| backing.settle());
        let link = SocketLink::new(listener.try_clone()?)?;
        let clock = WallClock(Instant::now());
        let parts = Parts::<Sim> { link, flash, clock, indicator: NoIndicator, sensor: sensor.clone() };
        let mut camera = Camera::new(parts, memory.buffers());
        while !stop.load(Ordering::Relaxed) {
            match camera.poll() {
                Ok(Activity::Idle) => settle()?,
                Ok(Activity::Reboot) => break,
                Ok(Activity::Worked | Activity::Closed) => {}
                Err(error) => tracing::debug!(%error, "the host is gone"),
            }
        }
        flash = camera.into_flash();
        settle()?;
    }
    Ok(())
}
