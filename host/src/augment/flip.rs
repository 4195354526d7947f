//! Mirrors a picture left and right.

/// Swaps columns in place. `pixels`: `[height, width, 3]`.
pub(super) fn apply([_, width]: [usize; 2], pixels: &mut [u8]) {
    for row in pixels.chunks_exact_mut((width * 3).max(1)) {
        let (pixels, _) = row.as_chunks_mut::<3>();
        pixels.reverse();
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_are_reversed_and_channels_are_not() {
        let mut pixels = [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19];
        super::apply([2, 3], &mut pixels);
        assert_eq!(pixels, [7, 8, 9, 4, 5, 6, 1, 2, 3, 17, 18, 19, 14, 15, 16, 11, 12, 13]);
    }
}
