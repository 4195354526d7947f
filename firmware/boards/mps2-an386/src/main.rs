//! A camera on Arm's MPS2+ board with the AN386 image (Cortex-M4F, 25 MHz), as QEMU emulates it.
//!
//! The link is UART 0, the store lies in memory that QEMU keeps in a file, two LEDs show whom it sees. The board has no
//! camera chip: pictures come over the link. A panic is reported through semihosting and ends the emulator.
#![no_std]
#![no_main]

mod led;
mod nor;
mod register;
mod timer;
mod uart;

use core::panic::PanicInfo;

use cortex_m::peripheral::SCB;
use cortex_m_rt::{ExceptionFrame, entry, exception};
use cortex_m_semihosting::{debug, hprintln};
use deja_firmware::board::{Board, Lamps, NoSensor, Parts};
use deja_firmware::camera::{Activity, Camera};
use deja_firmware::embedder::Arena;
use deja_firmware::gallery::Gallery;
use deja_firmware::recognizer::Buffers;

use led::Led;
use nor::Nor;
use timer::Timer;
use uart::{Received, Uart};

/// Activation memory: half of the board's RAM.
const ARENA_BYTES: usize = 256 << 10;
/// A picture of 160×160 with room for the model's 128×64 behind it.
const PIXEL_BYTES: usize = 100 << 10;

struct Mps2;

impl Board for Mps2 {
    const NAME: &'static str = "mps2-an386";
    const SNAPSHOT_BYTES: u32 = 72 << 10;
    type Link = Uart;
    type Flash = Nor;
    type Clock = Timer;
    type Indicator = Lamps<Led, Led>;
    type Sensor = NoSensor;
}

#[entry]
fn main() -> ! {
    static mut ARENA: Arena<ARENA_BYTES> = Arena([0; ARENA_BYTES]);
    static mut PIXELS: [u8; PIXEL_BYTES] = [0; PIXEL_BYTES];
    static mut GALLERY: Gallery = Gallery::new();
    static mut RECEIVED: Received = Received::new();
    let Some(core) = cortex_m::Peripherals::take() else { SCB::sys_reset() };
    let parts: Parts<Mps2> = Parts {
        link: Uart::start(RECEIVED),
        // SAFETY: this is the only call.
        flash: unsafe { Nor::take() },
        clock: Timer::start(core.SYST),
        indicator: Lamps { known: Led::number(0), unknown: Led::number(1) },
        sensor: NoSensor,
    };
    let mut camera = Camera::new(parts, Buffers { arena: &mut ARENA.0, pixels: PIXELS, gallery: GALLERY });
    loop {
        match camera.poll() {
            Ok(Activity::Worked | Activity::Closed) => {}
            Ok(Activity::Idle) => camera.link_mut().sleep(),
            Ok(Activity::Reboot) => SCB::sys_reset(),
        }
    }
}

#[exception]
fn SysTick() {
    // To wake up is all there is to do.
}

#[exception]
unsafe fn DefaultHandler(_: i16) {
    uart::on_interrupt();
}

#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    hprintln!("hard fault: {:?}", frame);
    fail()
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    hprintln!("{}", info);
    fail()
}

fn fail() -> ! {
    loop {
        debug::exit(debug::EXIT_FAILURE);
    }
}
