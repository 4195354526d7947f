//! Pairs of filters on rows of widened taps, in assembly.
//!
//! A word of weights holds two taps of two outputs; `SXTB16` takes them apart, and `SMLAD` multiplies both taps of one of
//! them by two values of 16 bits. Four rows times two outputs make eight sums, which leave registers for nothing but two
//! words of weights, two of values and the two pointers: everything else lies in a frame on the stack.

use core::arch::naked_asm;

/// What the routines read, at the offsets in their comments.
#[repr(C)]
pub struct Block {
    /// 0: widened taps: `[pair of taps][row]`, words.
    pub values: *const u32,
    /// 4: weights of the first pair of outputs; the others follow.
    pub weights: *const i8,
    /// 8: two for each pair of outputs.
    pub biases: *const i32,
    /// 12: the same.
    pub multipliers: *const i32,
    /// 16: where the results of the first row go, or all sums.
    pub output: *mut i8,
    /// 20: bytes from row to row of results.
    pub output_step: usize,
    /// 24: sixteens of taps.
    pub sixteens: usize,
    /// 28: fours of taps behind them.
    pub fours: usize,
    /// 32: pairs of outputs, at least one.
    pub pairs: usize,
    /// 36: of the results.
    pub zero_point: i32,
    /// 40: the least result in each byte.
    pub low: u32,
    /// 44: the greatest result in each byte.
    pub high: u32,
    /// 48: whether they are narrower than an int8.
    pub is_bounded: u32,
}

/// Two taps of four rows times two outputs.
macro_rules! taps_of_four {
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

/// Four taps of one row times two outputs.
macro_rules! taps_of_one {
    () => {
        "ldrd r6, r7, [r0], #8
        ldrd r8, r9, [r1], #8
        sxtb16 r10, r8
        sxtb16 r8, r8, ror #8
        sxtb16 r11, r9
        sxtb16 r9, r9, ror #8
        smlad r4, r6, r10, r4
        smlad r5, r6, r8, r5
        smlad r4, r7, r11, r4
        smlad r5, r7, r9, r5
        "
    };
}

/// Four rows, pair of outputs by pair; `$results` out of r4 to r7 and r8 to r11.
macro_rules! four_rows {
    ($results:expr) => {
        naked_asm!(
            // Frame: 0 block, 4 biases, 8 multipliers, 12 output, 16 counter, 20 pairs.
            "push {{r4-r11, lr}}
            sub sp, #28
            str r0, [sp]
            ldr r1, [r0, #4]
            ldrd r2, r3, [r0, #8]
            strd r2, r3, [sp, #4]
            ldr r2, [r0, #16]
            str r2, [sp, #12]
            ldr r2, [r0, #32]
            str r2, [sp, #20]
            1:
            ldr r2, [sp, #4]
            ldrd r4, r8, [r2], #8
            str r2, [sp, #4]
            mov r5, r4
            mov r6, r4
            mov r7, r4
            mov r9, r8
            mov r10, r8
            mov r11, r8
            ldr r3, [sp]
            ldr r2, [r3, #24]
            ldr r0, [r3]
            cmp r2, #0
            beq 3f
            str r2, [sp, #16]
            2:",
            taps_of_four!(),
            taps_of_four!(),
            taps_of_four!(),
            taps_of_four!(),
            taps_of_four!(),
            taps_of_four!(),
            taps_of_four!(),
            taps_of_four!(),
            "ldr r2, [sp, #16]
            subs r2, #1
            str r2, [sp, #16]
            bne 2b
            ldr r3, [sp]
            3:
            ldr r2, [r3, #28]
            cmp r2, #0
            beq 5f
            str r2, [sp, #16]
            4:",
            taps_of_four!(),
            taps_of_four!(),
            "ldr r2, [sp, #16]
            subs r2, #1
            str r2, [sp, #16]
            bne 4b
            5:",
            $results,
            "ldr r2, [sp, #20]
            subs r2, #1
            str r2, [sp, #20]
            bne 1b
            add sp, #28
            pop {{r4-r11, pc}}"
        )
    };
}

/// Four rows of results.
///
/// # Safety
/// Everything that the block names is borrowed, at these lengths: 16·(4·sixteens + fours)·2 bytes of values on a boundary
/// of 4, half of that of weights for each pair, two biases and multipliers a pair; for writing, two bytes a pair in each of
/// four rows.
#[unsafe(naked)]
pub unsafe extern "C" fn four(_: &Block) {
    four_rows!(
        "ldr r2, [sp, #8]
        ldrd r12, lr, [r2], #8
        str r2, [sp, #8]
        ldr r2, [sp]
        ldr r3, [r2, #36]
        smmlar r4, r4, r12, r3
        smmlar r5, r5, r12, r3
        smmlar r6, r6, r12, r3
        smmlar r7, r7, r12, r3
        smmlar r8, r8, lr, r3
        smmlar r9, r9, lr, r3
        smmlar r10, r10, lr, r3
        smmlar r11, r11, lr, r3
        ldr lr, [r2, #48]
        ldr r3, [r2, #20]
        ssat r4, #8, r4
        ssat r5, #8, r5
        ssat r6, #8, r6
        ssat r7, #8, r7
        ssat r8, #8, r8
        ssat r9, #8, r9
        ssat r10, #8, r10
        ssat r11, #8, r11
        bfi r4, r8, #8, #24
        bfi r5, r9, #8, #24
        bfi r6, r10, #8, #24
        bfi r7, r11, #8, #24
        ldr r12, [sp, #12]
        cmp lr, #0
        beq 6f
        ldrd r8, r9, [r2, #40]
        ssub8 r10, r4, r8
        sel r4, r4, r8
        ssub8 r10, r5, r8
        sel r5, r5, r8
        ssub8 r10, r6, r8
        sel r6, r6, r8
        ssub8 r10, r7, r8
        sel r7, r7, r8
        ssub8 r10, r9, r4
        sel r4, r4, r9
        ssub8 r10, r9, r5
        sel r5, r5, r9
        ssub8 r10, r9, r6
        sel r6, r6, r9
        ssub8 r10, r9, r7
        sel r7, r7, r9
        6:
        add r2, r12, #2
        str r2, [sp, #12]
        strh r4, [r12]
        add r12, r3
        strh r5, [r12]
        add r12, r3
        strh r6, [r12]
        add r12, r3
        strh r7, [r12]"
    )
}

/// Four rows of sums: those of one output, then those of the other.
///
/// # Safety
/// As [`four`], without multipliers; for writing, 32 bytes a pair from `output` on.
#[unsafe(naked)]
pub unsafe extern "C" fn four_sums(_: &Block) {
    four_rows!(
        "ldr r2, [sp, #12]
        stm r2!, {{r4-r11}}
        str r2, [sp, #12]"
    )
}

/// One row of sums.
///
/// # Safety
/// As [`four_sums`], with a quarter of the values: `[pair of taps]`; for writing, 8 bytes a pair.
#[unsafe(naked)]
pub unsafe extern "C" fn one_sums(_: &Block) {
    naked_asm!(
        "push {{r4-r11, lr}}
        sub sp, #12
        ldr r1, [r0, #4]
        ldr r2, [r0, #8]
        ldr r3, [r0, #16]
        ldr r4, [r0, #32]
        strd r2, r3, [sp]
        mov r3, r0
        mov lr, r4
        1:
        ldr r2, [sp]
        ldrd r4, r5, [r2], #8
        str r2, [sp]
        ldr r0, [r3]
        ldr r12, [r3, #24]
        cmp r12, #0
        beq 3f
        2:",
        taps_of_one!(),
        taps_of_one!(),
        taps_of_one!(),
        taps_of_one!(),
        "subs r12, #1
        bne 2b
        3:
        ldr r12, [r3, #28]
        cmp r12, #0
        beq 5f
        4:",
        taps_of_one!(),
        "subs r12, #1
        bne 4b
        5:
        ldr r2, [sp, #4]
        strd r4, r5, [r2], #8
        str r2, [sp, #4]
        subs lr, #1
        bne 1b
        add sp, #12
        pop {{r4-r11, pc}}"
    )
}

/// Widens fours of taps of four rows into `[pair of taps][row]`.
///
/// # Safety
/// `rows` points to that many taps each; `to` has 32 bytes for each four, on a boundary of 4, borrowed for writing; at
/// least one four.
#[unsafe(naked)]
pub unsafe extern "C" fn widen_four(_to: *mut u32, _rows: &[*const i8; 4], _fours: usize) {
    naked_asm!(
        "push {{r4-r11, lr}}
        mov r3, r2
        ldm r1, {{r1, r4, r5, r6}}
        1:
        ldr r7, [r1], #4
        ldr r10, [r4], #4
        sxtb16 r8, r7
        sxtb16 r9, r7, ror #8
        sxtb16 r11, r10
        sxtb16 r12, r10, ror #8
        pkhbt r7, r8, r9, lsl #16
        pkhtb r8, r9, r8, asr #16
        pkhbt r10, r11, r12, lsl #16
        pkhtb r11, r12, r11, asr #16
        strd r7, r10, [r0]
        strd r8, r11, [r0, #16]
        ldr r7, [r5], #4
        ldr r10, [r6], #4
        sxtb16 r8, r7
        sxtb16 r9, r7, ror #8
        sxtb16 r11, r10
        sxtb16 r12, r10, ror #8
        pkhbt r7, r8, r9, lsl #16
        pkhtb r8, r9, r8, asr #16
        pkhbt r10, r11, r12, lsl #16
        pkhtb r11, r12, r11, asr #16
        strd r7, r10, [r0, #8]
        strd r8, r11, [r0, #24]
        add r0, #32
        subs r3, #1
        bne 1b
        pop {{r4-r11, pc}}"
    )
}

/// Copies bytes, a few.
///
/// # Safety
/// `len` bytes are borrowed on both sides, those at `to` for writing.
#[unsafe(naked)]
pub unsafe extern "C" fn copy(_to: *mut i8, _from: *const i8, _len: usize) {
    naked_asm!(
        "subs r2, #4
        blo 2f
        1:
        ldr r3, [r1], #4
        str r3, [r0], #4
        subs r2, #4
        bhs 1b
        2:
        adds r2, #4
        beq 4f
        3:
        ldrb r3, [r1], #1
        strb r3, [r0], #1
        subs r2, #1
        bne 3b
        4:
        bx lr"
    )
}
