//! NEON on 64-bit ARM: 4 accumulators, 32 registers; signed bytes are multiplied into 16 bits and added in pairs.

use std::arch::aarch64::*;

use deja_firmware::kernels::OutputRange;

use super::instantiate;
use super::lanes::{ByteLanes, bounds, copy_first, rounding};

instantiate! { "neon", Neon<false>, "neon" }

/// 128-bit registers; with `DOT`, four products are added in one instruction, as most processors since 2018 can.
#[derive(Clone, Copy)]
pub struct Neon<const DOT: bool>;

/// See [`ByteLanes::Range`].
#[derive(Clone, Copy)]
pub struct Range {
    rounding: int64x2_t,
    low: uint8x16_t,
    high: uint8x16_t,
}

impl<const DOT: bool> ByteLanes for Neon<DOT> {
    const N: usize = 4;
    const ROWS: usize = 4;
    const REGISTERS: usize = 3;
    const COLUMNS: usize = 2;
    const OFFSET: i32 = 0;
    type Bytes = uint8x16_t;
    type Weights = int8x16_t;
    type Sums = int32x4_t;
    type Multipliers = int32x4_t;
    type Range = Range;

    fn place(lane: usize, product: usize) -> usize {
        4 * lane + product
    }

    #[inline(always)]
    unsafe fn splat(from: *const u8) -> uint8x16_t {
        // SAFETY: the caller has the instruction set and vouches for the pointer.
        unsafe { vreinterpretq_u8_u32(vdupq_n_u32(from.cast::<u32>().read_unaligned())) }
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> uint8x16_t {
        // SAFETY: the caller has the instruction set and vouches for the pointer.
        unsafe { vld1q_u8(from) }
    }

    #[inline(always)]
    unsafe fn byte(byte: u8) -> uint8x16_t {
        // SAFETY: the caller has the instruction set.
        unsafe { vdupq_n_u8(byte) }
    }

    #[inline(always)]
    unsafe fn weights(from: *const i8) -> int8x16_t {
        // SAFETY: the caller has the instruction set and vouches for the pointer.
        unsafe { vld1q_s8(from) }
    }

    #[inline(always)]
    unsafe fn sums(from: *const i32) -> int32x4_t {
        // SAFETY: the caller has the instruction set and vouches for the pointer.
        unsafe { vld1q_s32(from) }
    }

    #[inline(always)]
    unsafe fn widen(from: *const u8) -> int32x4_t {
        // SAFETY: the caller has the instruction set and vouches for the pointer.
        unsafe {
            let bytes = vreinterpret_u8_u32(vdup_n_u32(from.cast::<u32>().read_unaligned()));
            vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(bytes))))
        }
    }

    #[inline(always)]
    unsafe fn all(value: i32) -> int32x4_t {
        // SAFETY: the caller has the instruction set.
        unsafe { vdupq_n_s32(value) }
    }

    #[inline(always)]
    unsafe fn subtract(a: int32x4_t, b: int32x4_t) -> int32x4_t {
        // SAFETY: the caller has the instruction set.
        unsafe { vsubq_s32(a, b) }
    }

    #[inline(always)]
    unsafe fn multiply(a: int32x4_t, b: int32x4_t) -> int32x4_t {
        // SAFETY: the caller has the instruction set.
        unsafe { vmulq_s32(a, b) }
    }

    #[inline(always)]
    unsafe fn store_sums(sums: int32x4_t, to: *mut i32) {
        // SAFETY: the caller has the instruction set and vouches for the pointer.
        unsafe { vst1q_s32(to, sums) }
    }

    /// Without `DOT`, two products of 8 bits must fit 16 bits, which they do because no weight is −128.
    #[inline(always)]
    unsafe fn dot(sums: int32x4_t, bytes: uint8x16_t, weights: int8x16_t) -> int32x4_t {
        // SAFETY: the caller has the instruction set.
        unsafe {
            let values = vreinterpretq_s8_u8(veorq_u8(bytes, vdupq_n_u8(0x80)));
            if DOT {
                // The intrinsic is not in stable Rust.
                let mut sums = sums;
                std::arch::asm!(
                    "sdot {sums:v}.4s, {values:v}.16b, {weights:v}.16b",
                    sums = inout(vreg) sums,
                    values = in(vreg) values,
                    weights = in(vreg) weights,
                    options(pure, nomem, nostack, preserves_flags),
                );
                return sums;
            }
            let low = vmull_s8(vget_low_s8(values), vget_low_s8(weights));
            let high = vmull_high_s8(values, weights);
            vpadalq_s16(sums, vpaddq_s16(low, high))
        }
    }

    #[inline(always)]
    unsafe fn pairs(sums: int32x4_t, bytes: uint8x16_t, factors: [i16; 2]) -> int32x4_t {
        let factors = (u32::from(factors[1].cast_unsigned()) << 16) | u32::from(factors[0].cast_unsigned());
        // SAFETY: the caller has the instruction set.
        unsafe {
            let (values, factors) = (vreinterpretq_s16_u8(bytes), vreinterpretq_s16_u32(vdupq_n_u32(factors)));
            let low = vmull_s16(vget_low_s16(values), vget_low_s16(factors));
            let high = vmull_high_s16(values, factors);
            vaddq_s32(sums, vpaddq_s32(low, high))
        }
    }

    #[inline(always)]
    unsafe fn weave(rows: [uint8x16_t; 4]) -> [uint8x16_t; 4] {
        let [a, b, c, d] = rows;
        // SAFETY: the caller has the instruction set.
        unsafe {
            let low = vreinterpretq_u16_u8(vzip1q_u8(a, b));
            let high = vreinterpretq_u16_u8(vzip2q_u8(a, b));
            let other_low = vreinterpretq_u16_u8(vzip1q_u8(c, d));
            let other_high = vreinterpretq_u16_u8(vzip2q_u8(c, d));
            [
                vreinterpretq_u8_u16(vzip1q_u16(low, other_low)),
                vreinterpretq_u8_u16(vzip2q_u16(low, other_low)),
                vreinterpretq_u8_u16(vzip1q_u16(high, other_high)),
                vreinterpretq_u8_u16(vzip2q_u16(high, other_high)),
            ]
        }
    }

    #[inline(always)]
    unsafe fn multipliers(from: *const i32) -> int32x4_t {
        // SAFETY: the caller has the instruction set and vouches for the pointer.
        unsafe { vld1q_s32(from) }
    }

    #[inline(always)]
    unsafe fn range(range: OutputRange) -> Range {
        let [low, high] = bounds(range);
        // SAFETY: the caller has the instruction set.
        unsafe { Range { rounding: vdupq_n_s64(rounding(range)), low: vdupq_n_u8(low), high: vdupq_n_u8(high) } }
    }

    #[inline(always)]
    unsafe fn requantize(sums: int32x4_t, multipliers: int32x4_t, range: Range) -> int32x4_t {
        // SAFETY: the caller has the instruction set.
        unsafe { upper(products(sums, multipliers), range) }
    }

    #[inline(always)]
    unsafe fn requantize_with(
        sums: int32x4_t,
        multipliers: int32x4_t,
        (difference, factors): (int32x4_t, int32x4_t),
        range: Range,
    ) -> int32x4_t {
        // SAFETY: the caller has the instruction set.
        unsafe {
            let [low, high] = products(sums, multipliers);
            let [other_low, other_high] = products(difference, factors);
            let low = vaddq_s64(low, vshlq_n_s64::<8>(other_low));
            upper([low, vaddq_s64(high, vshlq_n_s64::<8>(other_high))], range)
        }
    }

    #[inline(always)]
    unsafe fn store(values: int32x4_t, range: Range, to: *mut u8, count: usize) {
        // SAFETY: the caller has the instruction set and vouches for the pointer.
        unsafe {
            let halves = vqmovn_s32(values);
            let bytes = vqmovun_s16(vcombine_s16(halves, halves));
            let bytes = vmax_u8(vmin_u8(bytes, vget_low_u8(range.high)), vget_low_u8(range.low));
            let mut all = [0; 8];
            vst1_u8(all.as_mut_ptr(), bytes);
            copy_first(&all, to, count.min(4));
        }
    }

    #[inline(always)]
    unsafe fn store_woven(values: [int32x4_t; 4], range: Range, to: *mut u8, count: usize) {
        let [a, b, c, d] = values;
        // SAFETY: the caller has the instruction set and vouches for the pointer.
        unsafe {
            let low = vqmovun_s16(vcombine_s16(vqmovn_s32(a), vqmovn_s32(b)));
            let high = vqmovun_s16(vcombine_s16(vqmovn_s32(c), vqmovn_s32(d)));
            let bytes = vmaxq_u8(vminq_u8(vcombine_u8(low, high), range.high), range.low);
            if count >= 16 {
                vst1q_u8(to, bytes);
            } else {
                let mut all = [0; 16];
                vst1q_u8(all.as_mut_ptr(), bytes);
                copy_first(&all, to, count);
            }
        }
    }
}

/// Those of the lower two lanes, then of the upper two, in 64 bits.
///
/// # Safety
/// Needs the instruction set.
#[inline(always)]
unsafe fn products(a: int32x4_t, b: int32x4_t) -> [int64x2_t; 2] {
    // SAFETY: the caller has the instruction set.
    unsafe { [vmull_s32(vget_low_s32(a), vget_low_s32(b)), vmull_high_s32(a, b)] }
}

/// Rounds and drops the lower 32 bits, and adds the zero point.
///
/// # Safety
/// Needs the instruction set.
#[inline(always)]
unsafe fn upper([low, high]: [int64x2_t; 2], range: Range) -> int32x4_t {
    // SAFETY: the caller has the instruction set.
    unsafe {
        let [low, high] = [vaddq_s64(low, range.rounding), vaddq_s64(high, range.rounding)];
        vcombine_s32(vshrn_n_s64::<32>(low), vshrn_n_s64::<32>(high))
    }
}
