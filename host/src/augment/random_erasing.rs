//! Covers a random rectangle, so that no single part of a picture decides. Zhong et al. 2020, "Random Erasing".

use super::NEUTRAL;
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

/// How often and how much is covered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RandomErasing {
    /// Probability that a picture is changed.
    pub probability: f32,
    /// Least and largest share of the picture that is covered.
    pub area: [f32; 2],
    /// Height over width is drawn between `1 / aspect` and `aspect`, evenly in the logarithm.
    pub aspect: f32,
    /// What covers it.
    pub fill: Fill,
}

/// What covers the rectangle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fill {
    /// The mean colour of photographs.
    Mean,
    /// Random bytes.
    Noise,
}

impl Default for RandomErasing {
    fn default() -> Self {
        Self { probability: 0.4, area: [0.02, 0.3], aspect: 3.0, fill: Fill::Mean }
    }
}

/// Rectangles that do not fit are drawn again, this many times at most.
const ATTEMPTS: usize = 20;

/// Covers a rectangle in place.
pub(super) fn apply(settings: &RandomErasing, [height, width]: [usize; 2], rng: &mut impl Rng, pixels: &mut [u8]) {
    let [least, most] = settings.area;
    for _ in 0..ATTEMPTS {
        let area = (least + (most - least) * rng.random::<f32>()) * (height * width) as f32;
        let aspect = settings.aspect.powf(rng.random::<f32>() * 2.0 - 1.0);
        let (rows, columns) = ((area * aspect).sqrt().round() as usize, (area / aspect).sqrt().round() as usize);
        if rows == 0 || columns == 0 || rows > height || columns > width {
            continue;
        }
        let (top, left) = (rng.random_range(0..=height - rows), rng.random_range(0..=width - columns));
        for row in pixels.chunks_exact_mut(width * 3).skip(top).take(rows) {
            cover(settings.fill, rng, &mut row[left * 3..(left + columns) * 3]);
        }
        return;
    }
}

fn cover(fill: Fill, rng: &mut impl Rng, pixels: &mut [u8]) {
    match fill {
        Fill::Mean => pixels.chunks_exact_mut(3).for_each(|pixel| pixel.copy_from_slice(&NEUTRAL)),
        Fill::Noise => rng.fill_bytes(pixels),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn a_rectangle_of_the_asked_area_is_covered() {
        let settings = RandomErasing { probability: 1.0, area: [0.1, 0.3], aspect: 2.0, fill: Fill::Mean };
        let (height, width) = (40, 30);
        for seed in 0..100 {
            let mut pixels = vec![0u8; height * width * 3];
            apply(&settings, [height, width], &mut ChaCha8Rng::seed_from_u64(seed), &mut pixels);
            let covered: Vec<(usize, usize)> = (0..height * width)
                .filter(|&i| pixels[i * 3..i * 3 + 3] == NEUTRAL)
                .map(|i| (i / width, i % width))
                .collect();
            let rows = covered.iter().map(|at| at.0).max().unwrap() - covered.iter().map(|at| at.0).min().unwrap() + 1;
            let columns =
                covered.iter().map(|at| at.1).max().unwrap() - covered.iter().map(|at| at.1).min().unwrap() + 1;
            assert_eq!(covered.len(), rows * columns, "one full rectangle");
            let share = covered.len() as f32 / (height * width) as f32;
            assert!((0.08..0.33).contains(&share), "{share}");
            let aspect = rows as f32 / columns as f32;
            assert!((0.4..2.5).contains(&aspect), "{aspect}");
        }
    }
}
