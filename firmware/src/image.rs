//! Crop and resize of RGB888 pictures in integers: the one definition that host and camera share.
//!
//! The host scales every training and evaluation picture with [`resize`], and the camera scales what its sensor sees
//! with the same function, so the network meets bit-identical pictures on both sides. Nothing here allocates, uses
//! floating point or panics.

use core::fmt;

/// The longest side a picture may have. It keeps every intermediate sum below 2⁴⁰.
pub const MAX_SIDE: usize = 65_535;

/// Bytes of one RGB888 pixel.
pub const CHANNELS: usize = 3;

/// Why a picture could not be cropped or resized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageError {
    /// A side is zero or longer than [`MAX_SIDE`].
    Size {
        /// The height and width that were given.
        size: [usize; 2],
    },
    /// A buffer does not hold `height · width · 3` bytes.
    Length {
        /// Bytes that its size calls for.
        expected: usize,
        /// Bytes that it has.
        actual: usize,
    },
    /// The region reaches over the edge of the source.
    Outside {
        /// The region that was asked for.
        region: Region,
        /// Height and width of the source.
        size: [usize; 2],
    },
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size { size: [h, w] } => write!(f, "a picture of {h}×{w}: give sides of 1 to {MAX_SIDE} pixels"),
            Self::Length { expected, actual } => {
                write!(f, "the picture's buffer holds {actual} bytes where its size calls for {expected}")
            }
            Self::Outside { region: r, size: [h, w] } => write!(
                f,
                "a region of {}×{} at row {}, column {} reaches over the edge of the {h}×{w} picture",
                r.height, r.width, r.top, r.left
            ),
        }
    }
}

impl core::error::Error for ImageError {}

/// A rectangle inside a picture, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// Bytes of an RGB888 picture of `size = [height, width]`.
///
/// # Errors
/// [`ImageError::Size`] when a side is zero or too long, or the bytes cannot be counted in a `usize`.
pub fn byte_len(size: [usize; 2]) -> Result<usize, ImageError> {
    let [height, width] = size;
    let fits = |side: usize| (1..=MAX_SIDE).contains(&side);
    if !fits(height) || !fits(width) {
        return Err(ImageError::Size { size });
    }
    height.checked_mul(width).and_then(|area| area.checked_mul(CHANNELS)).ok_or(ImageError::Size { size })
}

/// Scales an RGB888 picture by exact area averaging (a box filter); equal sizes copy.
///
/// Along an axis of `in` source and `out` target pixels, source pixel `i` covers `[i·out, (i+1)·out)` and target pixel
/// `j` covers `[j·in, (j+1)·in)` of a common ruler; the overlap of the two is the weight `w`, an integer. With `H`, `W`
/// the source's sides, each channel is
///
/// `target[y, x] = (Σ wᵧ(y, i) · wₓ(x, k) · source[i, k] + ⌊H·W / 2⌋) div (H·W)`
///
/// which rounds once, halves upwards. It serves for enlarging too, where it repeats pixels and blends at the seams.
///
/// # Shapes
/// `source`: `[source_size[0], source_size[1], 3]`, `target`: `[target_size[0], target_size[1], 3]`, row-major bytes.
///
/// # Errors
/// [`ImageError::Size`] and [`ImageError::Length`]; the target is untouched then.
pub fn resize(
    source: &[u8],
    source_size: [usize; 2],
    target: &mut [u8],
    target_size: [usize; 2],
) -> Result<(), ImageError> {
    check(source.len(), source_size)?;
    check(target.len(), target_size)?;
    if source_size == target_size {
        target.copy_from_slice(source);
        return Ok(());
    }
    let ([in_height, in_width], [out_height, out_width]) = (source_size, target_size);
    // Sides are at most 2¹⁶ − 1, so a row's sum is below 2²⁴, an area below 2³², a sum below 2⁴⁰.
    let area = in_height as u64 * in_width as u64;
    let rows = target.chunks_exact_mut(out_width * CHANNELS);
    for (y, target_row) in rows.enumerate() {
        for (x, pixel) in target_row.chunks_exact_mut(CHANNELS).enumerate() {
            let columns = Overlap::of(x, in_width, out_width);
            let mut sums = [0u64; CHANNELS];
            for (i, weight) in Overlap::of(y, in_height, out_height) {
                let row = &source[i * in_width * CHANNELS..][..in_width * CHANNELS];
                for (sum, part) in sums.iter_mut().zip(row_sums(row, columns.clone())) {
                    *sum += u64::from(weight) * u64::from(part);
                }
            }
            for (byte, sum) in pixel.iter_mut().zip(sums) {
                *byte = divide_rounded(sum, area);
            }
        }
    }
    Ok(())
}

/// Copies `region` of an RGB888 picture of `size = [height, width]` into `target`, `[region.height, region.width, 3]`.
///
/// # Errors
/// [`ImageError`]; the target is untouched then.
pub fn crop(source: &[u8], size: [usize; 2], region: Region, target: &mut [u8]) -> Result<(), ImageError> {
    check(source.len(), size)?;
    let within = |start: usize, length: usize, side: usize| start.checked_add(length).is_some_and(|end| end <= side);
    if !within(region.top, region.height, size[0]) || !within(region.left, region.width, size[1]) {
        return Err(ImageError::Outside { region, size });
    }
    check(target.len(), [region.height, region.width])?;
    let rows = source.chunks_exact(size[1] * CHANNELS).skip(region.top);
    for (row, target_row) in rows.zip(target.chunks_exact_mut(region.width * CHANNELS)) {
        target_row.copy_from_slice(&row[region.left * CHANNELS..][..region.width * CHANNELS]);
    }
    Ok(())
}

fn check(actual: usize, size: [usize; 2]) -> Result<(), ImageError> {
    let expected = byte_len(size)?;
    if actual == expected { Ok(()) } else { Err(ImageError::Length { expected, actual }) }
}

/// Weighted sums of one source row's pixels, by channel: the inner loop.
fn row_sums(row: &[u8], columns: Overlap) -> [u32; CHANNELS] {
    let [mut red, mut green, mut blue] = [0u32; CHANNELS];
    let Overlap { first, last, first_weight, inner_weight, last_weight, .. } = columns;
    let mut add = |pixel: &[u8], weight: u32| {
        red += weight * u32::from(pixel[0]);
        green += weight * u32::from(pixel[1]);
        blue += weight * u32::from(pixel[2]);
    };
    add(&row[first * CHANNELS..][..CHANNELS], first_weight);
    if last > first {
        for pixel in row[(first + 1) * CHANNELS..last * CHANNELS].chunks_exact(CHANNELS) {
            add(pixel, inner_weight);
        }
        add(&row[last * CHANNELS..][..CHANNELS], last_weight);
    }
    [red, green, blue]
}

/// `(sum + ⌊area / 2⌋) div area`, at most 255 by construction; in 32 bits where they suffice, for the camera's sake.
fn divide_rounded(sum: u64, area: u64) -> u8 {
    let sum = sum + area / 2;
    let quotient = match (u32::try_from(sum), u32::try_from(area)) {
        (Ok(sum), Ok(area)) => u64::from(sum / area),
        _ => sum / area,
    };
    u8::try_from(quotient).unwrap_or(u8::MAX)
}

/// The source pixels under one target pixel along an axis, as an iterator of `(index, weight)`.
#[derive(Clone)]
struct Overlap {
    next: usize,
    first: usize,
    last: usize,
    first_weight: u32,
    inner_weight: u32,
    last_weight: u32,
}

impl Overlap {
    /// Of target pixel `j` where `input` source pixels become `output`. Sides are below 2¹⁶, so all fits in 32 bits.
    fn of(j: usize, input: usize, output: usize) -> Self {
        let (start, end) = (j * input, (j + 1) * input);
        let (first, last) = (start / output, (end - 1) / output);
        let overlap = |i: usize| (end.min((i + 1) * output) - start.max(i * output)) as u32;
        Self {
            next: first,
            first,
            last,
            first_weight: overlap(first),
            inner_weight: output as u32,
            last_weight: overlap(last),
        }
    }
}

impl Iterator for Overlap {
    type Item = (usize, u32);

    fn next(&mut self) -> Option<(usize, u32)> {
        let i = self.next;
        if i > self.last {
            return None;
        }
        self.next += 1;
        let weight = match i {
            _ if i == self.first => self.first_weight,
            _ if i == self.last => self.last_weight,
            _ => self.inner_weight,
        };
        Some((i, weight))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString;
    use std::vec;
    use std::vec::Vec;

    /// The definition, taken literally: every source pixel with its overlap, zero or not.
    fn resize_plainly(source: &[u8], [sh, sw]: [usize; 2], [th, tw]: [usize; 2]) -> Vec<u8> {
        let overlap = |j: usize, i: usize, input: usize, output: usize| {
            ((j + 1) * input).min((i + 1) * output).saturating_sub((j * input).max(i * output)) as u64
        };
        let mut target = vec![0; th * tw * 3];
        for (at, byte) in target.iter_mut().enumerate() {
            let (y, x, c) = (at / 3 / tw, at / 3 % tw, at % 3);
            let mut sum = 0u64;
            for i in 0..sh {
                for k in 0..sw {
                    let weight = overlap(y, i, sh, th) * overlap(x, k, sw, tw);
                    sum += weight * u64::from(source[(i * sw + k) * 3 + c]);
                }
            }
            let area = (sh * sw) as u64;
            *byte = u8::try_from((sum + area / 2) / area).unwrap();
        }
        target
    }

    proptest! {
        #[test]
        fn resize_is_its_definition(
            sh in 1usize..14, sw in 1usize..14, th in 1usize..14, tw in 1usize..14, bytes in prop::collection::vec(any::<u8>(), 14 * 14 * 3),
        ) {
            let source = &bytes[..sh * sw * 3];
            let mut target = vec![0; th * tw * 3];
            resize(source, [sh, sw], &mut target, [th, tw]).unwrap();
            prop_assert_eq!(target, resize_plainly(source, [sh, sw], [th, tw]));
        }

        #[test]
        fn nothing_panics_on_wild_sizes(a in any::<usize>(), b in any::<usize>(), c in any::<usize>(), d in any::<usize>()) {
            let source = [7u8; 12];
            let mut target = [0u8; 12];
            let _ = resize(&source, [a, b], &mut target, [c, d]);
            let _ = crop(&source, [2, 2], Region { top: a, left: b, height: c, width: d }, &mut target);
        }
    }

    #[test]
    fn means_of_a_hand_made_picture() {
        // 2×4 → 1×2: the mean of each 2×2 block; 0.5 rounds up.
        let row = |values: [u8; 4]| values.map(|v| [v, v, v]).concat();
        let source = [row([0, 10, 1, 2]), row([20, 30, 2, 1])].concat();
        let mut target = [0; 6];
        resize(&source, [2, 4], &mut target, [1, 2]).unwrap();
        assert_eq!(target, [15, 15, 15, 2, 2, 2]);
    }

    #[test]
    fn equal_sizes_copy_and_constants_stay() {
        let source: Vec<u8> = (0..60).collect();
        let mut same = vec![0; 60];
        resize(&source, [4, 5], &mut same, [4, 5]).unwrap();
        assert_eq!(same, source);
        let mut large = vec![0; 9 * 11 * 3];
        resize(&[201; 60], [4, 5], &mut large, [9, 11]).unwrap();
        assert!(large.iter().all(|&v| v == 201));
    }

    #[test]
    fn the_longest_sides_do_not_overflow() {
        let source = vec![255u8; MAX_SIDE * 3];
        let mut target = [0u8; 3];
        resize(&source, [1, MAX_SIDE], &mut target, [1, 1]).unwrap();
        assert_eq!(target, [255; 3]);
        resize(&source, [MAX_SIDE, 1], &mut target, [1, 1]).unwrap();
        assert_eq!(target, [255; 3]);
        let mut tall = vec![0u8; MAX_SIDE * 3];
        resize(&source[..6], [1, 2], &mut tall, [MAX_SIDE, 1]).unwrap();
        assert!(tall.iter().all(|&v| v == 255));
    }

    #[test]
    fn bad_sizes_are_named() {
        let mut target = [0u8; 12];
        let too_long = resize(&[0; 12], [2, MAX_SIDE + 1], &mut target, [2, 2]).unwrap_err();
        assert_eq!(too_long, ImageError::Size { size: [2, MAX_SIDE + 1] });
        let empty = resize(&[], [0, 4], &mut target, [2, 2]).unwrap_err();
        assert!(empty.to_string().contains("0×4"));
        let short = resize(&[0; 11], [2, 2], &mut target, [2, 2]).unwrap_err();
        assert_eq!(short, ImageError::Length { expected: 12, actual: 11 });
    }

    #[test]
    fn crop_takes_the_rectangle_or_refuses() {
        let source: Vec<u8> = (0..48).collect();
        let mut target = [0u8; 6];
        crop(&source, [4, 4], Region { top: 1, left: 2, height: 2, width: 1 }, &mut target).unwrap();
        assert_eq!(target, [18, 19, 20, 30, 31, 32]);
        let region = Region { top: 3, left: 0, height: 2, width: 1 };
        assert_eq!(crop(&source, [4, 4], region, &mut target), Err(ImageError::Outside { region, size: [4, 4] }));
    }
}
