//! Depthwise filters of four channels, as the assembly that applies them reads them: pairs of neighbours.
//!
//! SMLAD multiplies two pairs and adds both products. Of an input x₀ x₁ | x₂ x₃ and a filter's row w₀ w₁ w₂, the first output
//! takes `(x₀,x₁)·(w₀,w₁) + x₂·w₂` and the second, one column on, `x₁·w₀ + (x₂,x₃)·(w₁,w₂)`. So a filter is kept as all pairs of
//! neighbours in its rows.

use core::arch::naked_asm;
use core::mem::MaybeUninit;

use super::plane::LANES;

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
