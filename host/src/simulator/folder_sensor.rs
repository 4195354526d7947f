//! The simulated camera's eye: the pictures of a folder, one after another, round and round.

use deja_firmware::board::{PictureSize, Sensor};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Greatest height and width of what the sensor sees; larger pictures are scaled down.
const RESOLUTION: u32 = 480;

/// Shows a picture every so often.
#[derive(Debug, Clone)]
pub struct FolderSensor {
    pictures: Vec<PathBuf>,
    next: usize,
    interval: Duration,
    last: Option<Instant>,
}

impl FolderSensor {
    /// Sees nothing.
    pub fn blind() -> Self {
        Self { pictures: Vec::new(), next: 0, interval: Duration::ZERO, last: None }
    }

    /// Sees the pictures of `folder` (JPEG, PNG, BMP; by name), one every `interval`.
    ///
    /// # Errors
    /// When the folder cannot be read or holds no pictures.
    pub fn new(folder: &Path, interval: Duration) -> io::Result<Self> {
        let mut pictures = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if image::ImageFormat::from_path(&path).is_ok() {
                pictures.push(path);
            }
        }
        if pictures.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "no pictures (JPEG, PNG, BMP) in this folder"));
        }
        pictures.sort();
        Ok(Self { pictures, next: 0, interval, last: None })
    }
}

impl Sensor for FolderSensor {
    fn capture(&mut self, pixels: &mut [u8]) -> Option<PictureSize> {
        if self.pictures.is_empty() || self.last.is_some_and(|last| last.elapsed() < self.interval) {
            return None;
        }
        self.last = Some(Instant::now());
        let path = &self.pictures[self.next];
        self.next = (self.next + 1) % self.pictures.len();
        let picture = match image::open(path) {
            Ok(picture) => picture,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "not a readable picture");
                return None;
            }
        };
        let large = picture.width().max(picture.height()) > RESOLUTION;
        let picture = if large { picture.thumbnail(RESOLUTION, RESOLUTION) } else { picture }.into_rgb8();
        pixels.get_mut(..picture.len())?.copy_from_slice(&picture);
        // Neither side is longer than RESOLUTION.
        Some(PictureSize { height: picture.height() as u16, width: picture.width() as u16 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shows_the_readable_pictures_in_turn() {
        let folder = tempfile::tempdir().unwrap();
        let save = |name: &str, width, height, red| {
            let picture = image::RgbImage::from_pixel(width, height, image::Rgb([red, 0, 0]));
            picture.save(folder.path().join(name)).unwrap();
        };
        save("a.png", 3, 2, 1);
        save("c.png", 2 * RESOLUTION, 4, 3);
        std::fs::write(folder.path().join("b.jpg"), b"damaged").unwrap();
        std::fs::write(folder.path().join("notes.txt"), b"no picture").unwrap();
        let mut sensor = FolderSensor::new(folder.path(), Duration::ZERO).unwrap();
        let mut pixels = vec![0; 3 * (RESOLUTION * RESOLUTION) as usize];
        let mut seen = Vec::new();
        for _ in 0..6 {
            seen.push(sensor.capture(&mut pixels).map(|size| (size.height, size.width, pixels[0])));
        }
        let [a, c] = [Some((2, 3, 1)), Some((2, RESOLUTION as u16, 3))];
        assert_eq!(seen, [a, None, c, a, None, c]);
        assert_eq!(FolderSensor::blind().capture(&mut pixels), None);
    }

    #[test]
    fn an_empty_folder_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(FolderSensor::new(folder.path(), Duration::ZERO).unwrap_err().to_string().contains("no pictures"));
    }
}
