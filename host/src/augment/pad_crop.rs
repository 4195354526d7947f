//! Pads a picture on all sides and crops it back to its size somewhere: a random shift.

use super::NEUTRAL;
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

/// How far pictures are shifted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PadCrop {
    /// The padding on each side, as a fraction of the height (Luo et al. 2019 pad 256×128 by 10 pixels: 0.04).
    pub pad: f32,
}

impl Default for PadCrop {
    fn default() -> Self {
        Self { pad: 0.04 }
    }
}

/// Shifts in place by up to `pad` in both directions.
pub(super) fn apply(settings: &PadCrop, size: [usize; 2], rng: &mut impl Rng, pixels: &mut [u8]) {
    let pad = (settings.pad.clamp(0.0, 1.0) * size[0] as f32).round() as i32;
    if pad > 0 {
        let [down, right] = [(); 2].map(|()| rng.random_range(-pad..=pad) as isize);
        shift(size, down, right, pixels);
    }
}

/// Moves the content `down` rows and `right` columns; what is uncovered becomes neutral.
fn shift([height, width]: [usize; 2], down: isize, right: isize, pixels: &mut [u8]) {
    let row = width * 3;
    let moved = width.saturating_sub(right.unsigned_abs()) * 3;
    let (from, to) = if right < 0 { (row - moved, 0) } else { (0, row - moved) };
    for step in 0..height {
        // Rows that are still to be read must not be written yet.
        let y = if down > 0 { height - 1 - step } else { step };
        let target = y * row;
        match y.checked_add_signed(-down).filter(|&source| source < height) {
            Some(source) => {
                let start = source * row + from;
                pixels.copy_within(start..start + moved, target + to);
                let gap = if right < 0 { moved..row } else { 0..row - moved };
                neutralize(&mut pixels[target..][gap]);
            }
            None => neutralize(&mut pixels[target..][..row]),
        }
    }
}

fn neutralize(pixels: &mut [u8]) {
    for pixel in pixels.chunks_exact_mut(3) {
        pixel.copy_from_slice(&NEUTRAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Pixel by pixel into a fresh picture.
    fn shift_plainly([height, width]: [usize; 2], down: isize, right: isize, pixels: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for y in 0..height as isize {
            for x in 0..width as isize {
                let (sy, sx) = (y - down, x - right);
                let inside = (0..height as isize).contains(&sy) && (0..width as isize).contains(&sx);
                let at = |sy: isize, sx: isize| (sy as usize * width + sx as usize) * 3;
                out.extend_from_slice(if inside { &pixels[at(sy, sx)..][..3] } else { &NEUTRAL });
            }
        }
        out
    }

    proptest! {
        #[test]
        fn shift_in_place_is_the_plain_shift(
            height in 1usize..9, width in 1usize..9, down in -10isize..10, right in -10isize..10,
        ) {
            let mut pixels: Vec<u8> = (0..height * width * 3).map(|i| i as u8).collect();
            let expected = shift_plainly([height, width], down, right, &pixels);
            shift([height, width], down, right, &mut pixels);
            prop_assert_eq!(pixels, expected);
        }
    }
}
