//! What a synthetic set consists of, and its description in words.

use super::Rendering;
use crate::dataset::{Dataset, DatasetError, Identity, Sample, Source};

/// Of all identities, one in this many is tested on.
const TESTED: u32 = 5;

/// The size of a synthetic set. Each of `identities` is seen `images` times by each of `cameras`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Identities altogether. The last fifth is tested on, the others are trained on.
    pub identities: u32,
    /// Views.
    pub cameras: u32,
    /// Pictures of an identity from one camera. The first of a tested identity is a query, the others are gallery.
    pub images: u32,
    /// What everything is drawn from.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { identities: 320, cameras: 4, images: 3, seed: 1 }
    }
}

/// Reads `synthetic` or `synthetic:identities=200,cameras=4,images=4,seed=1`; left-out options take their defaults.
/// `None` when the text is not the name of a synthetic set.
///
/// # Errors
/// [`DatasetError::SyntheticOption`] names the option that is not understood.
pub fn parse(text: &str) -> Option<Result<Settings, DatasetError>> {
    let options = text.strip_prefix("synthetic")?;
    if options.is_empty() {
        return Some(Ok(Settings::default()));
    }
    Some(options.strip_prefix(':')?.split(',').try_fold(Settings::default(), with_option))
}

fn with_option(mut settings: Settings, option: &str) -> Result<Settings, DatasetError> {
    let wrong = |expected| DatasetError::SyntheticOption { option: option.to_owned(), expected };
    let (key, value) = option.split_once('=').ok_or_else(|| wrong("write options as name=number"))?;
    let count = |low: u32, high: u32, expected| {
        value.trim().parse().ok().filter(|count| (low..=high).contains(count)).ok_or_else(|| wrong(expected))
    };
    match key.trim() {
        "identities" => settings.identities = count(1, 100_000, "identities are 1 to 100000")?,
        "cameras" => settings.cameras = count(1, 1_000, "cameras are 1 to 1000")?,
        "images" => settings.images = count(1, 1_000, "images of an identity from one camera are 1 to 1000")?,
        "seed" => settings.seed = value.trim().parse().map_err(|_| wrong("a seed is a whole number"))?,
        _ => return Err(wrong("the options are identities, cameras, images and seed")),
    }
    Ok(settings)
}

/// Lists the pictures of a set. With one image a camera, a tested identity's first camera asks and the others are
/// searched; with more, each camera asks with its first image.
pub fn dataset(settings: &Settings) -> Dataset {
    let Settings { identities, cameras, images, seed } = *settings;
    let trained = identities - identities / TESTED;
    let [mut train, mut query, mut gallery] = [const { Vec::new() }; 3];
    for identity in 0..identities {
        for camera in 0..cameras {
            for shot in 0..images {
                let split = match (identity < trained, shot, images) {
                    (true, _, _) => &mut train,
                    (false, 0, 2..) => &mut query,
                    (false, 0, _) if camera == 0 => &mut query,
                    (false, _, _) => &mut gallery,
                };
                let source = Source::Rendered(Rendering { seed, identity, camera, shot });
                split.push(Sample { source, identity: Identity::Known(identity as usize), camera });
            }
        }
    }
    Dataset {
        name: format!("synthetic:identities={identities},cameras={cameras},images={images},seed={seed}"),
        identities: (0..identities).map(|identity| format!("person {identity:04}")).collect(),
        train,
        query,
        gallery,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_are_read_and_written_alike() {
        assert!(parse("./synthetic").is_none() && parse("synthetics").is_none());
        assert_eq!(parse("synthetic").unwrap().unwrap(), Settings::default());
        let settings = Settings { identities: 20, cameras: 3, images: 2, seed: 9 };
        assert_eq!(parse(&dataset(&settings).name).unwrap().unwrap(), settings);
        for wrong in
            ["synthetic:", "synthetic:identities", "synthetic:images=0", "synthetic:people=3", "synthetic:seed=x"]
        {
            let error = parse(wrong).unwrap().unwrap_err();
            assert!(matches!(error, DatasetError::SyntheticOption { .. }), "{wrong}: {error}");
        }
    }

    #[test]
    fn tested_identities_are_never_trained_on() {
        let dataset = dataset(&Settings::default());
        assert_eq!((dataset.train.len(), dataset.query.len(), dataset.gallery.len()), (256 * 12, 64 * 4, 64 * 8));
        assert_eq!(dataset.train_identities(), 256);
        let tested = dataset.query.iter().chain(&dataset.gallery);
        assert!(tested.map(|sample| sample.identity.known().unwrap()).all(|identity| identity >= 256));
        dataset.check_trainable().unwrap();
        dataset.check_evaluable().unwrap();
    }

    #[test]
    fn one_image_a_camera_still_gives_queries_with_matches() {
        let dataset = dataset(&Settings { identities: 10, cameras: 2, images: 1, seed: 1 });
        assert_eq!((dataset.query.len(), dataset.gallery.len()), (2, 2));
        assert!(dataset.query.iter().all(|sample| sample.camera == 0));
        assert!(dataset.gallery.iter().all(|sample| sample.camera == 1));
    }
}
