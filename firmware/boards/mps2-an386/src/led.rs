//! The two user LEDs of the board, in the FPGA's system control.

use core::convert::Infallible;

use embedded_hal::digital::{ErrorType, OutputPin};

use crate::register::Register;

// SAFETY: LED0 and LED1 of the FPGA's input and output block (Arm Application Note AN386, 4.5).
const LEDS: Register = unsafe { Register::at(0x4002_8000) };

/// One of them.
pub struct Led {
    mask: u32,
}

impl Led {
    /// Number 0 or 1.
    pub const fn number(number: u8) -> Self {
        Self { mask: 1 << (number & 1) }
    }
}

impl ErrorType for Led {
    type Error = Infallible;
}

impl OutputPin for Led {
    fn set_low(&mut self) -> Result<(), Infallible> {
        LEDS.write(LEDS.read() & !self.mask);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        LEDS.write(LEDS.read() | self.mask);
        Ok(())
    }
}
