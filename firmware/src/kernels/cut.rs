//! Cutting slices, and dividing by extents, without a way to panic.
//!
//! `Model::parse` admits only layers for which everything here is there and is not 0; that stands in no type, so the compiler
//! would keep a panic for the contrary. In debug builds, what is not there is a failed assertion.

/// An extent that is not 0, so that nothing that is divided or cut by it can panic.
pub fn extent(extent: impl Into<usize>) -> usize {
    extent.into().max(1)
}

/// The `len` values from number `start` on; none where there are fewer.
pub fn cut<T>(values: &[T], start: usize, len: usize) -> &[T] {
    let found = values.get(start..).and_then(|values| values.get(..len));
    debug_assert!(found.is_some(), "{len} values from {start} on, of {}", values.len());
    found.unwrap_or_default()
}

/// The value number `index`; its type's zero where there are fewer.
pub fn at<T: Copy + Default>(values: &[T], index: usize) -> T {
    let found = values.get(index).copied();
    debug_assert!(found.is_some(), "value {index} of {}", values.len());
    found.unwrap_or_default()
}
