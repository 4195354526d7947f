//! Random changes to a training picture that keep its identity.
//!
//! One file a change, each a pure function of settings, bytes and a random generator. [`batch`] draws every picture's
//! generator from `(seed, position)`, so what a batch looks like does not depend on the number of threads.

mod affine;
mod colour_jitter;
mod flip;
mod pad_crop;
mod random_erasing;

pub use affine::Affine;
pub use colour_jitter::ColourJitter;
pub use pad_crop::PadCrop;
pub use random_erasing::{Fill, RandomErasing};

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// What uncovered pixels become: the mean colour of ImageNet's photographs.
const NEUTRAL: [u8; 3] = [124, 116, 104];

/// Which changes are made, and how strongly. Steps run in the order of the fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// Turning and scaling; off by default, useful for small sets.
    pub affine: Affine,
    /// Probability of mirroring left and right.
    pub flip: f32,
    /// Shifting the picture.
    pub pad_crop: PadCrop,
    /// Changing brightness, contrast, saturation and colour balance.
    pub colour_jitter: ColourJitter,
    /// Covering a rectangle.
    pub random_erasing: RandomErasing,
}

impl Default for Augment {
    fn default() -> Self {
        Self {
            affine: Affine::default(),
            flip: 0.5,
            pad_crop: PadCrop::default(),
            colour_jitter: ColourJitter::default(),
            random_erasing: RandomErasing::default(),
        }
    }
}

/// A setting that makes no sense.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("augment.{field} = {value}: give a number from {low} to {high}")]
pub struct AugmentError {
    /// The setting.
    pub field: &'static str,
    /// Its value.
    pub value: f32,
    /// The least that is accepted.
    pub low: f32,
    /// The most that is accepted.
    pub high: f32,
}

impl Augment {
    /// No change at all.
    pub fn none() -> Self {
        Self {
            affine: Affine { probability: 0.0, ..Affine::default() },
            flip: 0.0,
            pad_crop: PadCrop { pad: 0.0 },
            colour_jitter: ColourJitter { probability: 0.0, ..ColourJitter::default() },
            random_erasing: RandomErasing { probability: 0.0, ..RandomErasing::default() },
        }
    }

    /// The same changes with every strength and the probability of erasing multiplied by `factor` (0 to 1). Mirroring
    /// stays as likely as it is.
    pub fn scaled(&self, factor: f32) -> Self {
        let Self { affine, flip, pad_crop, colour_jitter: colour, random_erasing: erasing } = self.clone();
        Self {
            affine: Affine { degrees: affine.degrees * factor, scale: affine.scale * factor, ..affine },
            flip,
            pad_crop: PadCrop { pad: pad_crop.pad * factor },
            colour_jitter: ColourJitter {
                brightness: colour.brightness * factor,
                contrast: colour.contrast * factor,
                saturation: colour.saturation * factor,
                balance: colour.balance * factor,
                offset: colour.offset * factor,
                ..colour
            },
            random_erasing: RandomErasing { probability: erasing.probability * factor, ..erasing },
        }
    }

    /// Checks every number.
    ///
    /// # Errors
    /// [`AugmentError`] for the first setting out of its range.
    pub fn check(&self) -> Result<(), AugmentError> {
        let (affine, colour, erasing) = (&self.affine, &self.colour_jitter, &self.random_erasing);
        let ranges = [
            ("affine.probability", affine.probability, 0.0, 1.0),
            ("affine.degrees", affine.degrees, 0.0, 180.0),
            ("affine.scale", affine.scale, 0.0, 0.9),
            ("flip", self.flip, 0.0, 1.0),
            ("pad_crop.pad", self.pad_crop.pad, 0.0, 0.5),
            ("colour_jitter.probability", colour.probability, 0.0, 1.0),
            ("colour_jitter.brightness", colour.brightness, 0.0, 1.0),
            ("colour_jitter.contrast", colour.contrast, 0.0, 1.0),
            ("colour_jitter.saturation", colour.saturation, 0.0, 1.0),
            ("colour_jitter.balance", colour.balance, 0.0, 1.0),
            ("colour_jitter.offset", colour.offset, 0.0, 255.0),
            ("random_erasing.probability", erasing.probability, 0.0, 1.0),
            ("random_erasing.area[0]", erasing.area[0], 0.0, erasing.area[1].min(1.0)),
            ("random_erasing.area[1]", erasing.area[1], 0.0, 1.0),
            ("random_erasing.aspect", erasing.aspect, 1.0, 100.0),
        ];
        for (field, value, low, high) in ranges {
            if !(low..=high).contains(&value) {
                return Err(AugmentError { field, value, low, high });
            }
        }
        Ok(())
    }
}

/// Changes one picture.
///
/// # Shapes
/// `picture` and `out`: `[height, width, 3]` RGB bytes with `size = [height, width]`.
///
/// # Panics
/// When a buffer's length is not `height · width · 3`.
pub fn apply(settings: &Augment, picture: &[u8], size: [usize; 2], rng: &mut impl Rng, out: &mut [u8]) {
    assert_eq!((picture.len(), out.len()), (size[0] * size[1] * 3, size[0] * size[1] * 3), "buffers of {size:?}");
    if rng.random::<f32>() < settings.affine.probability {
        affine::apply(&settings.affine, picture, size, rng, out);
    } else {
        out.copy_from_slice(picture);
    }
    if rng.random::<f32>() < settings.flip {
        flip::apply(size, out);
    }
    pad_crop::apply(&settings.pad_crop, size, rng, out);
    if rng.random::<f32>() < settings.colour_jitter.probability {
        colour_jitter::apply(&settings.colour_jitter, rng, out);
    }
    if rng.random::<f32>() < settings.random_erasing.probability {
        random_erasing::apply(&settings.random_erasing, size, rng, out);
    }
}

/// Gathers `indices` out of `pixels` and changes each, in parallel. The generator of position `i` follows from `seed`
/// and `i` alone: equal indices at different positions are changed differently, and threads make no difference.
///
/// # Shapes
/// `pixels`: `[n, height, width, 3]`, `out`: `[indices.len(), height, width, 3]` RGB bytes, `size = [height, width]`.
///
/// # Panics
/// When an index is beyond `pixels`, or `out` is not as long as the batch.
pub fn batch(settings: &Augment, pixels: &[u8], size: [usize; 2], indices: &[usize], seed: u64, out: &mut [u8]) {
    let bytes = size[0] * size[1] * 3;
    assert_eq!(out.len(), bytes * indices.len(), "room for {} pictures of {size:?}", indices.len());
    out.par_chunks_exact_mut(bytes.max(1)).zip(indices).enumerate().for_each(|(position, (out, &index))| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(position as u64);
        apply(settings, &pixels[index * bytes..][..bytes], size, &mut rng, out);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pictures(count: usize, size: [usize; 2]) -> Vec<u8> {
        (0..count * size[0] * size[1] * 3).map(|i| (i * 37 % 251) as u8).collect()
    }

    #[test]
    fn batches_do_not_depend_on_threads() {
        let size = [32, 16];
        let pixels = pictures(5, size);
        let indices = [4, 0, 0, 3, 1, 2, 2];
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut out = vec![0; indices.len() * 32 * 16 * 3];
            pool.install(|| batch(&Augment::default(), &pixels, size, &indices, 11, &mut out));
            out
        };
        let out = on(1);
        assert_eq!(out, on(3));
        let bytes = 32 * 16 * 3;
        assert_ne!(out[bytes..2 * bytes], out[2 * bytes..3 * bytes], "the same picture twice is changed differently");
    }

    #[test]
    fn no_change_is_a_copy() {
        let size = [9, 7];
        let picture = pictures(1, size);
        let mut out = vec![0; picture.len()];
        apply(&Augment::none(), &picture, size, &mut ChaCha8Rng::seed_from_u64(1), &mut out);
        assert_eq!(out, picture);
    }

    #[test]
    fn settings_are_checked_and_unknown_ones_refused() {
        Augment::default().check().unwrap();
        Augment::none().check().unwrap();
        let wild: Augment = toml::from_str("flip = 1.5").unwrap();
        assert_eq!(wild.check().unwrap_err().field, "flip");
        let nan: Augment = toml::from_str("pad_crop = { pad = nan }").unwrap();
        assert_eq!(nan.check().unwrap_err().field, "pad_crop.pad");
        let reversed: Augment = toml::from_str("random_erasing = { area = [0.4, 0.1] }").unwrap();
        assert_eq!(reversed.check().unwrap_err().field, "random_erasing.area[0]");
        assert!(toml::from_str::<Augment>("flipp = 0.5").is_err());
        let text = toml::to_string(&Augment::default()).unwrap();
        assert_eq!(toml::from_str::<Augment>(&text).unwrap(), Augment::default());
    }

    #[test]
    fn extreme_settings_and_tiny_pictures_do_not_panic() {
        let settings = Augment {
            affine: Affine { probability: 1.0, degrees: 180.0, scale: 0.9 },
            flip: 1.0,
            pad_crop: PadCrop { pad: 0.5 },
            colour_jitter: ColourJitter {
                probability: 1.0,
                brightness: 1.0,
                contrast: 1.0,
                saturation: 1.0,
                balance: 1.0,
                offset: 20.0,
            },
            random_erasing: RandomErasing { probability: 1.0, area: [0.0, 1.0], aspect: 100.0, fill: Fill::Noise },
        };
        settings.check().unwrap();
        for size in [[1, 1], [1, 9], [9, 1], [3, 2], [24, 12]] {
            let picture = pictures(1, size);
            let mut out = picture.clone();
            for seed in 0..50 {
                apply(&settings, &picture, size, &mut ChaCha8Rng::seed_from_u64(seed), &mut out);
            }
        }
    }

    /// `cargo test --release -p deja augment::tests::speed -- --ignored --nocapture`
    #[test]
    #[ignore = "a measurement"]
    fn speed() {
        let size = [128, 64];
        let pixels = pictures(1, size);
        let mut out = vec![0; pixels.len()];
        let mut settings = Augment::default();
        for (name, affine) in [("default", 0.0), ("with affine", 1.0)] {
            settings.affine.probability = affine;
            let start = std::time::Instant::now();
            for seed in 0..5000 {
                apply(&settings, &pixels, size, &mut ChaCha8Rng::seed_from_u64(seed), &mut out);
            }
            println!("{name}: {:.0} pictures/s on one core", 5000.0 / start.elapsed().as_secs_f64());
        }
    }
}
