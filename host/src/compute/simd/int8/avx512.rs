//! AVX-512 with VNNI: 16 accumulators, 32 registers, four products an accumulator in one instruction.

use std::arch::x86_64::*;

use deja_firmware::kernels::OutputRange;

use super::instantiate;
use super::lanes::{ByteLanes, bounds, rounding};

instantiate! { "avx512", Avx512, "avx512f,avx512bw,avx512vl,avx512vnni" }

/// zmm registers.
#[derive(Clone, Copy)]
pub struct Avx512;

/// See [`ByteLanes::Range`].
#[derive(Clone, Copy)]
pub struct Range {
    rounding: __m512i,
    /// In 32 bits, then in 8.
    low: [__m512i; 2],
    high: [__m512i; 2],
}

impl ByteLanes for Avx512 {
    const N: usize = 16;
    const ROWS: usize = 8;
    const REGISTERS: usize = 3;
    const COLUMNS: usize = 4;
    const OFFSET: i32 = 128;
    type Bytes = __m512i;
    type Weights = __m512i;
    type Sums = __m512i;
    /// Those of the even accumulators, then of the odd ones.
    type Multipliers = [__m512i; 2];
    type Range = Range;

    fn place(lane: usize, product: usize) -> usize {
        4 * lane + product
    }

    #[inline(always)]
    unsafe fn splat(from: *const u8) -> __m512i {
        // SAFETY: the caller has the instruction set and vouches for the pointer.
        unsafe { _mm512_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> __m512i {
        // SAFETY: the caller has the instruction set and vouches for the pointer.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn byte(byte: u8) -> __m512i {
        // SAFETY: the caller has the instruction set.
        unsafe { _mm512_set1_epi8(byte.cast_signed()) }
    }

    #[inline(always)]
    unsafe fn weights(from: *const i8) -> __m512i {
        // SAFETY: the caller has the instruction set and vouches for the pointer.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn sums(from: *const i32) -> __m512i {
        // SAFETY: the caller has the instruction set and vouches for the pointer.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn widen(from: *const u8) -> __m512i {
        // SAFETY: the caller has the instruction set and vouches for the pointer.
        unsafe { _mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast())) }
    }

    #[inline(always)]
    unsafe fn all(value: i32) -> __m512i {
        // SAFETY: the caller has the instruction set.
        unsafe { _mm512_set1_epi32(value) }
    }

    #[inline(always)]
    unsafe fn subtract(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: the caller has the instruction set.
        unsafe { _mm512_sub_epi32(a, b) }
    }

    #[inline(always)]
    unsafe fn multiply(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: the caller has the instruction set.
        unsafe { _mm512_mullo_epi32(a, b) }
    }

    #[inline(always)]
    unsafe fn store_sums(sums: __m512i, to: *mut i32) {
        // SAFETY: the caller has the instruction set and vouches for the pointer.
        unsafe { _mm512_storeu_si512(to.cast(), sums) }
    }

    #[inline(always)]
    unsafe fn dot(sums: __m512i, bytes: __m512i, weights: __m512i) -> __m512i {
        // SAFETY: the caller has the instruction set.
        unsafe { _mm512_dpbusd_epi32(sums, bytes, weights) }
    }

    #[inline(always)]
    unsafe fn pairs(sums: __m512i, bytes: __m512i, factors: [i16; 2]) -> __m512i {
        let factors = (i32::from(factors[1]) << 16) | i32::from(factors[0].cast_unsigned());
        // SAFETY: the caller has the instruction set.
        unsafe { _mm512_dpwssd_epi32(sums, bytes, _mm512_set1_epi32(factors)) }
    }

    #[inline(always)]
    unsafe fn weave(rows: [__m512i; 4]) -> [__m512i; 4] {
        let [a, b, c, d] = rows;
        // SAFETY: the caller has the instruction set.
        unsafe {
            let (low, high) = (_mm512_unpacklo_epi8(a, b), _mm512_unpackhi_epi8(a, b));
            let (other_low, other_high) = (_mm512_unpacklo_epi8(c, d), _mm512_unpackhi_epi8(c, d));
            [
                _mm512_unpacklo_epi16(low, other_low),
                _mm512_unpackhi_epi16(low, other_low),
                _mm512_unpacklo_epi16(high, other_high),
                _mm512_unpackhi_epi16(high, other_high),
            ]
        }
    }

    #[inline(always)]
    unsafe fn multipliers(from: *const i32) -> [__m512i; 2] {
        // SAFETY: the caller has the instruction set and vouches for the pointer.
        unsafe {
            let all = _mm512_loadu_si512(from.cast());
            [all, _mm512_srli_epi64::<32>(all)]
        }
    }

    #[inline(always)]
    unsafe fn range(range: OutputRange) -> Range {
        let [low, high] = bounds(range);
        // SAFETY: the caller has the instruction set.
        unsafe {
            Range {
                rounding: _mm512_set1_epi64(rounding(range)),
                low: [_mm512_set1_epi32(low.into()), _mm512_set1_epi8(low.cast_signed())],
                high: [_mm512_set1_epi32(high.into()), _mm512_set1_epi8(high.cast_signed())],
            }
        }
    }

    #[inline(always)]
    unsafe fn requantize(sums: __m512i, multipliers: [__m512i; 2], range: Range) -> __m512i {
        // SAFETY: the caller has the instruction set.
        unsafe { upper(products(sums, multipliers), range) }
    }

    #[inline(always)]
    unsafe fn requantize_with(
        sums: __m512i,
        multipliers: [__m512i; 2],
        (difference, factors): (__m512i, [__m512i; 2]),
        range: Range,
    ) -> __m512i {
        // SAFETY: the caller has the instruction set.
        unsafe {
            let [even, odd] = products(sums, multipliers);
            let [other_even, other_odd] = products(difference, factors);
            let even = _mm512_add_epi64(even, _mm512_slli_epi64::<8>(other_even));
            let odd = _mm512_add_epi64(odd, _mm512_slli_epi64::<8>(other_odd));
            upper([even, odd], range)
        }
    }

    #[inline(always)]
    unsafe fn store(values: __m512i, range: Range, to: *mut u8, count: usize) {
        // SAFETY: the caller has the instruction set and vouches for the pointer.
        unsafe {
            let values = _mm512_max_epi32(_mm512_min_epi32(values, range.high[0]), range.low[0]);
            let bytes = _mm512_cvtepi32_epi8(values);
            if count >= 16 {
                _mm_storeu_si128(to.cast(), bytes);
            } else {
                _mm_mask_storeu_epi8(to.cast(), (1 << count) - 1, bytes);
            }
        }
    }

    #[inline(always)]
    unsafe fn store_woven(values: [__m512i; 4], range: Range, to: *mut u8, count: usize) {
        let [a, b, c, d] = values;
        // SAFETY: the caller has the instruction set and vouches for the pointer.
        unsafe {
            let bytes = _mm512_packus_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
            let bytes = _mm512_max_epu8(_mm512_min_epu8(bytes, range.high[1]), range.low[1]);
            if count >= 64 {
                _mm512_storeu_si512(to.cast(), bytes);
            } else {
                _mm512_mask_storeu_epi8(to.cast(), (1 << count) - 1, bytes);
            }
        }
    }
}

/// Those of the even lanes, then of the odd ones, in 64 bits.
///
/// # Safety
/// Needs the instruction set.
#[inline(always)]
unsafe fn products(a: __m512i, b: [__m512i; 2]) -> [__m512i; 2] {
    // SAFETY: the caller has the instruction set.
    unsafe { [_mm512_mul_epi32(a, b[0]), _mm512_mul_epi32(_mm512_srli_epi64::<32>(a), b[1])] }
}

/// Rounds and drops the lower 32 bits, and adds the zero point.
///
/// # Safety
/// Needs the instruction set.
#[inline(always)]
unsafe fn upper([even, odd]: [__m512i; 2], range: Range) -> __m512i {
    // SAFETY: the caller has the instruction set.
    unsafe {
        let [even, odd] = [_mm512_add_epi64(even, range.rounding), _mm512_add_epi64(odd, range.rounding)];
        // The upper halves: those of the even ones go down, those of the odd ones are in place.
        _mm512_mask_shuffle_epi32::<0b11_11_01_01>(odd, 0x5555, even)
    }
}
