//! Instructions counted: with `-icount shift=5` the emulator's time goes on by 32 ns an instruction, and SysTick sees it.

use core::sync::atomic::{AtomicU32, Ordering};

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::exception;

const RELOAD: u32 = (1 << 24) - 1;
/// How often the loop of known length turns.
const LOOP: u32 = 100_000;

/// Turns of the timer.
static TURNS: AtomicU32 = AtomicU32::new(0);

/// Turns ticks into instructions.
pub struct Counter {
    /// Ticks that [`LOOP`] turns of two instructions take.
    known: u64,
    /// Ticks that counting itself takes.
    empty: u64,
}

impl Counter {
    /// Measures a loop of known length, so that no machine's clock need be known.
    pub fn start(mut timer: SYST) -> Self {
        timer.set_clock_source(SystClkSource::Core);
        timer.set_reload(RELOAD);
        timer.clear_current();
        timer.enable_interrupt();
        timer.enable_counter();
        let mut counter = Self { known: 0, empty: 0 };
        counter.empty = counter.ticks(|| {});
        counter.known = counter.ticks(|| turn(LOOP)) - counter.empty;
        let again = counter.instructions(|| turn(LOOP / 2));
        assert!(again.abs_diff(LOOP) <= 16, "half of {LOOP} turns of two instructions are counted as {again}");
        counter
    }

    /// How many instructions `work` takes, to within a few.
    pub fn instructions(&self, work: impl FnOnce()) -> u32 {
        let ticks = self.ticks(work).saturating_sub(self.empty);
        (ticks * u64::from(2 * LOOP) / self.known) as u32
    }

    fn ticks(&self, work: impl FnOnce()) -> u64 {
        let before = self.now();
        work();
        self.now() - before
    }

    fn now(&self) -> u64 {
        loop {
            let turns = TURNS.load(Ordering::Relaxed);
            let value = SYST::get_current();
            // The exception comes when the timer reaches 0, which so is the first tick of the next turn.
            if turns == TURNS.load(Ordering::Relaxed) {
                return (u64::from(turns) << 24) + u64::from(value.wrapping_neg() & RELOAD);
            }
        }
    }
}

#[exception]
fn SysTick() {
    // No other place writes it, so the two steps need not be one.
    TURNS.store(TURNS.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// A loop of two instructions.
#[inline(never)]
fn turn(turns: u32) {
    // SAFETY: only the operand and the flags change.
    unsafe { core::arch::asm!("2: subs {0}, {0}, #1", "bne 2b", inout(reg) turns => _, options(nomem, nostack)) };
}
