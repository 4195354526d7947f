//! Changes brightness, contrast, saturation and colour balance, as another camera or another hour would.

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

/// How much colours change. Each strength `s` draws a factor evenly from `[1 − s, 1 + s]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ColourJitter {
    /// Probability that a picture is changed.
    pub probability: f32,
    /// Strength on all channels alike.
    pub brightness: f32,
    /// Strength on the distance from the picture's mean.
    pub contrast: f32,
    /// Strength on the distance from grey.
    pub saturation: f32,
    /// Strength on each channel by itself, like a camera's white balance.
    pub balance: f32,
    /// Most that is added to all channels alike or taken from them, of 255.
    pub offset: f32,
}

impl Default for ColourJitter {
    fn default() -> Self {
        Self { probability: 0.7, brightness: 0.25, contrast: 0.2, saturation: 0.25, balance: 0.1, offset: 0.0 }
    }
}

/// Fractional bits of the fixed-point matrix.
const BITS: u32 = 12;
/// Share of each channel in the luma, by ITU-R BT.601.
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

/// Draws the factors and changes the pixels in place.
pub(super) fn apply(settings: &ColourJitter, rng: &mut impl Rng, pixels: &mut [u8]) {
    let mut factor = |strength: f32| 1.0 + strength * (rng.random::<f32>() * 2.0 - 1.0);
    let brightness = factor(settings.brightness);
    let contrast = factor(settings.contrast);
    let saturation = factor(settings.saturation);
    let balance = [(); 3].map(|()| factor(settings.balance) * brightness);
    let total: u64 = pixels.iter().map(|&v| u64::from(v)).sum();
    let mean = total as f32 / pixels.len().max(1) as f32;
    let offset = (factor(1.0) - 1.0) * settings.offset;
    transform(&Change { balance, contrast, saturation, mean, offset }, pixels);
}

/// `out[c] = balance[c] · (mean + contrast · (luma + saturation · (in[c] − luma) − mean)) + offset`.
struct Change {
    balance: [f32; 3],
    contrast: f32,
    saturation: f32,
    mean: f32,
    offset: f32,
}

impl Change {
    /// The change as a matrix and an offset: `out[c] = Σ matrix[c][k] · in[k] + offset[c]`.
    fn affine(&self) -> ([[f32; 3]; 3], [f32; 3]) {
        let matrix = [0, 1, 2].map(|c| {
            [0, 1, 2].map(|k| {
                let own = if c == k { self.saturation } else { 0.0 };
                self.balance[c] * self.contrast * (own + (1.0 - self.saturation) * LUMA[k])
            })
        });
        (matrix, self.balance.map(|balance| balance * (1.0 - self.contrast) * self.mean + self.offset))
    }
}

/// In fixed point: entries are below 2⁴, so sums stay below 2¹² · 2⁴ · 3 · 2⁸ < 2³¹.
fn transform(change: &Change, pixels: &mut [u8]) {
    let (matrix, offset) = change.affine();
    let fixed = |value: f32| (value * (1 << BITS) as f32).round() as i32;
    let matrix = matrix.map(|row| row.map(fixed));
    let offset = offset.map(|value| fixed(value) + (1 << (BITS - 1)));
    for pixel in pixels.chunks_exact_mut(3) {
        let [r, g, b] = [pixel[0], pixel[1], pixel[2]].map(i32::from);
        for c in 0..3 {
            let [from_r, from_g, from_b] = matrix[c];
            let sum = from_r * r + from_g * g + from_b * b + offset[c];
            pixel[c] = (sum >> BITS).clamp(0, 255) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The formula in floating point, a pixel at a time.
    fn transform_plainly(change: &Change, pixel: [u8; 3]) -> [f32; 3] {
        let value = pixel.map(f32::from);
        let luma: f32 = (0..3).map(|c| LUMA[c] * value[c]).sum();
        [0, 1, 2].map(|c| {
            let grey = luma + change.saturation * (value[c] - luma) - change.mean;
            (change.balance[c] * (change.mean + change.contrast * grey) + change.offset).clamp(0.0, 255.0)
        })
    }

    proptest! {
        #[test]
        fn fixed_point_follows_the_formula(
            pixel in any::<[u8; 3]>(), balance in prop::array::uniform3(0.0f32..2.0), contrast in 0.0f32..2.0,
            saturation in 0.0f32..2.0, mean in 0.0f32..255.0, offset in -40.0f32..40.0,
        ) {
            let change = Change { balance, contrast, saturation, mean, offset };
            let mut out = pixel;
            transform(&change, &mut out);
            for (got, expected) in out.iter().zip(transform_plainly(&change, pixel)) {
                prop_assert!((f32::from(*got) - expected).abs() < 1.0, "{got} is not {expected}");
            }
        }
    }

    #[test]
    fn factors_of_one_change_nothing() {
        let mut pixels: Vec<u8> = (0..=254).collect();
        let before = pixels.clone();
        transform(&Change { balance: [1.0; 3], contrast: 1.0, saturation: 1.0, mean: 99.0, offset: 0.0 }, &mut pixels);
        assert_eq!(pixels, before);
    }
}
