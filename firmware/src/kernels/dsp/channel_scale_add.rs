//! The sum of an activation and of another whose channels are scaled.

use core::arch::naked_asm;
use core::mem::offset_of;

use deja_shared::quant::{MULTIPLIER_BITS, scaled};

use super::clamp::clamp;
use super::gate::{Gate, twice};
use crate::kernels::{ChannelScale, ChannelScaleAdd, OutputRange};

/// `y[n,c] = round((x[n,c] − zp_x)·(g[c] − zp_g)·multiplier + term(a[n,c]))`, four channels at a time.
pub fn channel_scale_add(arguments: ChannelScaleAdd<'_>) {
    let ChannelScaleAdd { map, summand, scale } = arguments;
    let ChannelScale { zero_point, gate, gate_zero_point, requantizer, values } = scale;
    let gate = Gate { values: gate, zero_point: gate_zero_point };
    let step = gate.values.len();
    let rows = values.len().min(map.len()).checked_div(step).unwrap_or(0);
    for (first, gates) in gate.fours() {
        let zero = (i64::from(requantizer.zero_point) << MULTIPLIER_BITS) + (1 << (MULTIPLIER_BITS - 1));
        let mut frame = Frame {
            gates,
            multipliers: [requantizer.multiplier, summand.multiplier],
            offsets: twice(-i16::from(zero_point)),
            step,
            start: zero - scaled(summand.zero_point.into(), summand.multiplier),
            rows,
        };
        let (target, map) = (values.as_mut_ptr().wrapping_add(first), map.as_ptr().wrapping_add(first));
        if rows > 0 {
            // SAFETY: both have that many rows of `step` channels, four of them from the first one on.
            unsafe { scale_add(target, map, 1 << 8, &mut frame) };
        }
    }
    // Not zipped: that is code of its own, which could divide by a step of 0 for all it knows.
    let mut maps = map.chunks_exact(step.max(1));
    for row in values.chunks_exact_mut(step.max(1)) {
        let Some(map) = maps.next() else { break };
        for ((value, &x), gate) in row.iter_mut().zip(map).zip(gate.differences()).skip(gate.served()) {
            let product = requantizer.product((i32::from(x) - i32::from(zero_point)) * gate);
            // The requantizer has clamped it to 8 bits.
            *value = requantizer.round(product + summand.term(*value)) as i8;
        }
    }
    clamp(values, OutputRange::from(requantizer));
}

/// What [`scale_add`] reads.
#[repr(C)]
struct Frame {
    /// Of channels 0 and 2, and of 1 and 3.
    gates: [u32; 2],
    /// Of the product, and of the summand.
    multipliers: [i32; 2],
    /// What takes the map's zero point away, twice.
    offsets: u32,
    /// From a row to the next.
    step: usize,
    /// What sums begin with: the result's zero point, one half, and what the summand's zero point takes away.
    start: i64,
    /// Counted down.
    rows: usize,
}

const _: () =
    assert!(offset_of!(Frame, offsets) == 16 && offset_of!(Frame, start) == 24 && offset_of!(Frame, rows) == 32);

/// One result from a half of a word of the map, of one of gates (in `$gates`) and of one of summands: the product and the
/// summand, 2⁸ times, each times its multiplier, in 64 bits.
macro_rules! result {
    ($half:literal, $map:literal, $gates:literal, $summands:literal, $place:literal) => {
        concat!(
            "ldrd r11, r12, [r3, #24]\n",
            "smul",
            $half,
            $half,
            " lr, ",
            $map,
            ", ",
            $gates,
            "\n",
            "smlal r11, r12, lr, r6\n",
            "smul",
            $half,
            "b lr, ",
            $summands,
            ", r2\n",
            "smlal r11, r12, lr, r7\n",
            "ssat r12, #8, r12\n",
            "strb r12, [r0, #",
            $place,
            "]",
        )
    };
}

/// Scales and adds four channels of at least one row.
///
/// r0 values, r1 map, r2 2⁸, r3 the frame, r4 and r5 gates, r6 and r7 multipliers, r8 and r9 two halves of the map and of the
/// values, r10 the latter's others, r11 and r12 the sum.
#[unsafe(naked)]
unsafe extern "C" fn scale_add(values: *mut i8, map: *const i8, unit: usize, frame: *mut Frame) {
    naked_asm!(
        dsp!(),
        "push {{r4-r11, lr}}",
        "ldm r3, {{r4-r7}}",
        "2:",
        "ldr r8, [r1]",
        "ldr r9, [r0]",
        "ldr r12, [r3, #16]", // offsets
        "sxtb16 r10, r9, ror #8",
        "sxtb16 r9, r9",
        "sxtab16 r8, r12, r8",
        result!("b", "r8", "r4", "r9", 0),
        result!("t", "r8", "r4", "r9", 2),
        "ldr r8, [r1]",
        "ldr r12, [r3, #16]", // offsets
        "sxtab16 r8, r12, r8, ror #8",
        result!("b", "r8", "r5", "r10", 1),
        result!("t", "r8", "r5", "r10", 3),
        "ldrd r11, r12, [r3, #16]", // offsets, step
        "ldr lr, [r3, #32]",        // rows
        "add r0, r0, r12",
        "add r1, r1, r12",
        "subs lr, lr, #1",
        "str lr, [r3, #32]",
        "bne 2b",
        "pop {{r4-r11, pc}}",
    )
}
