//! The clock: CMSDK APB timer 0 counts down at 25 MHz; SysTick wakes the camera often enough to see every turn of it.

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use deja_firmware::board::Clock;

use crate::register::Register;

// SAFETY: the registers of timer 0 (Arm Application Note AN386, table 3-3; CMSDK technical reference, 4.4).
const CONTROL: Register = unsafe { Register::at(0x4000_0000) };
// SAFETY: as above.
const VALUE: Register = unsafe { Register::at(0x4000_0004) };
// SAFETY: as above.
const RELOAD: Register = unsafe { Register::at(0x4000_0008) };

const TICKS_PER_MICROSECOND: u64 = 25;
/// SysTick's 24 bits at 25 MHz: 0.67 s. The timer turns in 171 s.
const WAKE_TICKS: u32 = (1 << 24) - 1;

/// Timer 0, counted on beyond its 32 bits.
pub struct Timer {
    last: u32,
    ticks: u64,
}

impl Timer {
    /// Starts counting.
    pub fn start(mut wake: SYST) -> Self {
        RELOAD.write(u32::MAX);
        VALUE.write(u32::MAX);
        CONTROL.write(1);
        wake.set_clock_source(SystClkSource::Core);
        wake.set_reload(WAKE_TICKS);
        wake.clear_current();
        wake.enable_counter();
        wake.enable_interrupt();
        Self { last: u32::MAX, ticks: 0 }
    }
}

impl Clock for Timer {
    fn micros(&mut self) -> u64 {
        let value = VALUE.read();
        self.ticks += u64::from(self.last.wrapping_sub(value));
        self.last = value;
        self.ticks / TICKS_PER_MICROSECOND
    }
}
