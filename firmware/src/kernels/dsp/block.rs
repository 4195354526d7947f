//! Pairs of filters on four rows of widened taps, in assembly.
//!
//! A word of weights holds two taps of two outputs; `SXTB16` takes them apart, and `SMLAD` multiplies both taps of one of
//! them by two values of 16 bits. Four rows times two outputs make eight sums, which leave registers for nothing but two
//! words of weights, two of values and the two pointers: everything else lies in a frame on the stack, in the order in
//! which one `LDM` brings it into the registers where a pair is finished.

use core::arch::naked_asm;

use deja_shared::quant::MULTIPLIER_BITS;

use crate::kernels::Summand;

/// What routines for pairs of filters read, at the offsets in the comments.
#[repr(C)]
pub struct Pairs {
    /// 0: widened taps: `[pair of taps][row]`, words.
    pub values: *const u32,
    /// 4: of the results.
    pub zero_point: i32,
    /// 8: two for each pair of outputs.
    pub multipliers: *const i32,
    /// 12: where the results of the first row go.
    pub output: *mut i8,
    /// 16: as the multipliers.
    pub biases: *const i32,
    /// 20: behind the biases of the last pair, of which there is one at least.
    pub biases_end: *const i32,
    /// 24: weights of the first pair of outputs; the others follow.
    pub weights: *const i8,
    /// 28: taps of a row, a multiple of four, not 0.
    pub taps: usize,
}

/// What [`four`] reads.
#[repr(C)]
pub struct Four {
    /// 0: the filters, the rows, and where results go.
    pub pairs: Pairs,
    /// 32: from behind the two results of a pair in the first row to those of the same pair in the three other rows.
    pub rows: [isize; 3],
    /// 44: what is added to the products; null where nothing is.
    pub sum: *const Sum,
}

/// The other terms of a sum whose first terms lie where the results go.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Sum {
    /// 0: what does not depend on the values, in steps of 2⁻³².
    pub constant: i64,
    /// 8: of the values, in steps of 2⁻²⁴.
    pub multiplier: i32,
    /// 12: bytes from row to row of results.
    pub step: usize,
    /// 16: rows that have results, up to four.
    pub rows: usize,
}

impl Sum {
    /// What a summand adds: `multiplier·2⁸·value`, and the rounding and the zero points, results being `step` bytes apart.
    pub fn new(summand: Summand, zero_point: i8, step: usize) -> Self {
        let rounding = (i64::from(zero_point) << MULTIPLIER_BITS) + (1 << (MULTIPLIER_BITS - 1));
        Self { constant: rounding + summand.term(0), multiplier: summand.multiplier, step, rows: 4 }
    }
}

/// Two taps of four rows times two outputs: 52 bytes, which [`four`] counts with.
macro_rules! taps {
    () => {
        "ldr r3, [r1], #4
        sxtb16 r2, r3
        sxtb16 r3, r3, ror #8
        ldrd r12, lr, [r0], #8
        smlad r4, r12, r2, r4
        smlad r5, lr, r2, r5
        smlad r8, r12, r3, r8
        smlad r9, lr, r3, r9
        ldrd r12, lr, [r0], #8
        smlad r6, r12, r2, r6
        smlad r7, lr, r2, r7
        smlad r10, r12, r3, r10
        smlad r11, lr, r3, r11
        "
    };
}

/// Four rows of results, saturated at 8 bits.
///
/// # Safety
/// Everything that the block names is borrowed, at these lengths: 8 bytes of values for each tap on a boundary of 4, two
/// bytes of weights a tap for each pair, two biases and multipliers a pair; for writing, two bytes a pair in each of four
/// rows.
#[unsafe(naked)]
pub unsafe extern "C" fn four(_: &Four) {
    naked_asm!(
        // Frame: 0 values, 4 zero point, 8 multipliers, 12 output, 16 biases, 20 their end, 24 rows, 36 where the loop is
        // entered, 40 sum, 44 end of the values, 48 where a pair is finished.
        "push {{r4-r11, lr}}
        ldm r0, {{r0-r11}}
        add r12, r0, r7, lsl #3
        // The first two taps stand before the loop, which begins with as many as make the others full turns.
        subs r7, #4
        ubfx r7, r7, #1, #3
        adds r7, #1
        mov lr, #52
        mul r7, r7, lr
        adr lr, 3f
        sub r7, lr, r7
        orr r7, #1
        adr lr, 4f
        cmp r11, #0
        it ne
        adrne lr, 6f
        orr lr, #1
        push {{r7, r11, r12, lr}}
        push {{r0-r5, r8-r10}}
        mov r1, r6
        ldm sp, {{r0, r2, r3, r8, r9}}
        1:
        ldrd r4, r10, [r9], #8
        stm sp, {{r0, r2, r3, r8, r9}}
        ldr r3, [r1], #4
        sxtb16 r2, r3
        sxtb16 r3, r3, ror #8
        ldrd r6, r7, [r0, #8]
        ldrd r12, lr, [r0], #16
        smlad r11, r7, r3, r10
        smlad r7, r7, r2, r4
        smlad r8, r12, r3, r10
        smlad r9, lr, r3, r10
        smlad r5, lr, r2, r4
        smlad r10, r6, r3, r10
        smlad r6, r6, r2, r4
        smlad r4, r12, r2, r4
        ldr pc, [sp, #36]
        2:",
        taps!(),
        taps!(),
        taps!(),
        taps!(),
        taps!(),
        taps!(),
        taps!(),
        taps!(),
        "3:
        ldr r2, [sp, #44]
        cmp r0, r2
        bne 2b
        ldr pc, [sp, #48]
        // Results.
        4:
        ldrd r3, r2, [sp, #4]
        ldrd r12, lr, [r2]
        smmlar r4, r4, r12, r3
        smmlar r5, r5, r12, r3
        smmlar r6, r6, r12, r3
        smmlar r7, r7, r12, r3
        smmlar r8, r8, lr, r3
        smmlar r9, r9, lr, r3
        smmlar r10, r10, lr, r3
        smmlar r11, r11, lr, r3
        ssat r4, #8, r4
        ssat r5, #8, r5
        ssat r6, #8, r6
        ssat r7, #8, r7
        ssat r8, #8, r8
        ssat r9, #8, r9
        ssat r10, #8, r10
        ssat r11, #8, r11
        bfi r4, r8, #8, #8
        bfi r5, r9, #8, #8
        bfi r6, r10, #8, #8
        bfi r7, r11, #8, #8
        ldm sp, {{r0, r2, r3, r8-r12, lr}}
        strh r4, [r8], #2
        strh r5, [r8, r11]
        strh r6, [r8, r12]
        strh r7, [r8, lr]
        5:
        adds r3, #8
        cmp r9, r10
        bne 1b
        add sp, #52
        pop {{r4-r11, pc}}
        // Sums, row by row.
        6:
        push {{r1, r4-r11}}
        ldrd r2, r3, [sp, #44]
        ldr r12, [sp, #76]
        ldrd r4, r5, [r2]
        ldrd r6, r7, [r12, #8]
        ldr lr, [r12, #16]
        add r2, sp, #4
        7:
        ldr r8, [r2, #16]
        ldr r9, [r2], #4
        ldrsb r10, [r3]
        ldrsb r11, [r3, #1]
        lsl r10, #8
        lsl r11, #8
        ldrd r0, r1, [r12]
        smlal r0, r1, r10, r6
        smlal r0, r1, r9, r4
        ssat r9, #8, r1
        ldrd r0, r1, [r12]
        smlal r0, r1, r11, r6
        smlal r0, r1, r8, r5
        ssat r8, #8, r1
        bfi r9, r8, #8, #8
        strh r9, [r3]
        add r3, r7
        subs lr, #1
        bne 7b
        pop {{r1}}
        add sp, #32
        ldm sp, {{r0, r2, r3, r8-r10}}
        adds r8, #2
        b 5b"
    )
}
