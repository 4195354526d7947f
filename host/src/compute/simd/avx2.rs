//! AVX2 with FMA: 8 lanes, 16 registers.

use std::arch::x86_64::*;

use super::instantiate;
use super::lanes::Lanes;

instantiate! { "avx2", Avx2, "avx2,fma" }

/// One ymm register.
#[derive(Clone, Copy)]
pub struct Avx2(__m256);

impl Lanes for Avx2 {
    const N: usize = 8;
    const ROWS: usize = 4;
    type Mask = __m256i;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller has the instruction set and vouches for the pointers.
        unsafe { Self(_mm256_setzero_ps()) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller has the instruction set and vouches for the pointers.
        unsafe { Self(_mm256_set1_ps(value)) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller has the instruction set and vouches for the pointers.
        unsafe { Self(_mm256_loadu_ps(from)) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller has the instruction set and vouches for the pointers.
        unsafe {
            _mm256_storeu_ps(to, self.0);
        }
    }

    #[inline(always)]
    unsafe fn mask(count: usize) -> Self::Mask {
        // SAFETY: the caller has the instruction set and vouches for the pointers.
        unsafe { _mm256_cmpgt_epi32(_mm256_set1_epi32(count as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)) }
    }

    #[inline(always)]
    unsafe fn load_partial(from: *const f32, mask: Self::Mask) -> Self {
        // SAFETY: the caller has the instruction set and vouches for the pointers.
        unsafe { Self(_mm256_maskload_ps(from, mask)) }
    }

    #[inline(always)]
    unsafe fn store_partial(self, to: *mut f32, mask: Self::Mask) {
        // SAFETY: the caller has the instruction set and vouches for the pointers.
        unsafe {
            _mm256_maskstore_ps(to, mask, self.0);
        }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller has the instruction set and vouches for the pointers.
        unsafe { Self(_mm256_add_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: the caller has the instruction set and vouches for the pointers.
        unsafe { Self(_mm256_fmadd_ps(self.0, factor.0, addend.0)) }
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        // SAFETY: the caller has the instruction set and vouches for the pointers.
        unsafe { Self(_mm256_max_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        // SAFETY: the caller has the instruction set and vouches for the pointers.
        unsafe { Self(_mm256_min_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn where_inside(self, y: Self, low: Self, high: Self) -> Self {
        // SAFETY: the caller has the instruction set and vouches for the pointers.
        unsafe {
            let above = _mm256_cmp_ps::<_CMP_GT_OQ>(y.0, low.0);
            let below = _mm256_cmp_ps::<_CMP_LT_OQ>(y.0, high.0);
            Self(_mm256_and_ps(self.0, _mm256_and_ps(above, below)))
        }
    }
}
