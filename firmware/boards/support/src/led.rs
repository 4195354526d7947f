//! The user LEDs of an MPS board, bits of one register of its FPGA.

use core::convert::Infallible;

use embedded_hal::digital::{ErrorType, OutputPin};

use crate::register::Register;

/// One of them.
pub struct Led {
    register: Register,
    mask: u32,
}

impl Led {
    /// LED number 0 or 1.
    ///
    /// # Safety
    /// `address` must be that of the LEDs' register.
    pub const unsafe fn at(address: usize, number: u8) -> Self {
        // SAFETY: as promised.
        Self { register: unsafe { Register::at(address) }, mask: 1 << (number & 1) }
    }
}

impl ErrorType for Led {
    type Error = Infallible;
}

impl OutputPin for Led {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.register.write(self.register.read() & !self.mask);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.register.write(self.register.read() | self.mask);
        Ok(())
    }
}
