//! AVX2: 8 accumulators, 16 registers; bytes become 16 bits wide, of which pairs are multiplied and added.

use std::arch::x86_64::*;

use deja_firmware::kernels::OutputRange;

use super::instantiate;
use super::lanes::{ByteLanes, bounds, copy_first, rounding};

instantiate! { "avx2", Avx2, "avx2" }

/// ymm registers.
#[derive(Clone, Copy)]
pub struct Avx2;

/// See [`ByteLanes::Range`].
#[derive(Clone, Copy)]
pub struct Range {
    rounding: __m256i,
    low: __m256i,
    high: __m256i,
}

impl ByteLanes for Avx2 {
    const N: usize = 8;
    const ROWS: usize = 4;
    const REGISTERS: usize = 2;
    const COLUMNS: usize = 2;
    const OFFSET: i32 = 128;
    type Bytes = __m256i;
    /// In 16 bits: those of the products 0 and 2, then of 1 and 3.
    type Weights = [__m256i; 2];
    type Sums = __m256i;
    /// Those of the even accumulators, then of the odd ones.
    type Multipliers = [__m256i; 2];
    type Range = Range;

    fn place(lane: usize, product: usize) -> usize {
        product % 2 * 16 + 2 * lane + product / 2
    }

    #[inline(always)]
    unsafe fn splat(from: *const u8) -> __m256i {
        // SAFETY: the caller has the instruction set and vouches for the pointer.
        unsafe { _mm256_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> __m256i {
        // SAFETY: the caller has the instruction set and vouches for the pointer.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }

    #[inline(always)]
    unsafe fn byte(byte: u8) -> __m256i {
        // SAFETY: the caller has the instruction set.
        unsafe { _mm256_set1_epi8(byte.cast_signed()) }
    }

    #[inline(always)]
    unsafe fn weights(from: *const i8) -> [__m256i; 2] {
        // SAFETY: the caller has the instruction set and vouches for the pointer.
        unsafe {
            [
                _mm256_cvtepi8_epi16(_mm_loadu_si128(from.cast())),
                _mm256_cvtepi8_epi16(_mm_loadu_si128(from.wrapping_add(16).cast())),
            ]
        }
    }

    #[inline(always)]
    unsafe fn sums(from: *const i32) -> __m256i {
        // SAFETY: the caller has the instruction set and vouches for the pointer.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }

    #[inline(always)]
    unsafe fn widen(from: *const u8) -> __m256i {
        // SAFETY: the caller has the instruction set and vouches for the pointer.
        unsafe { _mm256_cvtepu8_epi32(_mm_loadl_epi64(from.cast())) }
    }

    #[inline(always)]
    unsafe fn all(value: i32) -> __m256i {
        // SAFETY: the caller has the instruction set.
        unsafe { _mm256_set1_epi32(value) }
    }

    #[inline(always)]
    unsafe fn subtract(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the caller has the instruction set.
        unsafe { _mm256_sub_epi32(a, b) }
    }

    #[inline(always)]
    unsafe fn multiply(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the caller has the instruction set.
        unsafe { _mm256_mullo_epi32(a, b) }
    }

    #[inline(always)]
    unsafe fn store_sums(sums: __m256i, to: *mut i32) {
        // SAFETY: the caller has the instruction set and vouches for the pointer.
        unsafe { _mm256_storeu_si256(to.cast(), sums) }
    }

    #[inline(always)]
    unsafe fn dot(sums: __m256i, bytes: __m256i, weights: [__m256i; 2]) -> __m256i {
        // SAFETY: the caller has the instruction set.
        unsafe {
            let even = _mm256_madd_epi16(_mm256_and_si256(bytes, _mm256_set1_epi16(0xff)), weights[0]);
            let odd = _mm256_madd_epi16(_mm256_srli_epi16::<8>(bytes), weights[1]);
            _mm256_add_epi32(sums, _mm256_add_epi32(even, odd))
        }
    }

    #[inline(always)]
    unsafe fn pairs(sums: __m256i, bytes: __m256i, factors: [i16; 2]) -> __m256i {
        let factors = (i32::from(factors[1]) << 16) | i32::from(factors[0].cast_unsigned());
        // SAFETY: the caller has the instruction set.
        unsafe { _mm256_add_epi32(sums, _mm256_madd_epi16(bytes, _mm256_set1_epi32(factors))) }
    }

    #[inline(always)]
    unsafe fn weave(rows: [__m256i; 4]) -> [__m256i; 4] {
        let [a, b, c, d] = rows;
        // SAFETY: the caller has the instruction set.
        unsafe {
            let (low, high) = (_mm256_unpacklo_epi8(a, b), _mm256_unpackhi_epi8(a, b));
            let (other_low, other_high) = (_mm256_unpacklo_epi8(c, d), _mm256_unpackhi_epi8(c, d));
            [
                _mm256_unpacklo_epi16(low, other_low),
                _mm256_unpackhi_epi16(low, other_low),
                _mm256_unpacklo_epi16(high, other_high),
                _mm256_unpackhi_epi16(high, other_high),
            ]
        }
    }

    #[inline(always)]
    unsafe fn multipliers(from: *const i32) -> [__m256i; 2] {
        // SAFETY: the caller has the instruction set and vouches for the pointer.
        unsafe {
            let all = _mm256_loadu_si256(from.cast());
            [all, _mm256_srli_epi64::<32>(all)]
        }
    }

    #[inline(always)]
    unsafe fn range(range: OutputRange) -> Range {
        let [low, high] = bounds(range);
        // SAFETY: the caller has the instruction set.
        unsafe {
            Range {
                rounding: _mm256_set1_epi64x(rounding(range)),
                low: _mm256_set1_epi8(low.cast_signed()),
                high: _mm256_set1_epi8(high.cast_signed()),
            }
        }
    }

    #[inline(always)]
    unsafe fn requantize(sums: __m256i, multipliers: [__m256i; 2], range: Range) -> __m256i {
        // SAFETY: the caller has the instruction set.
        unsafe { upper(products(sums, multipliers), range) }
    }

    #[inline(always)]
    unsafe fn requantize_with(
        sums: __m256i,
        multipliers: [__m256i; 2],
        (difference, factors): (__m256i, [__m256i; 2]),
        range: Range,
    ) -> __m256i {
        // SAFETY: the caller has the instruction set.
        unsafe {
            let [even, odd] = products(sums, multipliers);
            let [other_even, other_odd] = products(difference, factors);
            let even = _mm256_add_epi64(even, _mm256_slli_epi64::<8>(other_even));
            let odd = _mm256_add_epi64(odd, _mm256_slli_epi64::<8>(other_odd));
            upper([even, odd], range)
        }
    }

    #[inline(always)]
    unsafe fn store(values: __m256i, range: Range, to: *mut u8, count: usize) {
        // SAFETY: the caller has the instruction set and vouches for the pointer.
        unsafe {
            let halves = _mm_packs_epi32(_mm256_castsi256_si128(values), _mm256_extracti128_si256::<1>(values));
            let bytes = _mm_packus_epi16(halves, halves);
            let (low, high) = (_mm256_castsi256_si128(range.low), _mm256_castsi256_si128(range.high));
            let bytes = _mm_max_epu8(_mm_min_epu8(bytes, high), low);
            if count >= 8 {
                _mm_storel_epi64(to.cast(), bytes);
            } else {
                copy_first(&_mm_cvtsi128_si64(bytes).to_le_bytes(), to, count);
            }
        }
    }

    #[inline(always)]
    unsafe fn store_woven(values: [__m256i; 4], range: Range, to: *mut u8, count: usize) {
        let [a, b, c, d] = values;
        // SAFETY: the caller has the instruction set and vouches for the pointer.
        unsafe {
            let bytes = _mm256_packus_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
            let bytes = _mm256_max_epu8(_mm256_min_epu8(bytes, range.high), range.low);
            if count >= 32 {
                _mm256_storeu_si256(to.cast(), bytes);
            } else {
                let mut all = [0; 32];
                _mm256_storeu_si256(all.as_mut_ptr().cast(), bytes);
                copy_first(&all, to, count);
            }
        }
    }
}

/// Those of the even lanes, then of the odd ones, in 64 bits.
///
/// # Safety
/// Needs the instruction set.
#[inline(always)]
unsafe fn products(a: __m256i, b: [__m256i; 2]) -> [__m256i; 2] {
    // SAFETY: the caller has the instruction set.
    unsafe { [_mm256_mul_epi32(a, b[0]), _mm256_mul_epi32(_mm256_srli_epi64::<32>(a), b[1])] }
}

/// Rounds and drops the lower 32 bits, and adds the zero point.
///
/// # Safety
/// Needs the instruction set.
#[inline(always)]
unsafe fn upper([even, odd]: [__m256i; 2], range: Range) -> __m256i {
    // SAFETY: the caller has the instruction set.
    unsafe {
        let [even, odd] = [_mm256_add_epi64(even, range.rounding), _mm256_add_epi64(odd, range.rounding)];
        // The upper halves: those of the even ones go down, those of the odd ones are in place.
        _mm256_blend_epi32::<0b1010_1010>(_mm256_srli_epi64::<32>(even), odd)
    }
}
