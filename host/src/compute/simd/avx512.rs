//! AVX-512: 16 lanes, 32 registers, masked loads and stores at no cost.

use std::arch::x86_64::*;

use super::instantiate;
use super::lanes::Lanes;

instantiate! { "avx512", Avx512, "avx512f" }

/// One zmm register.
#[derive(Clone, Copy)]
pub struct Avx512(__m512);

impl Lanes for Avx512 {
    const N: usize = 16;
    const ROWS: usize = 8;
    type Mask = __mmask16;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller has the instruction set and vouches for the pointers.
        unsafe { Self(_mm512_setzero_ps()) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller has the instruction set and vouches for the pointers.
        unsafe { Self(_mm512_set1_ps(value)) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller has the instruction set and vouches for the pointers.
        unsafe { Self(_mm512_loadu_ps(from)) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller has the instruction set and vouches for the pointers.
        unsafe {
            _mm512_storeu_ps(to, self.0);
        }
    }

    #[inline(always)]
    unsafe fn mask(count: usize) -> Self::Mask {
        // SAFETY: the caller has the instruction set and vouches for the pointers.
        unsafe { _cvtu32_mask16((1_u32 << count) - 1) }
    }

    #[inline(always)]
    unsafe fn load_partial(from: *const f32, mask: Self::Mask) -> Self {
        // SAFETY: the caller has the instruction set and vouches for the pointers.
        unsafe { Self(_mm512_maskz_loadu_ps(mask, from)) }
    }

    #[inline(always)]
    unsafe fn store_partial(self, to: *mut f32, mask: Self::Mask) {
        // SAFETY: the caller has the instruction set and vouches for the pointers.
        unsafe {
            _mm512_mask_storeu_ps(to, mask, self.0);
        }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller has the instruction set and vouches for the pointers.
        unsafe { Self(_mm512_add_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: the caller has the instruction set and vouches for the pointers.
        unsafe { Self(_mm512_fmadd_ps(self.0, factor.0, addend.0)) }
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        // SAFETY: the caller has the instruction set and vouches for the pointers.
        unsafe { Self(_mm512_max_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        // SAFETY: the caller has the instruction set and vouches for the pointers.
        unsafe { Self(_mm512_min_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn where_inside(self, y: Self, low: Self, high: Self) -> Self {
        // SAFETY: the caller has the instruction set and vouches for the pointers.
        unsafe {
            let above = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(y.0, low.0);
            let inside = _mm512_mask_cmp_ps_mask::<_CMP_LT_OQ>(above, y.0, high.0);
            Self(_mm512_maskz_mov_ps(inside, self.0))
        }
    }
}
