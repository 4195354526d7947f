//! A camera on Arm's MPS2+ board with the AN505 image (Cortex-M33, 20 MHz), as QEMU emulates it.
//!
//! The program stays in the secure state that the processor starts in, so it uses the secure addresses.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use deja_board_support::{Machine, Memory, run};

struct Mps2An505;

// SAFETY: the addresses stand in the memory and interrupt maps of Arm's Application Note AN505.
unsafe impl Machine for Mps2An505 {
    const NAME: &'static str = "mps2-an505";
    const CORE_HERTZ: u32 = 20_000_000;
    const UART: usize = 0x5020_0000;
    const UART_INTERRUPT: u16 = 32;
    const LEDS: usize = 0x5030_2000;
    const STORE: usize = 0x8000_0000;
}

#[entry]
fn main() -> ! {
    static mut MEMORY: Memory = Memory::new();
    run::<Mps2An505>(MEMORY)
}
