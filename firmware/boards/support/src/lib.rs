//! What Arm's MPS boards have in common, as QEMU emulates them: a board is a [`Machine`], which says where things are.
//!
//! The link is a UART, the store lies in memory that QEMU keeps in a file, two LEDs show whom the camera sees. The boards
//! have no camera chip: pictures come over the link. A panic or a fault is reported through semihosting and ends the
//! emulator with a failure.
#![no_std]

mod clock;
mod fault;
mod led;
mod nor;
mod register;
mod stack;
mod uart;

use core::marker::PhantomData;

use cortex_m::peripheral::SCB;
use deja_firmware::board::{Board, Lamps, NoSensor, Parts};
use deja_firmware::camera::{Activity, Camera};
use deja_firmware::embedder::Arena;
use deja_firmware::gallery::Gallery;
use deja_firmware::recognizer::Buffers;

use clock::CoreClock;
use led::Led;
use nor::Nor;
use uart::{Received, Uart};

/// Activation memory: half of a board's RAM.
const ARENA_BYTES: usize = 256 << 10;
/// A picture of 160×160 with room for a model's 128×64 behind it.
const PIXEL_BYTES: usize = 100 << 10;

/// Where a board's parts are.
///
/// # Safety
/// Every address must be that of the part it is named after, on the processor that the program runs on, and the memory at
/// [`Machine::STORE`] must be used by nothing else.
pub unsafe trait Machine {
    /// The board's name.
    const NAME: &'static str;
    /// The processor's clock, in Hz.
    const CORE_HERTZ: u32;
    /// The CMSDK UART that the host talks to.
    const UART: usize;
    /// The number of its receive interrupt.
    const UART_INTERRUPT: u16;
    /// The register of the user LEDs.
    const LEDS: usize;
    /// Where the emulator maps the file that keeps the store: [`nor::BYTES`] of it are used.
    const STORE: usize;
}

/// Everything large, in static memory, so that the linker knows what is left for the stack.
pub struct Memory {
    arena: Arena<ARENA_BYTES>,
    pixels: [u8; PIXEL_BYTES],
    gallery: Gallery,
    received: Received,
}

impl Memory {
    /// Empty.
    pub const fn new() -> Self {
        Self {
            arena: Arena([0; ARENA_BYTES]),
            pixels: [0; PIXEL_BYTES],
            gallery: Gallery::new(),
            received: Received::new(),
        }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

struct Emulated<M>(PhantomData<M>);

impl<M: Machine> Board for Emulated<M> {
    const NAME: &'static str = M::NAME;
    const SNAPSHOT_BYTES: u32 = 72 << 10;
    type Link = Uart;
    type Flash = Nor;
    type Clock = CoreClock;
    type Indicator = Lamps<Led, Led>;
    type Sensor = NoSensor;

    fn mark_stack() {
        stack::paint();
    }

    fn stack_bytes() -> u32 {
        stack::depth()
    }
}

/// Is a camera for ever.
pub fn run<M: Machine>(memory: &'static mut Memory) -> ! {
    let Memory { arena, pixels, gallery, received } = memory;
    let Some(core) = cortex_m::Peripherals::take() else { SCB::sys_reset() };
    // SAFETY: the addresses are right, as `Machine` promises, and `take` above gives the peripherals only once.
    let (link, flash, leds) =
        unsafe { (Uart::start::<M>(received), Nor::at(M::STORE), [0, 1].map(|number| Led::at(M::LEDS, number))) };
    let [known, unknown] = leds;
    let indicator = Lamps { known, unknown };
    let clock = CoreClock::start(core.SYST, (core.DCB, core.DWT), M::CORE_HERTZ);
    let parts: Parts<Emulated<M>> = Parts { link, flash, clock, indicator, sensor: NoSensor };
    let mut camera = Camera::new(parts, Buffers { arena: &mut arena.0, pixels, gallery });
    loop {
        match camera.poll() {
            Ok(Activity::Worked | Activity::Closed) => {}
            Ok(Activity::Idle) => camera.link_mut().sleep(),
            Ok(Activity::Reboot) => SCB::sys_reset(),
        }
    }
}
