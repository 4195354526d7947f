//! The sum of two activations.

use core::arch::naked_asm;

use super::clamp::clamp;
use crate::kernels::{Add, OutputRange, reference};

/// Values that are added at once.
const LANES: usize = 4;

/// `y = requantize(a·multiplier_a + b·multiplier_b + bias)`, four values at a time.
pub fn add(arguments: Add<'_>) {
    let Add { b, multiplier_a, multiplier_b, bias, requantizer, values } = arguments;
    let len = values.len().min(b.len());
    let (words, rest) = values.split_at_mut_checked(len / LANES * LANES).unwrap_or_default();
    let constants = Constants {
        multipliers: [multiplier_a, multiplier_b],
        bias,
        multiplier: requantizer.multiplier,
        zero_point: requantizer.zero_point,
    };
    if !words.is_empty() {
        // SAFETY: both have that many words.
        unsafe { add_words(words.as_mut_ptr(), b.as_ptr(), words.len() / LANES, &constants) };
    }
    let b = b.get(words.len()..).unwrap_or_default();
    clamp(words, OutputRange::from(requantizer));
    reference::add(Add { b, multiplier_a, multiplier_b, bias, requantizer, values: rest });
}

/// What [`add_words`] reads at once.
#[repr(C)]
struct Constants {
    multipliers: [i16; 2],
    bias: i32,
    multiplier: i32,
    zero_point: i32,
}

/// r0 values, r1 the second summands, r2 counts down, r4 both multipliers, r5 bias, r6 and r7 of the requantization.
#[unsafe(naked)]
unsafe extern "C" fn add_words(values: *mut i8, b: *const i8, words: usize, constants: *const Constants) {
    naked_asm!(
        dsp!(),
        "push {{r4-r11, lr}}",
        "ldm r3, {{r4-r7}}",
        "2:",
        "ldr r8, [r0]",
        "ldr r10, [r1], #4",
        "sxtb16 r9, r8, ror #8",
        "sxtb16 r8, r8",
        "sxtb16 r11, r10, ror #8",
        "sxtb16 r10, r10",
        "smlabb r12, r8, r4, r5",
        "smlabb lr, r9, r4, r5",
        "smlatb r8, r8, r4, r5",
        "smlatb r9, r9, r4, r5",
        "smlabt r12, r10, r4, r12",
        "smlabt lr, r11, r4, lr",
        "smlatt r8, r10, r4, r8",
        "smlatt r9, r11, r4, r9",
        "smmlar r12, r12, r6, r7",
        "smmlar lr, lr, r6, r7",
        "smmlar r8, r8, r6, r7",
        "smmlar r9, r9, r6, r7",
        "ssat r12, #8, r12",
        "ssat lr, #8, lr",
        "ssat r8, #8, r8",
        "ssat r9, #8, r9",
        "strb lr, [r0, #1]",
        "strb r8, [r0, #2]",
        "strb r9, [r0, #3]",
        "strb r12, [r0], #4",
        "subs r2, r2, #1",
        "bne 2b",
        "pop {{r4-r11, pc}}",
    )
}
