//! The end of a program that cannot go on: says why through semihosting and ends the emulator with a failure.

use core::panic::PanicInfo;

use cortex_m_rt::{ExceptionFrame, exception};
use cortex_m_semihosting::{debug, hprintln};

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

/// An exception that nothing here raises on purpose.
pub fn unexpected(number: i16) -> ! {
    hprintln!("unexpected exception {}", number);
    fail()
}

fn fail() -> ! {
    loop {
        debug::exit(debug::EXIT_FAILURE);
    }
}
