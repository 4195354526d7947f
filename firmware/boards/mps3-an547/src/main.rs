//! A camera on Arm's MPS3 board with the AN547 image (Cortex-M55, 32 MHz), as QEMU emulates it.
//!
//! The program stays in the secure state that the processor starts in, so it uses the secure addresses.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use deja_board_support::{Machine, Memory, run};

struct Mps3An547;

// SAFETY: the addresses stand in the memory and interrupt maps of Arm's Application Note AN547.
unsafe impl Machine for Mps3An547 {
    const NAME: &'static str = "mps3-an547";
    const CORE_HERTZ: u32 = 32_000_000;
    const UART: usize = 0x5930_3000;
    const UART_INTERRUPT: u16 = 33;
    const LEDS: usize = 0x5930_2000;
    const STORE: usize = 0x6000_0000;
}

#[entry]
fn main() -> ! {
    static mut MEMORY: Memory = Memory::new();
    run::<Mps3An547>(MEMORY)
}
