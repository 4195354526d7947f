//! How a camera turns light into bytes, and how it happens to look at somebody.

use super::canvas::{Canvas, Colour, HEIGHT, WIDTH, luma};
use super::scene::Scene;
use rand::{Rng, RngExt};
use std::f32::consts::PI;

/// One camera's own manner, the same for all its pictures.
#[derive(Debug, Clone)]
pub(super) struct Camera {
    pub(super) scene: Scene,
    /// How steeply it looks down.
    pub(super) tilt: f32,
    /// The direction in which most people pass it.
    heading: f32,
    balance: Colour,
    exposure: f32,
    contrast: f32,
    saturation: f32,
    gamma: f32,
    vignette: f32,
    /// Radius of its blur on the canvas.
    blur: f32,
    /// Standard deviation of its noise, in bytes.
    noise: f32,
}

impl Camera {
    /// Draws a camera. Each meets people from its own side: front, back, left, right.
    pub(super) fn new(index: u32, rng: &mut impl Rng) -> Self {
        let warmth = rng.random_range(-0.16..0.16);
        let side = [0.0, PI, PI / 2.0, -PI / 2.0][index as usize % 4];
        Self {
            scene: Scene::new(index, rng),
            tilt: rng.random_range(0.02..0.26),
            heading: side + rng.random_range(-0.5..0.5),
            balance: [1.0 + warmth, rng.random_range(0.94..1.06), 1.0 - warmth],
            exposure: rng.random_range(0.78..1.25),
            contrast: rng.random_range(0.85..1.2),
            saturation: rng.random_range(0.65..1.15),
            gamma: rng.random_range(0.8..1.2),
            vignette: rng.random_range(0.0..0.5),
            blur: rng.random_range(0.2..1.6),
            noise: rng.random_range(2.0..9.0),
        }
    }

    /// A direction of walking: mostly along the camera's heading, sometimes against it.
    pub(super) fn heading(&self, rng: &mut impl Rng) -> f32 {
        let against = if rng.random::<f32>() < 0.25 { PI } else { 0.0 };
        self.heading + against + rng.random_range(-0.6..0.6)
    }

    /// Exposes the canvas: blur, colours, vignette, clipping. `[HEIGHT, WIDTH, 3]` bytes.
    pub(super) fn expose(&self, mut canvas: Canvas, rng: &mut impl Rng) -> Vec<u8> {
        canvas.blur((self.blur + rng.random_range(-0.5..1.0)).round().max(0.0) as usize);
        let exposure = self.exposure * rng.random_range(0.82..1.18);
        let balance = self.balance.map(|gain| gain * exposure * rng.random_range(0.97..1.03));
        let curve = tone_curve(self.gamma, self.contrast);
        let mut bytes = Vec::with_capacity(HEIGHT * WIDTH * 3);
        for (i, pixel) in canvas.pixels.iter().enumerate() {
            let (dx, dy) = ((i % WIDTH) as f32 / WIDTH as f32 - 0.5, (i / WIDTH) as f32 / HEIGHT as f32 - 0.5);
            let dim = 1.0 - self.vignette * (dx * dx + dy * dy);
            let grey = luma(*pixel);
            for c in 0..3 {
                let value = (grey + self.saturation * (pixel[c] - grey)) * balance[c] * dim;
                bytes.push(curve[(value * 255.0).clamp(0.0, 255.0) as usize]);
            }
        }
        bytes
    }

    /// Adds the sensor's noise to finished pixels.
    pub(super) fn add_noise(&self, pixels: &mut [u8], rng: &mut impl Rng) {
        let mut random = vec![0u8; pixels.len() * 2];
        rng.fill_bytes(&mut random);
        // The sum of two even bytes has a standard deviation of 104.5.
        let strength = (self.noise / 104.5 * 1024.0) as i32;
        for (pixel, random) in pixels.iter_mut().zip(random.as_chunks::<2>().0) {
            let even = i32::from(random[0]) + i32::from(random[1]) - 255;
            *pixel = (i32::from(*pixel) + ((even * strength) >> 10)).clamp(0, 255) as u8;
        }
    }
}

/// Gamma, then contrast about the middle, for every byte.
fn tone_curve(gamma: f32, contrast: f32) -> [u8; 256] {
    std::array::from_fn(|i| {
        let value = (i as f32 / 255.0).powf(gamma);
        ((0.45 + (value - 0.45) * contrast) * 255.0).round().clamp(0.0, 255.0) as u8
    })
}
