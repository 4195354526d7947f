//! The camera of the demonstration: simulated on this computer, or the real firmware on an emulated board.

use std::io;
use std::path::Path;

use crate::device::Address;
use crate::simulator::qemu::{Qemu, QemuError};
use crate::simulator::{Settings, Simulator, build_firmware, machine};

/// Which camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Board {
    /// The firmware's own code on this computer.
    Sim,
    /// The firmware on an emulated board.
    Emulated(&'static machine::Board),
}

impl Board {
    /// The simulator, then every emulated board.
    pub fn all() -> impl Iterator<Item = Self> {
        std::iter::once(Self::Sim).chain(machine::BOARDS.iter().map(Self::Emulated))
    }

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sim => "sim",
            Self::Emulated(board) => board.name,
        }
    }
}

/// Why there is no camera.
#[derive(Debug, thiserror::Error)]
pub enum CameraError {
    /// The simulator has no socket.
    #[error("the simulated camera does not start")]
    Simulator(#[from] io::Error),
    /// The emulator or the firmware for it is missing.
    #[error(transparent)]
    Emulator(#[from] QemuError),
}

/// A camera that runs until this is dropped.
#[derive(Debug)]
pub struct Camera {
    address: Address,
    _power: Power,
}

/// What keeps the camera running.
#[derive(Debug)]
#[expect(dead_code, reason = "held for what dropping it does")]
enum Power {
    Simulator(Simulator),
    Emulator(Qemu),
}

impl Camera {
    /// Switches a camera on; an emulated one keeps its flash in `folder`.
    ///
    /// # Errors
    /// [`CameraError`].
    pub fn start(board: Board, folder: &Path, note: &dyn Fn(&str)) -> Result<Self, CameraError> {
        let (address, power) = match board {
            Board::Sim => {
                let simulator = Simulator::start(&Settings::default())?;
                (simulator.address(), Power::Simulator(simulator))
            }
            Board::Emulated(board) => {
                note("building the firmware of the board");
                let firmware = build_firmware(board)?;
                let emulator = Qemu::start(board, &firmware, &folder.join("flash.bin"))?;
                (emulator.address(), Power::Emulator(emulator))
            }
        };
        Ok(Self { address: Address::from(address), _power: power })
    }

    /// Where it can be reached.
    pub fn address(&self) -> &Address {
        &self.address
    }
}
