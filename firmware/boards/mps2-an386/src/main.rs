//! A camera on Arm's MPS2+ board with the AN386 image (Cortex-M4F, 25 MHz), as QEMU emulates it.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use deja_board_support::{Machine, Memory, run};

struct Mps2An386;

// SAFETY: the addresses stand in the memory and interrupt maps of Arm's Application Note AN386.
unsafe impl Machine for Mps2An386 {
    const NAME: &'static str = "mps2-an386";
    const CORE_HERTZ: u32 = 25_000_000;
    const UART: usize = 0x4000_4000;
    const UART_INTERRUPT: u16 = 0;
    const LEDS: usize = 0x4002_8000;
    const STORE: usize = 0x2100_0000;
}

#[entry]
fn main() -> ! {
    static mut MEMORY: Memory = Memory::new();
    run::<Mps2An386>(MEMORY)
}
