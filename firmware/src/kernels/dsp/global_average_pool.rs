//! The mean over all positions.

use core::arch::naked_asm;

use super::clamp::clamp;
use super::plane::LANES;
use crate::kernels::{GlobalAveragePool, OutputRange, reference};

/// Positions whose sum cannot leave 16 bits: 256 · −128 is the least number of 16 bits.
const MOST: usize = 256;

/// `y[c] = requantize(bias + Σ x[i,j,c])`, four channels at a time.
///
/// For at least four channels; fewer go to the reference.
pub fn global_average_pool(arguments: GlobalAveragePool<'_>) {
    let GlobalAveragePool { input, bias, requantizer, output } = arguments;
    let (positions, channels) = (input.shape.positions() as usize, usize::from(input.shape.channels));
    if channels < LANES || input.data.len() as u64 != input.shape.len() || output.len() != channels {
        return reference::global_average_pool(GlobalAveragePool { input, bias, requantizer, output });
    }
    let constants = [requantizer.multiplier, requantizer.zero_point];
    for first in (0..channels).step_by(LANES) {
        // The last four channels may have been among the ones before.
        let first = first.min(channels - LANES);
        let mut sums = [bias; LANES];
        for position in (0..positions).step_by(MOST) {
            let source = input.data.as_ptr().wrapping_add(position * channels + first);
            // SAFETY: the input has that many positions more, each with four channels from the first one on.
            unsafe { add(source, channels, MOST.min(positions - position), &mut sums) };
        }
        // SAFETY: the output has four channels from the first one on.
        unsafe { requantize(&sums, output.as_mut_ptr().wrapping_add(first), constants[0], constants[1]) };
    }
    clamp(output, OutputRange::from(requantizer));
}

/// Four sums as results.
#[unsafe(naked)]
unsafe extern "C" fn requantize(sums: &[i32; LANES], target: *mut i8, multiplier: i32, zero_point: i32) {
    naked_asm!(
        dsp!(),
        "push {{r4-r6, lr}}",
        "ldm r0, {{r4-r6, r12}}",
        "smmlar r4, r4, r2, r3",
        "smmlar r5, r5, r2, r3",
        "smmlar r6, r6, r2, r3",
        "smmlar r12, r12, r2, r3",
        "ssat r4, #8, r4",
        "ssat r5, #8, r5",
        "ssat r6, #8, r6",
        "ssat r12, #8, r12",
        "strb r4, [r1]",
        "strb r5, [r1, #1]",
        "strb r6, [r1, #2]",
        "strb r12, [r1, #3]",
        "pop {{r4-r6, pc}}",
    )
}

/// Adds the values of four channels over at least one and at most [`MOST`] positions to their sums.
///
/// r0 source, r1 step, r2 positions, r3 the sums, lr three steps, r4 the new sums of channels 0 and 2 in 16 bits each, r5 of 1
/// and 3.
#[unsafe(naked)]
unsafe extern "C" fn add(source: *const i8, step: usize, positions: usize, sums: *mut [i32; LANES]) {
    naked_asm!(
        dsp!(),
        "push {{r4-r8, lr}}",
        "movs r4, #0",
        "movs r5, #0",
        "add lr, r1, r1, lsl #1",
        "subs r2, r2, #4",
        "blo 3f",
        "2:",
        "ldr r6, [r0]",
        "ldr r7, [r0, r1]",
        "ldr r8, [r0, r1, lsl #1]",
        "ldr r12, [r0, lr]",
        "add r0, r0, r1, lsl #2",
        "sxtab16 r4, r4, r6",
        "sxtab16 r5, r5, r6, ror #8",
        "sxtab16 r4, r4, r7",
        "sxtab16 r5, r5, r7, ror #8",
        "sxtab16 r4, r4, r8",
        "sxtab16 r5, r5, r8, ror #8",
        "sxtab16 r4, r4, r12",
        "sxtab16 r5, r5, r12, ror #8",
        "subs r2, r2, #4",
        "bhs 2b",
        "3:",
        "adds r2, r2, #4",
        "beq 5f",
        "4:",
        "ldr r6, [r0]",
        "add r0, r0, r1",
        "sxtab16 r4, r4, r6",
        "sxtab16 r5, r5, r6, ror #8",
        "subs r2, r2, #1",
        "bne 4b",
        "5:",
        "ldm r3, {{r0-r2, r12}}",
        "sxtah r0, r0, r4",
        "sxtah r1, r1, r5",
        "sxtah r2, r2, r4, ror #16",
        "sxtah r12, r12, r5, ror #16",
        "stm r3, {{r0-r2, r12}}",
        "pop {{r4-r8, pc}}",
    )
}
