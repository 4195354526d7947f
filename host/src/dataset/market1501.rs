//! The folders of Market-1501: `bounding_box_train`, `query`, `bounding_box_test`.
//!
//! A name such as `0002_c1s1_000451_03.jpg` gives the identity (`0002`) and the camera (`1`). The identity `-1` is junk,
//! `0000` a distractor. Zheng et al. 2015, "Scalable Person Re-identification: A Benchmark".

use super::builder::{Builder, Name, Split};
use super::open::{entries, is_picture};
use super::{Dataset, DatasetError};
use std::path::Path;

/// Lists the samples. `query` and `bounding_box_test` may be missing together with what needs them: evaluation.
pub(super) fn read(folder: &Path, name: String) -> Result<Dataset, DatasetError> {
    let mut builder = Builder::default();
    let splits = [("bounding_box_train", Split::Train), ("query", Split::Query), ("bounding_box_test", Split::Gallery)];
    for (part, split) in splits {
        let part = folder.join(part);
        if !part.is_dir() {
            continue;
        }
        let mut pictures = entries(&part)?;
        pictures.retain(|path| is_picture(path));
        if pictures.is_empty() {
            return Err(DatasetError::NoPictures(part));
        }
        for path in pictures {
            let Some((identity, camera)) = parse(&path) else { return Err(DatasetError::PictureName(path)) };
            builder.add(split, path, identity, camera);
        }
    }
    Ok(builder.build(name))
}

/// Identity and camera out of `IDENTITY_cCAMERA…`.
fn parse(path: &Path) -> Option<(Name, u32)> {
    let (identity, rest) = path.file_name()?.to_str()?.split_once('_')?;
    let rest = rest.strip_prefix('c')?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let camera = rest[..digits].parse().ok()?;
    let name = match identity.parse::<i64>().ok()? {
        -1 => Name::Junk,
        0 => Name::Distractor,
        _ => Name::Known(identity.to_owned()),
    };
    Some((name, camera))
}

#[cfg(test)]
mod tests {
    use super::super::{Identity, open};
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
        folder
    }

    #[test]
    fn names_give_identity_and_camera() {
        let folder = folder(&[
            "bounding_box_train/0007_c3s1_000451_03.jpg",
            "bounding_box_train/Thumbs.db",
            "query/0002_c1s1_000451_03.jpg",
            "bounding_box_test/0002_c6s1_000451_03.jpg",
            "bounding_box_test/-1_c2s1_000451_03.jpg",
            "bounding_box_test/0000_c2s1_000451_03.jpg",
        ]);
        let dataset = open(folder.path()).unwrap();
        assert_eq!(dataset.identities, ["0007", "0002"]);
        assert_eq!(dataset.train_identities(), 1);
        assert_eq!((dataset.train[0].identity, dataset.train[0].camera), (Identity::Known(0), 3));
        assert_eq!((dataset.query[0].identity, dataset.query[0].camera), (Identity::Known(1), 1));
        let gallery: Vec<_> = dataset.gallery.iter().map(|sample| (sample.identity, sample.camera)).collect();
        assert_eq!(gallery, [(Identity::Junk, 2), (Identity::Distractor, 2), (Identity::Known(1), 6)]);
        assert!(matches!(dataset.check_trainable(), Err(DatasetError::TooFewIdentities { found: 1, usable: 0, .. })));
    }

    #[test]
    fn odd_names_and_empty_folders_are_errors() {
        let odd = folder(&["bounding_box_train/portrait.jpg"]);
        assert!(
            matches!(open(odd.path()).unwrap_err(), DatasetError::PictureName(path) if path.ends_with("portrait.jpg"))
        );
        let empty = folder(&["bounding_box_train/readme.txt"]);
        assert!(matches!(open(empty.path()).unwrap_err(), DatasetError::NoPictures(_)));
    }
}
