//! What only the core itself can show: that its kernels give the reference's bits, and in how many instructions.
//!
//! The emulator's command line says what to do: `properties SEED CASES` or `counts`. Results are lines on its output; the
//! exit code tells whether all went well. `tests/tests/on_core.rs` builds and runs it on each machine.
#![no_std]
#![no_main]

mod counter;
mod counts;
mod gallery;
mod memory;
mod mobile_net;
mod operators;
mod properties;
mod random;

use core::panic::PanicInfo;

use cortex_m_rt::{ExceptionFrame, entry, exception};
use cortex_m_semihosting::{debug, hprintln};

use counter::Counter;
use memory::Memory;

#[entry]
fn main() -> ! {
    static mut MEMORY: Memory = Memory::new();
    let core = cortex_m::Peripherals::take().expect("the first call");
    let mut line = [0; 128];
    let mut words = command_line(&mut line).split_whitespace().skip(1);
    match words.next() {
        Some("counts") => counts::print(MEMORY, &Counter::start(core.SYST)),
        Some("properties") => {
            let mut number = || words.next().and_then(|word| word.parse().ok()).expect("properties SEED CASES");
            let (seed, cases) = (number(), number());
            properties::check(MEMORY, seed, cases);
        }
        _ => panic!("expected `on-core counts` or `on-core properties SEED CASES`"),
    }
    debug::exit(debug::EXIT_SUCCESS);
    fail()
}

/// What the emulator was told with `-semihosting-config arg=…`.
fn command_line(line: &mut [u8]) -> &str {
    /// Arm's `SYS_GET_CMDLINE`: where to, and room; then the length.
    const GET_COMMAND_LINE: usize = 0x15;
    let mut block = [line.as_mut_ptr() as usize, line.len()];
    // SAFETY: the block holds the address and the length of memory that is borrowed for writing.
    let failed = unsafe { cortex_m_semihosting::syscall1(GET_COMMAND_LINE, block.as_mut_ptr() as usize) } != 0;
    assert!(!failed, "the emulator gives no command line");
    core::str::from_utf8(&line[..block[1]]).expect("words")
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
