//! Pedestrians seen by street cameras, drawn by the computer: data that needs no download and no consent.
//!
//! Everything follows from a seed. An identity fixes the body and what it wears; a camera fixes colours, exposure, scene
//! and direction of view; a shot fixes pose, distance, crop, shadow and what stands in the way. Wardrobes are small, so
//! that many identities share their colours and only the whole of a person tells them apart.

mod camera;
mod canvas;
mod figure;
mod pedestrian;
mod scene;
mod settings;

pub use settings::{Settings, dataset, parse};

use camera::Camera;
use canvas::{ASPECT, Canvas, HEIGHT, Texture, WIDTH};
use deja_firmware::image::{ImageError, byte_len, resize};
use figure::{Stance, draw};
use pedestrian::Pedestrian;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Which picture to draw: equal values give equal pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rendering {
    /// The set's seed.
    pub seed: u64,
    /// Who.
    pub identity: u32,
    /// Seen by which camera.
    pub camera: u32,
    /// Which of this camera's pictures of that identity.
    pub shot: u32,
}

/// Share of pictures with something in front of the pedestrian.
const OCCLUDED: f32 = 0.25;
/// Share of pictures with a shadow across.
const SHADOWED: f32 = 0.2;
/// Share of pictures with a passer-by beside or behind.
const ACCOMPANIED: f32 = 0.25;

/// Draws a picture into `target`, `[height, width, 3]` RGB bytes with `size = [height, width]`.
///
/// # Errors
/// [`ImageError`] when the size is impossible or the buffer does not fit it.
pub fn render(rendering: &Rendering, size: [usize; 2], target: &mut [u8]) -> Result<(), ImageError> {
    let expected = byte_len(size)?;
    if target.len() != expected {
        return Err(ImageError::Length { expected, actual: target.len() });
    }
    let Rendering { seed, identity, camera: number, shot } = *rendering;
    let person = Pedestrian::new(&mut stream(seed, Subject::Identity, [identity, 0, 0]));
    let camera = Camera::new(number, &mut stream(seed, Subject::Camera, [number, 0, 0]));
    let mut rng = stream(seed, Subject::Shot, [identity, number, shot]);
    let canvas = compose(&person, &camera, &mut rng);
    let bytes = camera.expose(canvas, &mut rng);
    resize(&bytes, [HEIGHT, WIDTH], target, size)?;
    camera.add_noise(target, &mut rng);
    Ok(())
}

/// Scene, passer-by, pedestrian, and what is in the way.
fn compose(person: &Pedestrian, camera: &Camera, rng: &mut impl Rng) -> Canvas {
    let grain = Texture::new(rng);
    let mut canvas = camera.scene.canvas(rng.random_range(0.0..3.0), &grain);
    let stance = stance(camera, rng);
    if rng.random::<f32>() < ACCOMPANIED {
        let side = if rng.random::<f32>() < 0.5 { -1.0 } else { 1.0 };
        let other = Stance {
            yaw: camera.heading(rng),
            feet: [stance.feet[0] + side * rng.random_range(0.16..0.3), stance.feet[1] - rng.random_range(0.02..0.12)],
            size: stance.size * rng.random_range(0.75..0.95),
            ..stance
        };
        draw(&mut canvas, &Pedestrian::new(rng), &other, &grain);
    }
    scene::contact_shadow(&mut canvas, stance.feet, stance.size, stance.light);
    draw(&mut canvas, person, &stance, &grain);
    if rng.random::<f32>() < SHADOWED {
        scene::cast_shadow(&mut canvas, rng);
    }
    if rng.random::<f32>() < OCCLUDED {
        scene::occlude(&mut canvas, &grain, rng);
    }
    canvas
}

/// Where and how the pedestrian walks; detectors crop people a little differently each time.
fn stance(camera: &Camera, rng: &mut impl Rng) -> Stance {
    let size = rng.random_range(0.8..0.98);
    Stance {
        yaw: camera.heading(rng),
        stride: rng.random_range(0.0..std::f32::consts::TAU),
        swing: rng.random_range(0.05..0.15),
        feet: [ASPECT / 2.0 + rng.random_range(-0.05..0.05), rng.random_range(0.93..1.0)],
        size,
        tilt: camera.tilt,
        light: rng.random_range(-1.0..1.0),
    }
}

/// What a random stream belongs to, so that no two share their numbers.
#[derive(Clone, Copy)]
enum Subject {
    Identity = 1,
    Camera = 2,
    Shot = 3,
}

fn stream(seed: u64, subject: Subject, numbers: [u32; 3]) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8] = subject as u8;
    for (bytes, number) in key[12..].chunks_exact_mut(4).zip(numbers) {
        bytes.copy_from_slice(&number.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(rendering: Rendering, size: [usize; 2]) -> Vec<u8> {
        let mut target = vec![0; size[0] * size[1] * 3];
        render(&rendering, size, &mut target).unwrap();
        target
    }

    #[test]
    fn a_picture_follows_from_its_numbers() {
        let one = Rendering { seed: 1, identity: 2, camera: 3, shot: 0 };
        let picture = rendered(one, [64, 32]);
        assert_eq!(picture, rendered(one, [64, 32]));
        for other in [
            Rendering { seed: 2, ..one },
            Rendering { identity: 3, ..one },
            Rendering { camera: 0, ..one },
            Rendering { shot: 1, ..one },
        ] {
            assert_ne!(picture, rendered(other, [64, 32]), "{other:?}");
        }
    }

    #[test]
    fn pictures_have_the_contrast_of_photographs() {
        for identity in 0..20 {
            let picture = rendered(Rendering { seed: 5, identity, camera: identity % 4, shot: 0 }, [128, 64]);
            let mean = picture.iter().map(|&v| f64::from(v)).sum::<f64>() / picture.len() as f64;
            let variance = picture.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / picture.len() as f64;
            assert!((30.0..225.0).contains(&mean) && variance > 200.0, "{identity}: {mean} {variance}");
        }
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let rendering = Rendering { seed: 1, identity: 0, camera: 0, shot: 0 };
        assert!(matches!(render(&rendering, [0, 4], &mut []), Err(ImageError::Size { .. })));
        assert!(matches!(render(&rendering, [4, 4], &mut [0; 3]), Err(ImageError::Length { expected: 48, actual: 3 })));
        rendered(rendering, [1, 1]);
    }

    /// `cargo test --release -p deja synthetic::tests::contact_sheet -- --ignored --nocapture`
    #[test]
    #[ignore = "a measurement, and a picture to look at"]
    fn contact_sheet() {
        let (rows, columns) = (12u32, 16u32);
        let mut sheet = image::RgbImage::new(columns * 64, rows * 128);
        let start = std::time::Instant::now();
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
            let rendering = Rendering { seed: 1, identity: row, camera: column % 4, shot: column / 4 };
            let picture = image::RgbImage::from_raw(64, 128, rendered(rendering, [128, 64])).unwrap();
            image::imageops::replace(&mut sheet, &picture, i64::from(column) * 64, i64::from(row) * 128);
        }
        let rate = f64::from(rows * columns) / start.elapsed().as_secs_f64();
        let path = std::env::temp_dir().join("deja-synthetic.png");
        sheet.save(&path).unwrap();
        println!("{rate:.0} pictures/s on one core; see {}", path.display());
    }
}
