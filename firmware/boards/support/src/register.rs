//! A peripheral's register of 32 bits.

/// A register at a fixed address.
#[derive(Debug, Clone, Copy)]
pub struct Register(usize);

impl Register {
    /// # Safety
    /// `address` must be that of a peripheral's register of 32 bits, for which reading and writing any value is sound.
    pub const unsafe fn at(address: usize) -> Self {
        Self(address)
    }

    /// Its value now.
    pub fn read(self) -> u32 {
        // SAFETY: `at` was promised that this is a register.
        unsafe { (self.0 as *const u32).read_volatile() }
    }

    /// Sets its value.
    pub fn write(self, value: u32) {
        // SAFETY: `at` was promised that this is a register.
        unsafe { (self.0 as *mut u32).write_volatile(value) }
    }
}
