//! What an int8 kernel asks of vector registers.

use deja_firmware::kernels::OutputRange;

/// An instruction set. A register of bytes feeds a register of N accumulators, four bytes each.
///
/// # Safety
/// Every `unsafe` method needs the implementing type's instruction set; those with pointers read or write as much as
/// they say. All are inlined into functions compiled with that instruction set.
pub trait ByteLanes: Copy {
    /// Accumulators of a register, of 32 bits.
    const N: usize;
    /// Rows of the matrix product's register tile.
    const ROWS: usize;
    /// Registers of columns of that tile, at most 3; with so many rows it fits the register file.
    const REGISTERS: usize;
    /// Positions of a depthwise convolution at once; with four registers each it fits the register file.
    const COLUMNS: usize;
    /// What [`ByteLanes::dot`] adds to a value q = byte − 128: 128 where it takes the byte as it is.
    const OFFSET: i32;
    /// 4·N bytes.
    type Bytes: Copy;
    /// 4·N weights.
    type Weights: Copy;
    /// N accumulators.
    type Sums: Copy;
    /// N requantization multipliers.
    type Multipliers: Copy;
    /// What requantization needs besides.
    type Range: Copy;

    /// See `Order::place`.
    fn place(lane: usize, product: usize) -> usize;
    /// From the four bytes at `from`: the same for each accumulator.
    unsafe fn splat(from: *const u8) -> Self::Bytes;
    /// 4·N bytes.
    unsafe fn load(from: *const u8) -> Self::Bytes;
    /// 4·N times `byte`.
    unsafe fn byte(byte: u8) -> Self::Bytes;
    /// 4·N weights in the order of [`ByteLanes::place`].
    unsafe fn weights(from: *const i8) -> Self::Weights;
    /// N accumulators.
    unsafe fn sums(from: *const i32) -> Self::Sums;
    /// N bytes without sign, in 32 bits.
    unsafe fn widen(from: *const u8) -> Self::Sums;
    /// N times `value`.
    unsafe fn all(value: i32) -> Self::Sums;
    /// a − b, modulo 2³².
    unsafe fn subtract(a: Self::Sums, b: Self::Sums) -> Self::Sums;
    /// a·b, modulo 2³².
    unsafe fn multiply(a: Self::Sums, b: Self::Sums) -> Self::Sums;
    /// N accumulators.
    unsafe fn store_sums(sums: Self::Sums, to: *mut i32);
    /// sums + Σ over four products each: (value + OFFSET)·weight.
    unsafe fn dot(sums: Self::Sums, bytes: Self::Bytes, weights: Self::Weights) -> Self::Sums;
    /// sums + a·factor₀ + b·factor₁, where each accumulator's four bytes are a, 0, b, 0 without sign.
    unsafe fn pairs(sums: Self::Sums, bytes: Self::Bytes, factors: [i16; 2]) -> Self::Sums;
    /// Bytes of four rows, woven so that an accumulator gets one of each: register k holds the channels
    /// 16·(lane / 4) + 4·k + lane % 4.
    unsafe fn weave(rows: [Self::Bytes; 4]) -> [Self::Bytes; 4];
    /// N multipliers.
    unsafe fn multipliers(from: *const i32) -> Self::Multipliers;
    /// The bounds and the zero point, for bytes q + 128.
    unsafe fn range(range: OutputRange) -> Self::Range;
    /// 128 + zero point + (sums·multiplier + 2³¹) >> 32, not yet clamped.
    unsafe fn requantize(sums: Self::Sums, multipliers: Self::Multipliers, range: Self::Range) -> Self::Sums;
    /// The same with difference·factor·2⁸ added before the shift.
    unsafe fn requantize_with(
        sums: Self::Sums,
        multipliers: Self::Multipliers,
        summand: (Self::Sums, Self::Multipliers),
        range: Self::Range,
    ) -> Self::Sums;
    /// Clamps, and writes the first `count` of N bytes (all where it is more).
    unsafe fn store(values: Self::Sums, range: Self::Range, to: *mut u8, count: usize);
    /// Clamps what stands in the order of [`ByteLanes::weave`], and writes the first `count` of 4·N bytes.
    unsafe fn store_woven(values: [Self::Sums; 4], range: Self::Range, to: *mut u8, count: usize);
}

/// 2³¹, which rounds, and the zero point of bytes q + 128 above the 32 bits that are dropped.
pub fn rounding(range: OutputRange) -> i64 {
    ((i64::from(range.zero_point) + 128) << 32) + (1 << 31)
}

/// The bounds for bytes q + 128.
pub fn bounds(range: OutputRange) -> [u8; 2] {
    [range.low, range.high].map(crate::compute::int8::biased)
}

/// Copies the first `count` bytes, fewer than 64, in steps that need no loop.
///
/// # Safety
/// `from` has as many, and `to` may be written so far.
#[inline(always)]
pub unsafe fn copy_first(from: &[u8], to: *mut u8, count: usize) {
    let (mut from, mut to) = (from.as_ptr(), to);
    macro_rules! step {
        ($($size:literal)*) => {$(
            if count & $size != 0 {
                // SAFETY: the sizes of the steps taken sum up to `count`.
                unsafe { std::ptr::copy_nonoverlapping(from, to, $size) };
                (from, to) = (from.wrapping_add($size), to.wrapping_add($size));
            }
        )*};
    }
    step!(32 16 8 4 2);
    if count & 1 != 0 {
        // SAFETY: the last byte.
        unsafe { *to = *from };
    }
}
