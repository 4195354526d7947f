//! Filters of 3×3 and 5×5 applied to one widened channel, in assembly: two neighbouring outputs a step.
//!
//! [`Filters`] says how they are kept. Each result is stored only after its right (and lower) neighbour: with a step of 0,
//! which makes them one place, the left one stays. Here is what all of these functions share; `three` and `five` hold them.

use core::mem::offset_of;

use super::filters::Filters;
use super::plane::{PITCH, ROW};

/// What these functions find on the stack, from 72 bytes above where it is for them. Below that they keep:
///
/// | 0 | 4 | 8 | 12 | 16 | 20 | 24 | 28 | 32 |
/// |---|---|---|---|---|---|---|---|---|
/// | bias | multiplier | zero point | turns left | source | target | filter | filters' end | a turn's end |
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Frame {
    /// Bytes from an output to its right neighbour; also their third argument.
    pub step: usize,
    /// Bytes from an output to the one below.
    pub row: usize,
    /// Bytes from the end of what a turn reads to the beginning of the next one's.
    pub source_skip: usize,
    /// The same for what it writes.
    pub target_skip: usize,
    /// Of the outputs.
    pub zero_point: i32,
    /// Pairs of outputs in a row.
    pub pairs: usize,
    /// Turns a channel: rows of outputs, or pairs of rows.
    pub turns: usize,
}

const _: () = assert!(offset_of!(Frame, source_skip) == 8 && offset_of!(Frame, pairs) == 20);
const _: () = assert!(ROW * 4 == 68 && PITCH * 4 == 272 && size_of::<Filters>() == 352);

/// Applies the filters of four channels: source, target, step, filters, and the rest on the stack.
///
/// # Safety
/// The source is the channels' widened rows under all windows, the target has all outputs of four channels side by side,
/// both with as many rows and pairs of columns as the frame says; the filters have all pairs of their taps.
pub type Sweep = unsafe extern "C" fn(*const u32, *mut i8, usize, *const Filters, Frame);

/// Before all channels, and then the constants of each, from where r3 points.
macro_rules! begin {
    () => {
        "push {{r4-r11, lr}}
         sub sp, sp, #36
         ldr r5, [sp, #88]
         add r4, r3, #352
         str r5, [sp, #8]
         strd r0, r1, [sp, #16]
         strd r3, r4, [sp, #24]
         1:
         ldrd r4, r5, [r3], #8
         ldr r6, [sp, #96]
         strd r4, r5, [sp]
         str r6, [sp, #12]"
    };
}

/// On to the next turn at label 2 if there is one, to the next channel if there is one, and back.
macro_rules! end {
    () => {
        "ldrd r10, r11, [sp, #80]
         ldr r12, [sp, #12]
         add r0, r0, r10
         add r1, r1, r11
         subs r12, r12, #1
         str r12, [sp, #12]
         bne 2b
         ldrd r0, r1, [sp, #16]
         ldrd r3, r4, [sp, #24]
         adds r0, r0, #68
         adds r1, r1, #1
         adds r3, r3, #88
         strd r0, r1, [sp, #16]
         str r3, [sp, #24]
         cmp r3, r4
         bne 1b
         add sp, sp, #36
         pop {{r4-r11, pc}}"
    };
}

/// The two sums in r10 and r11 as results, with the multiplier and the zero point in two registers that are free.
macro_rules! store {
    ($multiplier:literal, $zero_point:literal) => {
        concat!(
            "ldrd ",
            $multiplier,
            ", ",
            $zero_point,
            ", [sp, #4]\n",
            "smmlar r10, r10, ",
            $multiplier,
            ", ",
            $zero_point,
            "\n",
            "smmlar r11, r11, ",
            $multiplier,
            ", ",
            $zero_point,
            "\n",
            "ssat r10, #8, r10\n",
            "ssat r11, #8, r11\n",
            "strb r11, [r1, r2]\n",
            "strb r10, [r1]\n",
            "add r1, r1, r2, lsl #1",
        )
    };
}

// Behind the macros, which they use.
mod five;
mod three;

pub use five::{five, five_by_two};
pub use three::{three, three_by_two, three_two_rows};
