//! A camera on this computer: the firmware itself behind a socket, with its flash in a file.
//!
//! Every part of a board is here a file of its own: [`FileFlash`], [`SocketLink`], [`FolderSensor`]. [`Simulator`] puts
//! them together and runs the camera in a thread. [`qemu`] runs a whole emulated board
//! ([`machine`] lists them) instead. Everything that a camera
//! decides is decided by the firmware.

mod board;
mod file_flash;
mod firmware;
mod folder_sensor;
pub mod machine;
pub mod qemu;
mod socket_link;

pub use file_flash::FileFlash;
pub use firmware::{Program, build, build_firmware};
pub use folder_sensor::FolderSensor;
pub use socket_link::SocketLink;

use board::Memory;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// What a simulated camera is like.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// The file that it remembers in; without one it forgets everything when it stops.
    pub flash: Option<PathBuf>,
    /// Bytes of flash, a multiple of 4096; a third of what the gallery leaves is the greatest model's at least.
    pub flash_bytes: usize,
    /// Bytes of activation memory.
    pub arena_bytes: usize,
    /// A folder of pictures that it sees, and how long each is in front of it.
    pub frames: Option<(PathBuf, Duration)>,
}

impl Default for Settings {
    /// On any free port of this computer only, with 16 MiB of flash in memory and 4 MiB of activation memory.
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            flash: None,
            flash_bytes: 16 << 20,
            arena_bytes: 4 << 20,
            frames: None,
        }
    }
}

/// A running camera; it stops when this is dropped.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Simulator {
    /// Switches a camera on.
    ///
    /// # Errors
    /// When the address or the flash's file is in use or cannot be used, or the folder holds no pictures.
    pub fn start(settings: &Settings) -> io::Result<Self> {
        let listener = TcpListener::bind(settings.listen)?;
        let address = listener.local_addr()?;
        let flash = FileFlash::open(settings.flash.as_deref(), settings.flash_bytes)?;
        let sensor = match &settings.frames {
            Some((folder, interval)) => FolderSensor::new(folder, *interval)?,
            None => FolderSensor::blind(),
        };
        let memory = Memory::new(settings.arena_bytes);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let run = move || board::run(&listener, flash, &sensor, memory, &stopped);
        let thread = std::thread::Builder::new().name("camera".to_owned()).spawn(run)?;
        Ok(Self { address, stop, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it still runs; it ends by itself only when its socket fails.
    pub fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Switches it off, and says how it went.
    ///
    /// # Errors
    /// When its socket had failed.
    pub fn stop(mut self) -> io::Result<()> {
        self.end()
    }

    fn end(&mut self) -> io::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map_or(Ok(Ok(())), JoinHandle::join);
        ended.unwrap_or_else(|_| Err(io::Error::other("the simulated camera panicked; please report this")))
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::warn!(%error, "the simulated camera had failed");
        }
    }
}
