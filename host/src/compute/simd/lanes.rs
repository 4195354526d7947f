//! What a kernel asks of a vector register.

/// A register of [`Lanes::N`] `f32` values.
///
/// # Safety
/// Every method needs the implementing type's instruction set; those with pointers read or write N values there (the
/// first n with a mask of n). All are inlined into functions compiled with that instruction set.
pub trait Lanes: Copy {
    /// Values in a register.
    const N: usize;
    /// Rows of the matrix product's register tile; with three registers of columns it fits the register file.
    const ROWS: usize;
    /// Says which lanes a partial load or store touches.
    type Mask: Copy;

    /// All zeros.
    unsafe fn zero() -> Self;
    /// `value` in every lane.
    unsafe fn splat(value: f32) -> Self;
    /// N values.
    unsafe fn load(from: *const f32) -> Self;
    /// N values.
    unsafe fn store(self, to: *mut f32);
    /// The first `count` lanes, at most N.
    unsafe fn mask(count: usize) -> Self::Mask;
    /// The lanes of the mask; zeros in the others.
    unsafe fn load_partial(from: *const f32, mask: Self::Mask) -> Self;
    /// Only the lanes of the mask.
    unsafe fn store_partial(self, to: *mut f32, mask: Self::Mask);
    /// self + other
    unsafe fn add(self, other: Self) -> Self;
    /// self · factor + addend, rounded once.
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// The larger, lane by lane.
    unsafe fn max(self, other: Self) -> Self;
    /// The smaller, lane by lane.
    unsafe fn min(self, other: Self) -> Self;
    /// `self` where low < y < high, else zero.
    unsafe fn where_inside(self, y: Self, low: Self, high: Self) -> Self;

    /// A whole register, or a partial one where `WHOLE` is false.
    ///
    /// # Safety
    /// As [`Lanes::load`] and [`Lanes::load_partial`].
    #[inline(always)]
    unsafe fn load_if<const WHOLE: bool>(from: *const f32, mask: Self::Mask) -> Self {
        // SAFETY: the caller vouches for the pointer and the instruction set.
        unsafe { if WHOLE { Self::load(from) } else { Self::load_partial(from, mask) } }
    }

    /// A whole register, or a partial one where `WHOLE` is false.
    ///
    /// # Safety
    /// As [`Lanes::store`] and [`Lanes::store_partial`].
    #[inline(always)]
    unsafe fn store_if<const WHOLE: bool>(self, to: *mut f32, mask: Self::Mask) {
        // SAFETY: the caller vouches for the pointer and the instruction set.
        unsafe { if WHOLE { self.store(to) } else { self.store_partial(to, mask) } }
    }
}
