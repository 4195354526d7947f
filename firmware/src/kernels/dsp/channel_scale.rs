//! An activation whose channels are scaled.

use core::arch::naked_asm;

use super::clamp::clamp;
use super::gate::{Gate, twice};
use crate::kernels::{ChannelScale, OutputRange};

/// `y[n,c] = requantize((x[n,c] − zp_x)·(g[c] − zp_g))`, four channels at a time.
pub fn channel_scale(arguments: ChannelScale<'_>) {
    let ChannelScale { zero_point, gate, gate_zero_point, requantizer, values } = arguments;
    let gate = Gate { values: gate, zero_point: gate_zero_point };
    let step = gate.values.len();
    let rows = values.len().checked_div(step).unwrap_or(0);
    for (first, gates) in gate.fours() {
        let constants = Constants {
            gates,
            offsets: twice(-i16::from(zero_point)),
            multiplier: requantizer.multiplier,
            zero_point: requantizer.zero_point,
        };
        let target = values.as_mut_ptr().wrapping_add(first);
        if rows > 0 {
            // SAFETY: the values have that many rows of `step` channels, four of them from the first one on.
            unsafe { scale(target, step, rows, &constants) };
        }
    }
    for row in values.chunks_exact_mut(step.max(1)) {
        for (value, gate) in row.iter_mut().zip(gate.differences()).skip(gate.served()) {
            // The requantizer has clamped it to 8 bits.
            *value = requantizer.apply((i32::from(*value) - i32::from(zero_point)) * gate) as i8;
        }
    }
    clamp(values, OutputRange::from(requantizer));
}

/// What [`scale`] reads at once.
#[repr(C)]
struct Constants {
    /// Of channels 0 and 2, and of 1 and 3.
    gates: [u32; 2],
    /// What takes the zero point away, twice.
    offsets: u32,
    multiplier: i32,
    zero_point: i32,
}

/// Scales four channels of at least one row.
///
/// r0 values, r1 step, r2 counts down, r4 and r5 gates, r6 offsets, r7 and r8 of the requantization.
#[unsafe(naked)]
unsafe extern "C" fn scale(values: *mut i8, step: usize, rows: usize, constants: *const Constants) {
    naked_asm!(
        dsp!(),
        "push {{r4-r11, lr}}",
        "ldm r3, {{r4-r8}}",
        "2:",
        "ldr r12, [r0]",
        "sxtab16 r9, r6, r12",
        "sxtab16 r12, r6, r12, ror #8",
        "smulbb r10, r9, r4",
        "smulbb r11, r12, r5",
        "smultt r9, r9, r4",
        "smultt r12, r12, r5",
        "smmlar r10, r10, r7, r8",
        "smmlar r11, r11, r7, r8",
        "smmlar r9, r9, r7, r8",
        "smmlar r12, r12, r7, r8",
        "ssat r10, #8, r10",
        "ssat r11, #8, r11",
        "ssat r9, #8, r9",
        "ssat r12, #8, r12",
        "strb r11, [r0, #1]",
        "strb r9, [r0, #2]",
        "strb r12, [r0, #3]",
        "strb r10, [r0]",
        "add r0, r0, r1",
        "subs r2, r2, #1",
        "bne 2b",
        "pop {{r4-r11, pc}}",
    )
}
