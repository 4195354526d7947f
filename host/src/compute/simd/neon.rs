//! NEON on 64-bit ARM: 4 lanes, 32 registers.

use std::arch::aarch64::*;

use super::instantiate;
use super::lanes::Lanes;

instantiate! { "neon", Neon, "neon" }

/// One 128-bit register.
#[derive(Clone, Copy)]
pub struct Neon(float32x4_t);

impl Lanes for Neon {
    const N: usize = 4;
    const ROWS: usize = 8;
    type Mask = usize;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller has the instruction set and vouches for the pointers.
        unsafe { Self(vdupq_n_f32(0.0)) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller has the instruction set and vouches for the pointers.
        unsafe { Self(vdupq_n_f32(value)) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller has the instruction set and vouches for the pointers.
        unsafe { Self(vld1q_f32(from)) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller has the instruction set and vouches for the pointers.
        unsafe {
            vst1q_f32(to, self.0);
        }
    }

    #[inline(always)]
    unsafe fn mask(count: usize) -> Self::Mask {
        count
    }

    #[inline(always)]
    unsafe fn load_partial(from: *const f32, mask: Self::Mask) -> Self {
        // SAFETY: the caller has the instruction set and vouches for the pointers.
        unsafe {
            let mut values = [0.0; 4];
            std::ptr::copy_nonoverlapping(from, values.as_mut_ptr(), mask);
            Self(vld1q_f32(values.as_ptr()))
        }
    }

    #[inline(always)]
    unsafe fn store_partial(self, to: *mut f32, mask: Self::Mask) {
        // SAFETY: the caller has the instruction set and vouches for the pointers.
        unsafe {
            let mut values = [0.0; 4];
            vst1q_f32(values.as_mut_ptr(), self.0);
            std::ptr::copy_nonoverlapping(values.as_ptr(), to, mask);
        }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller has the instruction set and vouches for the pointers.
        unsafe { Self(vaddq_f32(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: the caller has the instruction set and vouches for the pointers.
        unsafe { Self(vfmaq_f32(addend.0, self.0, factor.0)) }
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        // SAFETY: the caller has the instruction set and vouches for the pointers.
        unsafe { Self(vmaxq_f32(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        // SAFETY: the caller has the instruction set and vouches for the pointers.
        unsafe { Self(vminq_f32(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn where_inside(self, y: Self, low: Self, high: Self) -> Self {
        // SAFETY: the caller has the instruction set and vouches for the pointers.
        unsafe {
            let inside = vandq_u32(vcgtq_f32(y.0, low.0), vcltq_f32(y.0, high.0));
            Self(vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(self.0), inside)))
        }
    }
}
