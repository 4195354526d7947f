//! Filters of 3×3 and 5×5 applied to one widened channel, in assembly: two neighbouring outputs a step.
//!
//! SMLAD multiplies two pairs and adds both products. Of an input x₀ x₁ | x₂ x₃ and a filter's row w₀ w₁ w₂, the first output
//! takes `(x₀,x₁)·(w₀,w₁) + x₂·w₂` and the second, one column on, `x₁·w₀ + (x₂,x₃)·(w₁,w₂)`. So a filter is kept as all pairs of
//! neighbours in its rows. Each result is stored only after its right (and lower) neighbour: with a step of 0, which makes
//! them one place, the left one stays.

use core::arch::naked_asm;
use core::mem::{MaybeUninit, offset_of};

use super::halves;
use super::plane::{LANES, PITCH};

/// Most pairs of neighbours in the rows of a filter: 5×5.
const PAIRS: usize = 20;

/// The filters of four channels.
pub struct Filters([[MaybeUninit<u32>; PAIRS]; LANES]);

impl Filters {
    /// Without values yet.
    pub const fn new() -> Self {
        Self([[MaybeUninit::uninit(); PAIRS]; LANES])
    }

    /// That of one channel.
    pub fn lane(&self, lane: usize) -> *const u32 {
        self.0.as_ptr().cast::<u32>().wrapping_add(lane * PAIRS)
    }

    /// Takes the filters of four channels, of `SIZE`×`SIZE` taps.
    ///
    /// # Safety
    /// `weights` points to the first channel's first tap; `SIZE`² taps with at least three more channels are `step` bytes
    /// apart. `SIZE` is at most 5.
    pub unsafe fn take<const SIZE: usize>(&mut self, weights: *const i8, step: usize) {
        let [a, b, c, d] = &mut self.0;
        let mut places = a.iter_mut().zip(b).zip(c.iter_mut().zip(d));
        for row in 0..SIZE {
            // SAFETY: a tap of the filters, by the conditions above.
            let tap = |column| unsafe { weights.add((row * SIZE + column) * step).cast::<u32>().read_unaligned() };
            let mut left = tap(0);
            for (column, ((a, b), (c, d))) in (1..SIZE).zip(&mut places) {
                let right = tap(column);
                let (even, odd) = ((halves::even(left), halves::even(right)), (halves::odd(left), halves::odd(right)));
                a.write(halves::lower(even.0, even.1));
                b.write(halves::lower(odd.0, odd.1));
                c.write(halves::upper(even.0, even.1));
                d.write(halves::upper(odd.0, odd.1));
                left = right;
            }
        }
    }
}

/// What the functions below find on the stack.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Frame {
    /// Bytes from an output to its right neighbour; also their third argument.
    pub step: usize,
    /// Bytes from an output to the one below.
    pub row: usize,
    /// Of the requantization.
    pub multiplier: i32,
    /// Of the requantization.
    pub zero_point: i32,
    /// Bytes from the end of what a turn reads to the beginning of the next one's.
    pub source_skip: usize,
    /// The same for what it writes.
    pub target_skip: usize,
    /// What sums begin with.
    pub bias: i32,
    /// Turns: rows of outputs, or pairs of rows.
    pub turns: usize,
    /// Pairs of outputs in a row.
    pub pairs: usize,
    /// Theirs to use.
    pub end: usize,
}

const _: () = assert!(offset_of!(Frame, multiplier) == 8 && offset_of!(Frame, pairs) == 32 && PITCH * 4 == 272);

/// Applies a filter: source, target, step, filter, and the rest on the stack.
///
/// # Safety
/// The source is widened rows under all windows, the target has all outputs, in both cases with as many rows and pairs of
/// columns as the frame says; the filter has all pairs of its taps.
pub type Sweep = unsafe extern "C" fn(*const u32, *mut i8, usize, *const u32, Frame);

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
            ", [sp, #44]\n",
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

/// On to the next turn at label 2, if there is one.
macro_rules! turn {
    () => {
        "ldrd r10, r11, [sp, #52]
         ldr r12, [sp, #64]
         add r0, r0, r10
         add r1, r1, r11
         subs r12, r12, #1
         str r12, [sp, #64]
         bne 2b
         pop {{r4-r11, pc}}"
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
    filter: *const u32,
    frame: Frame,
) {
    naked_asm!(
        dsp!(),
        "push {{r4-r11, lr}}",
        "ldm r3, {{r2-r7}}",
        "ldr r12, [sp, #68]", // pairs
        "add r12, r0, r12, lsl #2",
        "str r12, [sp, #72]", // end
        "2:",
        "ldrd r12, lr, [r0]",
        "ldr r11, [sp, #60]", // bias
        three!("r8", "r9", "r2", "r3", "r11", "r11"),
        "ldrd r12, lr, [r0, #272]",
        three!("r8", "r9", "r4", "r5"),
        three!("r10", "r11", "r2", "r3", "r11", "r11"),
        "ldrd r12, lr, [r0, #544]",
        three!("r8", "r9", "r6", "r7"),
        three!("r10", "r11", "r4", "r5"),
        "ldrd r12, lr, [r0, #816]",
        three!("r10", "r11", "r6", "r7"),
        "ldrd r12, lr, [sp, #44]", // multiplier, zero_point
        "smmlar r8, r8, r12, lr",
        "smmlar r9, r9, r12, lr",
        "smmlar r10, r10, r12, lr",
        "smmlar r11, r11, r12, lr",
        "ldrd r12, lr, [sp, #36]", // step, row
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
        "ldr r12, [sp, #72]",
        "adds r0, r0, #4",
        "cmp r0, r12",
        "bne 2b",
        "add r12, r12, #544",
        "str r12, [sp, #72]",
        turn!(),
    )
}

/// 3×3 at a stride of 1; a turn is a row of outputs.
///
/// r0 source, r1 target, r2 step, r3 counts down, r4–r9 the filter, r10 and r11 sums.
#[unsafe(naked)]
pub unsafe extern "C" fn three(source: *const u32, target: *mut i8, step: usize, filter: *const u32, frame: Frame) {
    naked_asm!(
        dsp!(),
        "push {{r4-r11, lr}}",
        "ldm r3, {{r4-r9}}",
        "2:",
        "ldr r3, [sp, #68]", // pairs
        "3:",
        "ldrd r12, lr, [r0]",
        "ldr r11, [sp, #60]", // bias
        three!("r10", "r11", "r4", "r5", "r11", "r11"),
        "ldrd r12, lr, [r0, #272]",
        three!("r10", "r11", "r6", "r7"),
        "ldrd r12, lr, [r0, #544]",
        three!("r10", "r11", "r8", "r9"),
        store!("r12", "lr"),
        "adds r0, r0, #4",
        "subs r3, r3, #1",
        "bne 3b",
        turn!(),
    )
}

/// 3×3 at a stride of 2; a turn is a row of outputs. Registers as in [`three`].
#[unsafe(naked)]
pub unsafe extern "C" fn three_by_two(
    source: *const u32,
    target: *mut i8,
    step: usize,
    filter: *const u32,
    frame: Frame,
) {
    naked_asm!(
        dsp!(),
        "push {{r4-r11, lr}}",
        "ldm r3, {{r4-r9}}",
        "2:",
        "ldr r3, [sp, #68]", // pairs
        "3:",
        "ldr r11, [sp, #60]", // bias
        three_by_two!(0, 8, "r4", "r5", "r11"),
        three_by_two!(272, 280, "r6", "r7", "r10"),
        three_by_two!(544, 552, "r8", "r9", "r10"),
        store!("r12", "lr"),
        "adds r0, r0, #8",
        "subs r3, r3, #1",
        "bne 3b",
        turn!(),
    )
}

/// 5×5 at a stride of 1; a turn is a row of outputs.
///
/// r0 source, moved so that all rows are within reach, r1 target, r2 step, r3 the filter, r4–r7 a row of it, lr counts down.
#[unsafe(naked)]
pub unsafe extern "C" fn five(source: *const u32, target: *mut i8, step: usize, filter: *const u32, frame: Frame) {
    naked_asm!(
        dsp!(),
        "push {{r4-r11, lr}}",
        "add r0, r0, #136",
        "2:",
        "ldr lr, [sp, #68]", // pairs
        "3:",
        "ldr r11, [sp, #60]", // bias
        five!(0, 8, "-136", "-128", "r11"),
        five!(16, 24, "136", "144", "r10"),
        five!(32, 40, "408", "416", "r10"),
        five!(48, 56, "680", "688", "r10"),
        five!(64, 72, "952", "960", "r10"),
        store!("r4", "r5"),
        "adds r0, r0, #4",
        "subs lr, lr, #1",
        "bne 3b",
        turn!(),
    )
}

/// 5×5 at a stride of 2. All else as in [`five`].
#[unsafe(naked)]
pub unsafe extern "C" fn five_by_two(
    source: *const u32,
    target: *mut i8,
    step: usize,
    filter: *const u32,
    frame: Frame,
) {
    naked_asm!(
        dsp!(),
        "push {{r4-r11, lr}}",
        "add r0, r0, #136",
        "2:",
        "ldr lr, [sp, #68]", // pairs
        "3:",
        "ldr r11, [sp, #60]", // bias
        five_by_two!(0, 8, "-136", "-128", "r11"),
        five_by_two!(16, 24, "136", "144", "r10"),
        five_by_two!(32, 40, "408", "416", "r10"),
        five_by_two!(48, 56, "680", "688", "r10"),
        five_by_two!(64, 72, "952", "960", "r10"),
        store!("r4", "r5"),
        "adds r0, r0, #8",
        "subs lr, lr, #1",
        "bne 3b",
        turn!(),
    )
}
