//! Pairs of filters on one row of widened taps, in assembly.

use core::arch::naked_asm;

use super::block::Pairs;

/// What [`one`] reads.
#[repr(C)]
pub struct Row {
    /// 0: the filters, the row as `[pair of taps]`, and where results go.
    pub pairs: Pairs,
    /// 32: bytes of a result: 1 or 2, or 4 for sums as they are.
    pub size: usize,
}

/// Eight taps of one row times two outputs.
macro_rules! eight_taps {
    () => {
        "ldm r0!, {{r4-r7}}
        ldm r1!, {{r8-r11}}
        sxtb16 r12, r8
        sxtb16 r8, r8, ror #8
        smlad r2, r4, r12, r2
        smlad r3, r4, r8, r3
        sxtb16 r12, r9
        sxtb16 r9, r9, ror #8
        smlad r2, r5, r12, r2
        smlad r3, r5, r9, r3
        sxtb16 r12, r10
        sxtb16 r10, r10, ror #8
        smlad r2, r6, r12, r2
        smlad r3, r6, r10, r3
        sxtb16 r12, r11
        sxtb16 r11, r11, ror #8
        smlad r2, r7, r12, r2
        smlad r3, r7, r11, r3
        "
    };
}

/// One row of results, saturated at their bits, or of sums.
///
/// # Safety
/// Everything that the row names is borrowed, at these lengths: two bytes of values for each tap and as many of weights for
/// each pair, both on a boundary of 4, two biases and multipliers a pair; for writing, two results a pair, on a boundary of
/// 4 if they are sums.
#[unsafe(naked)]
pub unsafe extern "C" fn one(_: &Row) {
    naked_asm!(
        // Frame: 0 values, 4 zero point, 8 multipliers, 12 output, 16 biases, 20 their end, 24 bytes of a result, 28 where
        // a pair is begun, 32 where its taps behind the eights are: four of them, or none.
        "push {{r4-r11, lr}}
        ldm r0, {{r0-r8}}
        bic lr, r7, #7
        add lr, r0, lr, lsl #1
        adr r11, 5f
        tst r7, #4
        it ne
        adrne r11, 4f
        adr r10, 2f
        tst r7, #8
        it ne
        adrne r10, 3f
        cmp r7, #8
        it lo
        movlo r10, r11
        orr r10, #1
        orr r11, #1
        push {{r0-r5, r8, r10, r11}}
        mov r1, r6
        ldm sp, {{r0, r4-r7}}
        1:
        ldrd r2, r3, [r7], #8
        stm sp, {{r0, r4-r7}}
        ldr pc, [sp, #28]
        2:",
        eight_taps!(),
        "3:",
        eight_taps!(),
        "cmp r0, lr
        bne 2b
        ldr pc, [sp, #32]
        4:
        ldm r0!, {{r4, r5}}
        ldm r1!, {{r8, r9}}
        sxtb16 r12, r8
        sxtb16 r8, r8, ror #8
        smlad r2, r4, r12, r2
        smlad r3, r4, r8, r3
        sxtb16 r12, r9
        sxtb16 r9, r9, ror #8
        smlad r2, r5, r12, r2
        smlad r3, r5, r9, r3
        5:
        ldm sp, {{r0, r4-r9}}
        cmp r9, #2
        bhi 7f
        ldrd r10, r11, [r5], #8
        smmlar r2, r2, r10, r4
        smmlar r3, r3, r11, r4
        beq 6f
        ssat r2, #8, r2
        ssat r3, #8, r3
        strb r2, [r6], #1
        strb r3, [r6], #1
        b 8f
        6:
        ssat r2, #16, r2
        ssat r3, #16, r3
        strh r2, [r6], #2
        strh r3, [r6], #2
        b 8f
        7:
        strd r2, r3, [r6], #8
        8:
        cmp r7, r8
        bne 1b
        add sp, #36
        pop {{r4-r11, pc}}"
    )
}
