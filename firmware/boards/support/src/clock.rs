//! The clock: SysTick counts the processor's cycles down in turns of 24 bits, and its exception counts the turns.
//!
//! Ticks are counted by the debug unit's cycle counter (DWT) where it runs. The emulator has it not, so there SysTick counts,
//! which follows the emulator's virtual time; the counter itself is untried. SysTick's exception also wakes the camera from its
//! sleep, twice a second or so.

use core::sync::atomic::{AtomicU32, Ordering};

use cortex_m::interrupt::free;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::peripheral::{DCB, DWT, SCB, SYST};
use cortex_m_rt::exception;
use deja_firmware::board::Clock;

/// SysTick counts from this to 0.
const RELOAD: u32 = (1 << 24) - 1;

static TURNS: AtomicU32 = AtomicU32::new(0);
/// What the cycle counter was last seen to be, and how often it has begun anew.
static CYCLES: [AtomicU32; 2] = [AtomicU32::new(0), AtomicU32::new(0)];

/// SysTick, counted on beyond its 24 bits, and the cycle counter, beyond its 32.
pub struct CoreClock {
    hertz: u32,
    has_cycle_counter: bool,
}

impl CoreClock {
    /// Starts counting the cycles of a processor of `hertz`.
    pub fn start(mut timer: SYST, debug: (DCB, DWT), hertz: u32) -> Self {
        timer.set_clock_source(SystClkSource::Core);
        timer.set_reload(RELOAD);
        timer.clear_current();
        timer.enable_counter();
        timer.enable_interrupt();
        Self { hertz, has_cycle_counter: start_cycle_counter(debug) }
    }

    // Not inlined, so that every reading takes the same.
    #[inline(never)]
    fn count() -> u64 {
        free(|_| {
            let turns = TURNS.load(Ordering::Relaxed);
            let value = SYST::get_current();
            // A turn that ended a moment ago is not counted yet, as no exception can come here; the first look at the timer
            // may have been before its end or behind it, a second one is behind it.
            let (turns, value) =
                if SCB::is_pendst_pending() { (turns.wrapping_add(1), SYST::get_current()) } else { (turns, value) };
            // The exception comes when the timer reaches 0, which so is the first tick of the next turn.
            (u64::from(turns) << 24) + u64::from(value.wrapping_neg() & RELOAD)
        })
    }
}

/// Says whether there is a cycle counter that runs.
fn start_cycle_counter((mut core, mut unit): (DCB, DWT)) -> bool {
    core.enable_trace();
    DWT::unlock();
    let is_there = DWT::has_cycle_counter();
    if is_there {
        unit.enable_cycle_counter();
    }
    // Where nothing is, 0 is read, and says that it is there.
    is_there && DWT::cycle_count() != DWT::cycle_count()
}

/// The cycle counter; looked at more often than it begins anew, every 2³² cycles.
#[inline(never)]
fn cycles() -> u64 {
    free(|_| {
        let [last, rounds] = &CYCLES;
        let now = DWT::cycle_count();
        if now < last.load(Ordering::Relaxed) {
            rounds.store(rounds.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        }
        last.store(now, Ordering::Relaxed);
        u64::from(rounds.load(Ordering::Relaxed)) << 32 | u64::from(now)
    })
}

#[exception]
fn SysTick() {
    // No other place writes it, so the two steps need not be one.
    TURNS.store(TURNS.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    cycles();
}

impl Clock for CoreClock {
    const TICKS_ARE_CYCLES: bool = true;

    fn micros(&mut self) -> u64 {
        Self::count() / u64::from(self.hertz / 1_000_000)
    }

    fn ticks(&mut self) -> u64 {
        if self.has_cycle_counter { cycles() } else { Self::count() }
    }

    fn ticks_per_second(&self) -> u32 {
        self.hertz
    }
}
