//! A camera on Arm's MPS2+ board with the AN500 image (Cortex-M7, 25 MHz), as QEMU emulates it.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use deja_board_support::{Machine, Memory, run};

struct Mps2An500;

// SAFETY: the addresses stand in the memory and interrupt maps of Arm's Application Note AN500.
unsafe impl Machine for Mps2An500 {
    const NAME: &'static str = "mps2-an500";
    const CORE_HERTZ: u32 = 25_000_000;
    const UART: usize = 0x4000_4000;
    const UART_INTERRUPT: u16 = 0;
    const LEDS: usize = 0x4002_8000;
    const STORE: usize = 0x6000_0000;
}

#[entry]
fn main() -> ! {
    static mut MEMORY: Memory = Memory::new();
    run::<Mps2An500>(MEMORY)
}
