//! Four filters on rows of taps, in assembly: 16 taps an instruction, sums in the general registers.
//!
//! `VMLADAVA.S8` multiplies 16 bytes by 16 bytes and adds all products to a general register with an even number. Two
//! positions times four outputs make eight sums, which are all that there are: r0 to r12 and lr. So the loops over pairs
//! of positions count down in an odd register, and all else lies in a frame on the stack. `pairs` takes two rows at a time, `one` one.

/// What the routines read, at the offsets in their comments.
#[repr(C, align(8))]
pub struct Block {
    /// 0: of the four outputs.
    pub biases: [i32; 4],
    /// 16: whole vectors of 16 taps in a row.
    pub steps: usize,
    /// 20: the weights of two pairs of outputs.
    pub filters: [*const i8; 2],
    /// 28: from the end of the whole vectors of a row to the row after next.
    pub advance: isize,
    /// 32: of the results.
    pub zero_point: i32,
    /// 36: bytes from the results of one position to those of the next.
    pub output_step: usize,
    /// 40: where the rows end that are taken in pairs.
    pub end: *const i8,
    /// 44: 64 bytes: the weights of the taps behind the whole vectors, then zeros, for each pair of outputs.
    pub rest: *const i8,
    /// 48: 2⁸·zero point of a first summand.
    pub summand_offset: i32,
    /// 52: its multiplier.
    pub summand_multiplier: i32,
    /// 56: taps behind the whole vectors.
    pub rest_taps: usize,
    /// 60: rows, for [`small`].
    pub count: usize,
    /// 64: of the four outputs.
    pub multipliers: [i32; 4],
    /// 80: least result.
    pub low: i32,
    /// 84: greatest result.
    pub high: i32,
    /// 88: a row of taps.
    pub values: *const i8,
    /// 92: the next one.
    pub next_values: *const i8,
    /// 96: where the four results of the first row go.
    pub output: *mut i8,
    /// 100: bytes from row to row, for [`small`].
    pub values_step: usize,
}

/// Saves registers and copies the first 64 bytes of the block at r0 into a frame. q5: multipliers, q6: low, q7: high,
/// r11 and r3: rows, r1: output. The predicate holds for as many bytes as a row has behind its whole vectors.
macro_rules! enter {
    () => {
        "push {{r4-r11, lr}}
        vpush {{d8-d15}}
        sub sp, #64
        vldrw.32 q0, [r0]
        vldrw.32 q1, [r0, #16]
        vldrw.32 q2, [r0, #32]
        vldrw.32 q3, [r0, #48]
        vstrw.32 q0, [sp]
        vstrw.32 q1, [sp, #16]
        vstrw.32 q2, [sp, #32]
        vstrw.32 q3, [sp, #48]
        vldrw.32 q5, [r0, #64]
        ldrd r1, r3, [r0, #80]
        vdup.32 q6, r1
        vdup.32 q7, r3
        ldr r1, [r0, #56]
        vctp.8 r1
        ldr r1, [r0, #96]
        ldrd r11, r3, [r0, #88]
        "
    };
}

macro_rules! leave {
    () => {
        "add sp, #64
        vpop {{d8-d15}}
        pop {{r4-r11, pc}}
        "
    };
}

/// Four sums of one position out of registers into a vector.
macro_rules! gather {
    ($q:literal, $a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            "vmov ", $q, "[2], ", $q, "[0], ", $a, ", ", $c, "\n", "vmov ", $q, "[3], ", $q, "[1], ", $b, ", ", $d,
            "\n",
        )
    };
}

// Behind the macros, which they use.
mod one;
mod pairs;

pub use one::{one, one_sum, one_wide, small};
pub use pairs::{pairs_rest, pairs_rest_sum, pairs_whole, pairs_whole_sum};
