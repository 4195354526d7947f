//! Reads pictures, in parallel, to one size.

use super::{DatasetError, Identity, Sample, Source, synthetic};
use crate::progress::Progress;
use deja_firmware::image::{byte_len, resize};
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// More unreadable pictures than one in this many are an error.
const TOLERATED: usize = 10;

/// Pictures of one size in memory, with what is known about them. Entry `i` of each list belongs to picture `i`.
#[derive(Debug, Clone, Default)]
pub struct Images {
    /// Height and width.
    pub size: [usize; 2],
    /// `[n, height, width, 3]` RGB bytes.
    pub pixels: Vec<u8>,
    /// Who is on each picture.
    pub identities: Vec<Identity>,
    /// Which view each was taken from.
    pub cameras: Vec<u32>,
    /// The index of each in the samples that were asked for.
    pub kept: Vec<usize>,
    /// The samples that could not be read.
    pub skipped: Vec<Skipped>,
}

/// A picture that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its file.
    pub path: PathBuf,
    /// Why, in words.
    pub reason: String,
}

impl Images {
    /// How many pictures there are.
    pub fn len(&self) -> usize {
        self.identities.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.identities.is_empty()
    }

    /// Picture `index`: `[height, width, 3]` RGB bytes.
    ///
    /// # Panics
    /// When `index ≥ len()`.
    pub fn picture(&self, index: usize) -> &[u8] {
        let bytes = self.pixels.len() / self.len().max(1);
        &self.pixels[index * bytes..][..bytes]
    }
}

/// Reads the samples' pictures and scales them to `size = [height, width]` with [`deja_firmware::image::resize`].
///
/// Missing and unreadable files are left out and named in [`Images::skipped`]; the order of the others stays. Orientation
/// tags (EXIF) are ignored: pictures are taken as they are stored.
///
/// # Errors
/// [`DatasetError::TooManyUnreadable`] when more than one picture in ten, or every one, cannot be read;
/// [`DatasetError::TargetSize`]; [`DatasetError::Interrupted`] when the user stops it.
pub fn load(samples: &[Sample], size: [usize; 2], progress: &dyn Progress) -> Result<Images, DatasetError> {
    let bytes = byte_len(size).map_err(DatasetError::TargetSize)?;
    let mut pixels = vec![0; bytes * samples.len()];
    progress.start("reading pictures", samples.len() as u64);
    let outcomes: Vec<Result<(), DatasetError>> = (pixels.par_chunks_exact_mut(bytes), samples)
        .into_par_iter()
        .map(|(target, sample)| {
            if progress.interrupted() {
                return Err(DatasetError::Interrupted);
            }
            let outcome = read(&sample.source, size, target);
            progress.advance(1);
            outcome
        })
        .collect();
    progress.finish();
    gather(samples, size, pixels, outcomes)
}

/// Reads one picture file and scales it to `size = [height, width]`: `[height, width, 3]` RGB bytes.
///
/// # Errors
/// [`DatasetError::Picture`], [`DatasetError::Scale`], [`DatasetError::TargetSize`].
pub fn picture(path: &Path, size: [usize; 2]) -> Result<Vec<u8>, DatasetError> {
    let mut target = vec![0; byte_len(size).map_err(DatasetError::TargetSize)?];
    read_file(path, size, &mut target)?;
    Ok(target)
}

fn read(source: &Source, size: [usize; 2], target: &mut [u8]) -> Result<(), DatasetError> {
    match source {
        Source::File(path) => read_file(path, size, target),
        Source::Rendered(rendering) => synthetic::render(rendering, size, target).map_err(DatasetError::TargetSize),
    }
}

fn read_file(path: &Path, size: [usize; 2], target: &mut [u8]) -> Result<(), DatasetError> {
    let unreadable = |source| DatasetError::Picture { path: path.to_owned(), source };
    let decoded = image::ImageReader::open(path)
        .and_then(image::ImageReader::with_guessed_format)
        .map_err(|source| unreadable(source.into()))?
        .decode()
        .map_err(unreadable)?
        .into_rgb8();
    let source_size = [decoded.height() as usize, decoded.width() as usize];
    resize(decoded.as_raw(), source_size, target, size)
        .map_err(|source| DatasetError::Scale { path: path.to_owned(), source })
}

/// Moves the readable pictures together and counts the others.
fn gather(
    samples: &[Sample],
    size: [usize; 2],
    mut pixels: Vec<u8>,
    outcomes: Vec<Result<(), DatasetError>>,
) -> Result<Images, DatasetError> {
    let bytes = pixels.len() / samples.len().max(1);
    let mut images = Images { size, ..Images::default() };
    for (index, (sample, outcome)) in samples.iter().zip(outcomes).enumerate() {
        match outcome {
            Ok(()) => {
                pixels.copy_within(index * bytes..(index + 1) * bytes, images.len() * bytes);
                images.identities.push(sample.identity);
                images.cameras.push(sample.camera);
                images.kept.push(index);
            }
            Err(DatasetError::Interrupted) => return Err(DatasetError::Interrupted),
            Err(error) => images.skipped.push(skipped(&sample.source, error)?),
        }
    }
    let unreadable = images.skipped.len();
    if unreadable * TOLERATED > samples.len() || (unreadable > 0 && images.is_empty()) {
        return Err(DatasetError::TooManyUnreadable { skipped: images.skipped, total: samples.len() });
    }
    pixels.truncate(images.len() * bytes);
    images.pixels = pixels;
    Ok(images)
}

/// Names an unreadable file; what is rendered cannot be unreadable, so its error ends the loading.
fn skipped(source: &Source, error: DatasetError) -> Result<Skipped, DatasetError> {
    let Source::File(path) = source else { return Err(error) };
    let reason = match &error {
        DatasetError::Picture { source, .. } => source.to_string(),
        DatasetError::Scale { source, .. } => source.to_string(),
        other => other.to_string(),
    };
    Ok(Skipped { path: path.clone(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    /// Writes `good` readable PNG files and `bad` unreadable ones, unreadable first.
    fn samples(folder: &Path, good: usize, bad: usize) -> Vec<Sample> {
        (0..good + bad)
            .map(|i| {
                let path = folder.join(format!("{i}.png"));
                if i < bad {
                    std::fs::write(&path, b"not a picture").unwrap();
                } else {
                    image::RgbImage::from_pixel(3, 5, image::Rgb([i as u8, 2, 3])).save(&path).unwrap();
                }
                Sample { source: Source::File(path), identity: Identity::Known(i), camera: 7 }
            })
            .collect()
    }

    #[test]
    fn a_few_unreadable_pictures_are_skipped_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let samples = samples(folder.path(), 9, 1);
        let images = load(&samples, [4, 2], &Silent).unwrap();
        assert_eq!(images.len(), 9);
        assert_eq!(images.kept, (1..10).collect::<Vec<_>>());
        assert_eq!(images.pixels.len(), 9 * 4 * 2 * 3);
        assert!((0..9).all(|i| images.picture(i)[0] == (i + 1) as u8));
        assert_eq!(images.skipped.len(), 1);
        assert!(images.skipped[0].path.ends_with("0.png"));
        assert!(!images.skipped[0].reason.is_empty());
    }

    #[test]
    fn many_unreadable_pictures_are_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let samples = samples(folder.path(), 8, 1);
        let error = load(&samples, [4, 2], &Silent).unwrap_err();
        assert!(matches!(&error, DatasetError::TooManyUnreadable { total: 9, skipped } if skipped.len() == 1));
        assert!(error.to_string().contains("0.png"));
        assert!(load(&samples[..1], [4, 2], &Silent).is_err());
    }

    #[test]
    fn no_samples_are_no_pictures() {
        let images = load(&[], [4, 2], &Silent).unwrap();
        assert!(images.is_empty() && images.pixels.is_empty());
    }

    #[test]
    fn one_picture_is_scaled_by_the_cameras_own_resize() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        let source = image::RgbImage::from_fn(7, 9, |x, y| image::Rgb([(x * 30) as u8, (y * 20) as u8, 9]));
        source.save(&path).unwrap();
        let mut expected = vec![0; 4 * 2 * 3];
        resize(source.as_raw(), [9, 7], &mut expected, [4, 2]).unwrap();
        assert_eq!(picture(&path, [4, 2]).unwrap(), expected);
        assert!(matches!(picture(&path, [0, 2]), Err(DatasetError::TargetSize(_))));
        assert!(picture(&folder.path().join("none.png"), [4, 2]).unwrap_err().to_string().contains("none.png"));
    }
}
