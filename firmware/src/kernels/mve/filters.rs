//! Depthwise filters of eight channels, as the assembly that applies them reads them.

use core::arch::naked_asm;
use core::mem::MaybeUninit;

use crate::kernels::{OutputRange, Parameters};

/// Channels that are computed at a time.
pub const LANES: usize = 8;
/// Bytes of the weights of 25 taps and of what stands behind them.
const FILTERS: usize = 25 * LANES + CONSTANTS;
/// Bytes of biases and multipliers, those of even channels before those of odd ones, and of both bounds, 16 bits a
/// channel.
const CONSTANTS: usize = 96;

/// Eight channels' filters as the routines below read them: weights tap by tap, then the constants.
#[repr(align(8))]
pub struct Filters(MaybeUninit<[i8; FILTERS]>);

impl Filters {
    /// None yet.
    pub const fn new() -> Self {
        Self(MaybeUninit::uninit())
    }

    /// The first weight.
    pub fn start(&self) -> *const i8 {
        self.0.as_ptr().cast()
    }

    /// Takes the channels from `first` on, or as many as there are, with at most 25 taps. Gives the least weight, or 0.
    pub fn load(&mut self, parameters: Parameters<'_>, taps: usize, first: usize, range: OutputRange) -> i8 {
        let Parameters { weights, biases, multipliers } = parameters;
        let (channels, to) = (biases.len(), self.0.as_mut_ptr().cast::<i8>());
        let lanes = LANES.min(channels - first);
        let [biases, multipliers] =
            [biases, multipliers].map(|numbers: &[i32]| numbers.get(first..).unwrap_or_default());
        let bounds = i32::from(range.high) << 16 | i32::from(range.low) & 0xffff;
        // SAFETY: there is room for 25 taps and the constants; every tap has `channels` weights, and whole eights of
        // biases and multipliers are read where there are so many.
        unsafe {
            let least = load_weights(to, weights.as_ptr().wrapping_add(first), channels, taps.min(25), lanes);
            let constants = to.wrapping_add(taps.min(25) * LANES);
            if let (Some(biases), Some(multipliers)) = (biases.first_chunk(), multipliers.first_chunk()) {
                load_constants(constants, biases, multipliers, bounds);
            } else {
                load_constants(constants, &eight(biases), &eight(multipliers), bounds);
            }
            // A weight, or 0.
            least as i8
        }
    }
}

/// The first eight, with zeros for those that are missing.
fn eight(numbers: &[i32]) -> [i32; LANES] {
    core::array::from_fn(|i| numbers.get(i).copied().unwrap_or(0))
}

/// Weights of `taps` taps of `lanes` channels, zeros for those that are missing of eight; gives the least of them.
///
/// # Safety
/// `to` begins 8 bytes a tap, borrowed for writing; at `weights`, `step` bytes apart, there are `taps` times `lanes`.
#[unsafe(naked)]
unsafe extern "C" fn load_weights(_to: *mut i8, _weights: *const i8, _step: usize, _taps: usize, _lanes: usize) -> i32 {
    naked_asm!(
        helium!(),
        "push {{r4, lr}}
        ldr r4, [sp, #8]
        vctp.16 r4
        vmov.i16 q1, #0
        dls lr, r3
        1:
        vpst
        vldrbt.s16 q0, [r1]
        vstrb.16 q0, [r0], #8
        vmin.s16 q1, q1, q0
        add r1, r2
        le lr, 1b
        mov r0, #0
        vminv.s16 r0, q1
        pop {{r4, pc}}"
    )
}

/// # Safety
/// The first argument begins 96 bytes, borrowed for writing.
#[unsafe(naked)]
unsafe extern "C" fn load_constants(_: *mut i8, _biases: &[i32; LANES], _multipliers: &[i32; LANES], _bounds: i32) {
    naked_asm!(
        helium!(),
        "vld20.32 {{q0, q1}}, [r1]
        vld21.32 {{q0, q1}}, [r1]
        vld20.32 {{q2, q3}}, [r2]
        vld21.32 {{q2, q3}}, [r2]
        vstrw.32 q0, [r0]
        vstrw.32 q1, [r0, #16]
        vstrw.32 q2, [r0, #32]
        vstrw.32 q3, [r0, #48]
        vdup.16 q0, r3
        lsr r3, r3, #16
        vdup.16 q1, r3
        vstrw.32 q0, [r0, #64]
        vstrw.32 q1, [r0, #80]
        bx lr"
    )
}
