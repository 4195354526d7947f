//! Filters of 5×5, row by row.

use core::arch::naked_asm;

use super::Frame;
use crate::kernels::dsp::filters::Filters;

/// A filter's row of five at a stride of 1, all loads included.
macro_rules! five {
    ($pairs:literal, $more:literal, $at:literal, $behind:literal, $from:literal) => {
        concat!(
            "ldrd r4, r5, [r3, #",
            $pairs,
            "]\n",
            "ldrd r6, r7, [r3, #",
            $more,
            "]\n",
            "ldrd r8, r9, [r0, #",
            $at,
            "]\n",
            "ldr r12, [r0, #",
            $behind,
            "]\n",
            "smlad r10, r8, r4, ",
            $from,
            "\n",
            "smlatb r11, r8, r4, r11\n",
            "smlad r10, r9, r6, r10\n",
            "smlad r11, r9, r5, r11\n",
            "smlabt r10, r12, r7, r10\n",
            "smlad r11, r12, r7, r11",
        )
    };
}

/// A filter's row of five at a stride of 2, all loads included.
macro_rules! five_by_two {
    ($pairs:literal, $more:literal, $at:literal, $behind:literal, $from:literal) => {
        concat!(
            "ldr r4, [r3, #",
            $pairs,
            "]\n",
            "ldrd r6, r7, [r3, #",
            $more,
            "]\n",
            "ldrd r8, r9, [r0, #",
            $at,
            "]\n",
            "ldrd r12, r5, [r0, #",
            $behind,
            "]\n",
            "smlad r10, r8, r4, ",
            $from,
            "\n",
            "smlad r11, r9, r4, r11\n",
            "smlad r10, r9, r6, r10\n",
            "smlad r11, r12, r6, r11\n",
            "smlabt r10, r12, r7, r10\n",
            "smlabt r11, r5, r7, r11",
        )
    };
}

/// 5×5 at a stride of 1; a turn is a row of outputs.
///
/// r0 source, moved so that all rows are within reach, r1 target, r2 step, r3 the filter, r4–r7 a row of it, lr counts down.
#[unsafe(naked)]
pub unsafe extern "C" fn five(source: *const u32, target: *mut i8, step: usize, filters: *const Filters, frame: Frame) {
    naked_asm!(
        dsp!(),
        begin!(),
        "add r0, r0, #136",
        "2:",
        "ldr lr, [sp, #92]", // pairs
        "3:",
        "ldr r11, [sp]", // bias
        five!(0, 8, "-136", "-128", "r11"),
        five!(16, 24, "136", "144", "r10"),
        five!(32, 40, "408", "416", "r10"),
        five!(48, 56, "680", "688", "r10"),
        five!(64, 72, "952", "960", "r10"),
        store!("r4", "r5"),
        "adds r0, r0, #4",
        "subs lr, lr, #1",
        "bne 3b",
        end!(),
    )
}

/// 5×5 at a stride of 2. All else as in [`five`].
#[unsafe(naked)]
pub unsafe extern "C" fn five_by_two(
    source: *const u32,
    target: *mut i8,
    step: usize,
    filters: *const Filters,
    frame: Frame,
) {
    naked_asm!(
        dsp!(),
        begin!(),
        "add r0, r0, #136",
        "2:",
        "ldr lr, [sp, #92]", // pairs
        "3:",
        "ldr r11, [sp]", // bias
        five_by_two!(0, 8, "-136", "-128", "r11"),
        five_by_two!(16, 24, "136", "144", "r10"),
        five_by_two!(32, 40, "408", "416", "r10"),
        five_by_two!(48, 56, "680", "688", "r10"),
        five_by_two!(64, 72, "952", "960", "r10"),
        store!("r4", "r5"),
        "adds r0, r0, #8",
        "subs lr, lr, #1",
        "bne 3b",
        end!(),
    )
}
