//! Filters of 3×3 and 5×5 applied to one widened channel, in assembly: two neighbouring outputs a step.
//!
//! SMLAD multiplies two pairs and adds both products. Of an input x₀ x₁ | x₂ x₃ and a filter's row w₀ w₁ w₂, the first output
//! takes `(x₀,x₁)·(w₀,w₁) + x₂·w₂` and the second, one column on, `x₁·w₀ + (x₂,x₃)·(w₁,w₂)`. So a filter is kept as all pairs of
//! neighbours in its rows. Each result is stored only after its right (and lower) neighbour: with a step of 0, which makes
//! them one place, the left one stays.

use core::arch::naked_asm;
use core::mem::{MaybeUninit, offset_of};

use super::plane::{LANES, PITCH, ROW};

/// Most pairs of neighbours in the rows of a filter: 5×5.
const PAIRS: usize = 20;

/// The filters of four channels with their constants.
#[repr(C, align(8))]
pub struct Filters([Filter; LANES]);

#[repr(C)]
#[derive(Clone, Copy)]
struct Filter {
    bias: MaybeUninit<i32>,
    multiplier: MaybeUninit<i32>,
    pairs: [MaybeUninit<u32>; PAIRS],
}

impl Filters {
    /// Without values yet.
    pub const fn new() -> Self {
        let (bias, multiplier) = (MaybeUninit::uninit(), MaybeUninit::uninit());
        Self([Filter { bias, multiplier, pairs: [MaybeUninit::uninit(); PAIRS] }; LANES])
    }

    /// Takes the filters of four channels, of `size`×`size` taps, and what goes with them.
    ///
    /// # Safety
    /// `size` is 3 or 5. `weights` points to the first channel's first tap; `size`² taps with at least three more channels
    /// are `step` bytes apart. `constants` point to four
    /// biases and four multipliers.
    pub unsafe fn take(&mut self, size: usize, weights: *const i8, step: usize, constants: [*const i32; 2]) {
        for (lane, filter) in self.0.iter_mut().enumerate() {
            // SAFETY: one of the four.
            unsafe {
                filter.bias.write(*constants[0].add(lane));
                filter.multiplier.write(*constants[1].add(lane));
            }
        }
        // SAFETY: the taps are there, by the conditions above, and each filter has room for `size` · (`size` − 1) pairs.
        unsafe { take(weights, self.0[0].pairs.as_mut_ptr().cast(), step, size) };
    }
}

/// Writes the pairs of neighbours in the rows of four channels' filters.
///
/// r0 weights, r1 target, r2 step, r3 size; r4 and r7 count down rows and pairs, r5 and r6 the left neighbour.
#[unsafe(naked)]
unsafe extern "C" fn take(weights: *const i8, target: *mut u32, step: usize, size: usize) {
    naked_asm!(
        dsp!(),
        "push {{r4-r11, lr}}",
        "mov r4, r3",
        "2:",
        "ldr r12, [r0]",
        "add r0, r0, r2",
        "sxtb16 r5, r12",
        "sxtb16 r6, r12, ror #8",
        "subs r7, r3, #1",
        "3:",
        "ldr r12, [r0]",
        "add r0, r0, r2",
        "sxtb16 r8, r12",
        "sxtb16 r9, r12, ror #8",
        "pkhbt r10, r5, r8, lsl #16",
        "pkhtb r5, r8, r5, asr #16",
        "pkhbt r11, r6, r9, lsl #16",
        "pkhtb r6, r9, r6, asr #16",
        "str r10, [r1], #4",
        "str r11, [r1, #84]",
        "str r5, [r1, #172]",
        "str r6, [r1, #260]",
        "mov r5, r8",
        "mov r6, r9",
        "subs r7, r7, #1",
        "bne 3b",
        "subs r4, r4, #1",
        "bne 2b",
        "pop {{r4-r11, pc}}",
    )
}

/// What the functions below find on the stack, from 72 bytes above where it is for them. Below that they keep:
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
