//! How deep the stack gets: what is not in use is painted, and what has lost its paint has been in use.

use cortex_m::interrupt::free;
use cortex_m::register::msp;

const PAINT: u32 = 0xcccc_cccc;

unsafe extern "C" {
    /// The least address that the stack may reach, from the linker's script.
    static mut _stack_end: u32;
    /// Where it begins; it grows down.
    static mut _stack_start: u32;
}

/// Paints everything below the stack that is in use.
#[inline(never)]
pub fn paint() {
    // An interrupt would put its frame where the paint goes.
    free(|_| {
        let mut word = &raw mut _stack_end;
        let end = msp::read() as *mut u32;
        while word < end {
            // SAFETY: between the stack's end and the stack pointer is memory that nobody uses, whole words of it.
            unsafe {
                word.write_volatile(PAINT);
                word = word.add(1);
            }
        }
    });
}

/// From the stack's beginning to the lowest word that has lost its paint, in bytes.
#[inline(never)]
pub fn depth() -> u32 {
    let (mut word, start) = (&raw const _stack_end, &raw const _stack_start);
    // SAFETY: all the memory of the stack can be read.
    while word < start && unsafe { word.read_volatile() } == PAINT {
        // SAFETY: still within the stack's memory, or just at its end.
        word = unsafe { word.add(1) };
    }
    (start as u32).saturating_sub(word as u32)
}
