//! Names for pictures that survive moving the data set, and one fingerprint for the list of them.

use super::{Sample, Source};
use crate::hexadecimal::hexadecimal;
use sha2::{Digest, Sha256};
use std::path::{Component, Path};

/// What the pictures of a list of samples are called.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PictureList {
    /// Of each sample: its path below the deepest folder that holds them all, with `/` between folders; for a rendered
    /// picture its numbers.
    pub names: Vec<String>,
    /// SHA-256 in hex of the sorted names with their identities' names: the same wherever the data set lies and in whatever
    /// order it is listed, another if a picture comes, goes or changes its identity.
    pub fingerprint: String,
}

impl PictureList {
    /// Of `samples`, whose [`super::Identity::Known`] index `identities`.
    pub fn new(samples: &[Sample], identities: &[String]) -> Self {
        let common = common_folder(samples);
        let names: Vec<String> = samples.iter().map(|sample| name(&sample.source, common)).collect();
        let identity = |sample: &Sample| sample.identity.known().and_then(|index| identities.get(index));
        let mut lines: Vec<String> = samples
            .iter()
            .zip(&names)
            .map(|(sample, name)| format!("{name}\t{}\n", identity(sample).map_or("-", String::as_str)))
            .collect();
        lines.sort_unstable();
        let mut hash = Sha256::new();
        lines.iter().for_each(|line| hash.update(line));
        Self { names, fingerprint: hexadecimal(&hash.finalize()) }
    }
}

fn name(source: &Source, common: &Path) -> String {
    match source {
        Source::File(path) => {
            let below = path.strip_prefix(common).unwrap_or(path);
            let parts = below.components().filter(|part| !matches!(part, Component::RootDir));
            parts.map(|part| part.as_os_str().to_string_lossy().into_owned()).collect::<Vec<_>>().join("/")
        }
        Source::Rendered(of) => format!("seed{}/{:04}_c{}_{}", of.seed, of.identity, of.camera, of.shot),
    }
}

/// The deepest folder that holds every file.
fn common_folder(samples: &[Sample]) -> &Path {
    let mut common: Option<&Path> = None;
    for sample in samples {
        let Source::File(path) = &sample.source else { continue };
        let parent = path.parent().unwrap_or(Path::new(""));
        common = Some(match common {
            None => parent,
            Some(common) => common.ancestors().find(|folder| parent.starts_with(folder)).unwrap_or(Path::new("")),
        });
    }
    common.unwrap_or(Path::new(""))
}

#[cfg(test)]
mod tests {
    use super::super::{Identity, synthetic};
    use super::*;

    fn list(paths: &[&str]) -> PictureList {
        let sample = |(index, path): (usize, &&str)| Sample {
            source: Source::File(path.into()),
            identity: Identity::Known(index % 2),
            camera: 0,
        };
        let samples: Vec<Sample> = paths.iter().enumerate().map(sample).collect();
        PictureList::new(&samples, &["ann".to_owned(), "bob".to_owned()])
    }

    #[test]
    fn names_and_fingerprint_survive_moving() {
        let here = list(&["/data/set/train/1/a.jpg", "/data/set/train/2/b.jpg", "/data/set/train/1/c.jpg"]);
        assert_eq!(here.names, ["1/a.jpg", "2/b.jpg", "1/c.jpg"]);
        assert_eq!(here, list(&["elsewhere/1/a.jpg", "elsewhere/2/b.jpg", "elsewhere/1/c.jpg"]));
        let order = list(&["x/1/c.jpg", "x/2/b.jpg", "x/1/a.jpg"]);
        assert_eq!(order.fingerprint, here.fingerprint);
        assert_ne!(list(&["x/1/a.jpg", "x/2/b.jpg"]).fingerprint, here.fingerprint);
        assert_ne!(list(&["x/2/b.jpg", "x/1/a.jpg", "x/1/c.jpg"]).fingerprint, here.fingerprint, "identities differ");
        assert_eq!(list(&["only/one.jpg"]).names, ["one.jpg"]);
        assert_eq!(list(&["a.jpg", "b/c.jpg"]).names, ["a.jpg", "b/c.jpg"]);
        assert_eq!(list(&[]).names, [] as [&str; 0]);
    }

    #[test]
    fn rendered_pictures_are_named_by_their_numbers() {
        let settings = synthetic::Settings { identities: 10, cameras: 2, images: 2, seed: 5 };
        let data = synthetic::dataset(&settings);
        let list = PictureList::new(&data.train, &data.identities);
        assert_eq!((list.names[0].as_str(), list.names[5].as_str()), ("seed5/0000_c0_0", "seed5/0001_c0_1"));
        let other = synthetic::dataset(&synthetic::Settings { seed: 6, ..settings });
        assert_ne!(list.fingerprint, PictureList::new(&other.train, &other.identities).fingerprint);
    }
}
