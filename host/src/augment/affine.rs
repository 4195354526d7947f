//! Turns and scales a picture about its centre, with bilinear sampling.

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

/// How far pictures are turned and scaled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Affine {
    /// Probability that a picture is changed.
    pub probability: f32,
    /// Largest angle to either side.
    pub degrees: f32,
    /// Strength `s` of scaling: the factor is drawn evenly from `[1 − s, 1 + s]`.
    pub scale: f32,
}

impl Default for Affine {
    fn default() -> Self {
        Self { probability: 0.0, degrees: 8.0, scale: 0.12 }
    }
}

/// Fractional bits of a source position.
const BITS: u32 = 8;
const ONE: i32 = 1 << BITS;

/// Draws angle and scale; every pixel of `out` is sampled from `picture`, whose edge goes on outside.
pub(super) fn apply(settings: &Affine, picture: &[u8], size: [usize; 2], rng: &mut impl Rng, out: &mut [u8]) {
    let mut even = || rng.random::<f32>() * 2.0 - 1.0;
    let angle = (settings.degrees * even()).to_radians();
    let scale = 1.0 + settings.scale * even();
    warp(picture, size, angle, scale, out);
}

/// `out(p) = picture(c + R(−angle) · (p − c) / scale)` with the centre `c`.
fn warp(picture: &[u8], [height, width]: [usize; 2], angle: f32, scale: f32, out: &mut [u8]) {
    let (sin, cos) = (angle.sin() / scale, angle.cos() / scale);
    let centre = [(height as f32 - 1.0) / 2.0, (width as f32 - 1.0) / 2.0];
    let last = [height as f32 - 1.0, width as f32 - 1.0];
    for (y, row) in out.chunks_exact_mut((width * 3).max(1)).enumerate() {
        let dy = y as f32 - centre[0];
        for (x, pixel) in row.chunks_exact_mut(3).enumerate() {
            let dx = x as f32 - centre[1];
            let at_y = (centre[0] + cos * dy - sin * dx).clamp(0.0, last[0]);
            let at_x = (centre[1] + sin * dy + cos * dx).clamp(0.0, last[1]);
            let fixed = [at_y, at_x].map(|at| (at * ONE as f32 + 0.5) as usize);
            pixel.copy_from_slice(&bilinear(picture, [height, width], fixed));
        }
    }
}

/// The picture between four pixels; `at` has [`BITS`] fractional bits and lies inside.
fn bilinear(picture: &[u8], [height, width]: [usize; 2], at: [usize; 2]) -> [u8; 3] {
    let [y, x] = at.map(|at| at >> BITS);
    let [down, right] = at.map(|at| (at & (ONE as usize - 1)) as i32);
    let (y1, x1) = ((y + 1).min(height - 1), (x + 1).min(width - 1));
    let corner = |y: usize, x: usize| &picture[(y * width + x) * 3..][..3];
    let (a, b, c, d) = (corner(y, x), corner(y, x1), corner(y1, x), corner(y1, x1));
    let mix = |a: i32, b: i32, at: i32| a * (ONE - at) + b * at;
    [0, 1, 2].map(|k| {
        let top = mix(i32::from(a[k]), i32::from(b[k]), right);
        let bottom = mix(i32::from(c[k]), i32::from(d[k]), right);
        ((mix(top, bottom, down) + (1 << (2 * BITS - 1))) >> (2 * BITS)) as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_turn_is_a_copy_and_half_a_turn_reverses() {
        let picture: Vec<u8> = (0..5 * 3 * 3).map(|i| i as u8 * 5).collect();
        let mut out = vec![0; picture.len()];
        warp(&picture, [5, 3], 0.0, 1.0, &mut out);
        assert_eq!(out, picture);
        warp(&picture, [5, 3], std::f32::consts::PI, 1.0, &mut out);
        let reversed: Vec<u8> = picture.chunks(3).rev().flatten().copied().collect();
        assert_eq!(out, reversed);
    }

    #[test]
    fn a_larger_scale_shows_less() {
        // A bright column at the left edge leaves the picture when it is doubled.
        let mut picture = vec![0; 8 * 8 * 3];
        for y in 0..8 {
            picture[y * 24..y * 24 + 3].fill(255);
        }
        let mut out = vec![0; picture.len()];
        warp(&picture, [8, 8], 0.0, 2.0, &mut out);
        assert!(out.iter().all(|&v| v == 0));
        warp(&picture, [8, 8], 0.0, 0.5, &mut out);
        assert!(out[..3].iter().all(|&v| v == 255), "the edge goes on outside");
    }
}
