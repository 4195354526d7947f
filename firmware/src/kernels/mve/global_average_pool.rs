//! The mean over all positions.

use core::arch::naked_asm;

use crate::kernels::{GlobalAveragePool, reference};

/// Channels that are summed at a time.
const LANES: usize = 8;
/// Positions whose sum fits 16 bits: 255 · 128 < 2¹⁵.
const POSITIONS: usize = 255;

/// As [`reference::global_average_pool`], which does it with less than eight channels.
pub fn global_average_pool(arguments: GlobalAveragePool<'_>) {
    let GlobalAveragePool { input, bias, requantizer, output } = arguments;
    let channels = usize::from(input.shape.channels).min(output.len());
    if channels < LANES || output.len() != usize::from(input.shape.channels) {
        return reference::global_average_pool(GlobalAveragePool { input, bias, requantizer, output });
    }
    for start in (0..channels).step_by(LANES) {
        // The last eight may overlap those before.
        let first = start.min(channels - LANES);
        let mut sums = [[bias; 4]; 2];
        for part in input.data.chunks(POSITIONS * channels) {
            // SAFETY: every position of the part has eight channels from `first` on.
            unsafe { add_up(&mut sums, part.as_ptr().wrapping_add(first), channels, part.len() / channels) };
        }
        for (number, result) in output[first..first + LANES].iter_mut().enumerate() {
            // The requantizer has clamped it to 8 bits.
            *result = requantizer.apply(sums[number % 2][number / 2]) as i8;
        }
    }
}

/// Adds the sums of eight channels over `count` positions: of even ones to the first four, of odd ones to the others.
///
/// # Safety
/// From `values` on there are eight every `step` bytes; they are at most 255.
#[unsafe(naked)]
unsafe extern "C" fn add_up(_sums: &mut [[i32; 4]; 2], _values: *const i8, _step: usize, _count: usize) {
    naked_asm!(
        helium!(),
        "push {{r4, lr}}
        vmov.i16 q0, #0
        wls lr, r3, 2f
        1:
        vldrb.s16 q1, [r1]
        add r1, r2
        vadd.i16 q0, q0, q1
        le lr, 1b
        2:
        vldrw.32 q2, [r0]
        vldrw.32 q3, [r0, #16]
        vmovlb.s16 q1, q0
        vmovlt.s16 q0, q0
        vadd.i32 q2, q2, q1
        vadd.i32 q3, q3, q0
        vstrw.32 q2, [r0]
        vstrw.32 q3, [r0, #16]
        pop {{r4, pc}}"
    )
}
