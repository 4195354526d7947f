//! Filters of 3×3, which lie in registers all the time.

use core::arch::naked_asm;

use super::Frame;
use crate::kernels::dsp::filters::Filters;

/// A filter's row of three at a stride of 1: r12 and lr hold four values; `a` and `b` the filter's pairs.
macro_rules! three {
    ($left:literal, $right:literal, $a:literal, $b:literal, $from_left:literal, $from_right:literal) => {
        concat!(
            "smlad ",
            $left,
            ", r12, ",
            $a,
            ", ",
            $from_left,
            "\n",
            "smlatb ",
            $right,
            ", r12, ",
            $a,
            ", ",
            $from_right,
            "\n",
            "smlabt ",
            $left,
            ", lr, ",
            $b,
            ", ",
            $left,
            "\n",
            "smlad ",
            $right,
            ", lr, ",
            $b,
            ", ",
            $right,
        )
    };
    ($left:literal, $right:literal, $a:literal, $b:literal) => {
        three!($left, $right, $a, $b, $left, $right)
    };
}

/// A filter's row of three at a stride of 2, and the loads of its five values.
macro_rules! three_by_two {
    ($at:literal, $behind:literal, $a:literal, $b:literal, $from:literal) => {
        concat!(
            "ldrd r12, lr, [r0, #",
            $at,
            "]\n",
            "smlad r10, r12, ",
            $a,
            ", ",
            $from,
            "\n",
            "smlabt r10, lr, ",
            $b,
            ", r10\n",
            "smlad r11, lr, ",
            $a,
            ", r11\n",
            "ldr r12, [r0, #",
            $behind,
            "]\n",
            "smlabt r11, r12, ",
            $b,
            ", r11",
        )
    };
}

/// 3×3 at a stride of 1; a turn is two rows of outputs.
///
/// r0 source, r1 target, r2–r7 the filter, r8–r11 sums.
#[unsafe(naked)]
pub unsafe extern "C" fn three_two_rows(
    source: *const u32,
    target: *mut i8,
    step: usize,
    filters: *const Filters,
    frame: Frame,
) {
    naked_asm!(
        dsp!(),
        begin!(),
        "ldm r3, {{r2-r7}}",
        "ldr r12, [sp, #92]", // pairs
        "add r12, r0, r12, lsl #2",
        "str r12, [sp, #32]", // end
        "2:",
        "ldrd r12, lr, [r0]",
        "ldr r11, [sp]", // bias
        three!("r8", "r9", "r2", "r3", "r11", "r11"),
        "ldrd r12, lr, [r0, #272]",
        three!("r8", "r9", "r4", "r5"),
        three!("r10", "r11", "r2", "r3", "r11", "r11"),
        "ldrd r12, lr, [r0, #544]",
        three!("r8", "r9", "r6", "r7"),
        three!("r10", "r11", "r4", "r5"),
        "ldrd r12, lr, [r0, #816]",
        three!("r10", "r11", "r6", "r7"),
        "ldrd r12, lr, [sp, #4]", // multiplier, zero_point
        "smmlar r8, r8, r12, lr",
        "smmlar r9, r9, r12, lr",
        "smmlar r10, r10, r12, lr",
        "smmlar r11, r11, r12, lr",
        "ldrd r12, lr, [sp, #72]", // step, row
        "ssat r8, #8, r8",
        "ssat r9, #8, r9",
        "ssat r10, #8, r10",
        "ssat r11, #8, r11",
        "add lr, lr, r1",
        "strb r11, [lr, r12]",
        "strb r10, [lr]",
        "strb r9, [r1, r12]",
        "strb r8, [r1]",
        "add r1, r1, r12, lsl #1",
        "ldr r12, [sp, #32]",
        "adds r0, r0, #4",
        "cmp r0, r12",
        "bne 2b",
        "add r12, r12, #544",
        "str r12, [sp, #32]",
        end!(),
    )
}

/// 3×3 at a stride of 1; a turn is a row of outputs.
///
/// r0 source, r1 target, r2 step, r3 counts down, r4–r9 the filter, r10 and r11 sums.
#[unsafe(naked)]
pub unsafe extern "C" fn three(
    source: *const u32,
    target: *mut i8,
    step: usize,
    filters: *const Filters,
    frame: Frame,
) {
    naked_asm!(
        dsp!(),
        begin!(),
        "ldm r3, {{r4-r9}}",
        "2:",
        "ldr r3, [sp, #92]", // pairs
        "3:",
        "ldrd r12, lr, [r0]",
        "ldr r11, [sp]", // bias
        three!("r10", "r11", "r4", "r5", "r11", "r11"),
        "ldrd r12, lr, [r0, #272]",
        three!("r10", "r11", "r6", "r7"),
        "ldrd r12, lr, [r0, #544]",
        three!("r10", "r11", "r8", "r9"),
        store!("r12", "lr"),
        "adds r0, r0, #4",
        "subs r3, r3, #1",
        "bne 3b",
        end!(),
    )
}

/// 3×3 at a stride of 2; a turn is a row of outputs. Registers as in [`three`].
#[unsafe(naked)]
pub unsafe extern "C" fn three_by_two(
    source: *const u32,
    target: *mut i8,
    step: usize,
    filters: *const Filters,
    frame: Frame,
) {
    naked_asm!(
        dsp!(),
        begin!(),
        "ldm r3, {{r4-r9}}",
        "2:",
        "ldr r3, [sp, #92]", // pairs
        "3:",
        "ldr r11, [sp]", // bias
        three_by_two!(0, 8, "r4", "r5", "r11"),
        three_by_two!(272, 280, "r6", "r7", "r10"),
        three_by_two!(544, 552, "r8", "r9", "r10"),
        store!("r12", "lr"),
        "adds r0, r0, #8",
        "subs r3, r3, #1",
        "bne 3b",
        end!(),
    )
}
