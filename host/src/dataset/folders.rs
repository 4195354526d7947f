//! A folder per identity, with or without `train`, `query` and `gallery` above it.
//!
//! The camera stands in a picture's name (`…_c2….jpg`, `…cam2….jpg`). If any picture's name lacks it, all cameras are
//! ignored and each picture counts as a camera of its own, so that every other picture of an identity is a match.
//!
//! Without splits the identities are divided by one rule: of the identities with at least two cameras, in the order of
//! their names, every fifth is tested on and all others are trained on. A tested identity's first picture is a query,
//! its others are gallery. Fewer than five such identities leave nothing to test on.

use super::builder::{Builder, Name, Split};
use super::open::{entries, is_picture};
use super::{Dataset, DatasetError};
use std::path::{Path, PathBuf};

/// Of the identities that can be tested, every one in this many is.
const TESTED: usize = 5;

struct Person {
    name: String,
    pictures: Vec<PathBuf>,
}

/// Lists the samples.
pub(super) fn read(folder: &Path, name: String) -> Result<Dataset, DatasetError> {
    let splits = [("train", Split::Train), ("query", Split::Query), ("gallery", Split::Gallery)]
        .map(|(part, split)| (folder.join(part), split));
    let mut people = Vec::new();
    if splits.iter().any(|(part, _)| part.is_dir()) {
        for (part, split) in splits.iter().filter(|(part, _)| part.is_dir()) {
            let found = persons(part)?;
            if found.is_empty() {
                return Err(DatasetError::NoPictures(part.clone()));
            }
            people.extend(found.into_iter().map(|person| (Some(*split), person)));
        }
    } else {
        people.extend(persons(folder)?.into_iter().map(|person| (None, person)));
    }
    if people.is_empty() {
        let is_nested = entries(folder)?.iter().any(|path| path.is_dir());
        let path = folder.to_owned();
        return Err(if is_nested { DatasetError::NoPictures(path) } else { DatasetError::UnknownLayout(path) });
    }
    Ok(assign(people).build(name))
}

/// The sub-folders with pictures in them.
fn persons(folder: &Path) -> Result<Vec<Person>, DatasetError> {
    let mut people = Vec::new();
    for path in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
        let mut pictures = entries(&path)?;
        pictures.retain(|path| is_picture(path));
        if let Some(name) = path.file_name().filter(|_| !pictures.is_empty()) {
            people.push(Person { name: name.to_string_lossy().into_owned(), pictures });
        }
    }
    Ok(people)
}

/// Gives every picture its camera and its split.
fn assign(people: Vec<(Option<Split>, Person)>) -> Builder {
    let named = people.iter().flat_map(|(_, person)| &person.pictures).all(|path| camera(path).is_some());
    let mut number = 0;
    let mut testable = 0;
    let mut builder = Builder::default();
    for (split, person) in people {
        let cameras: Vec<u32> = person
            .pictures
            .iter()
            .map(|path| {
                number += 1;
                camera(path).filter(|_| named).unwrap_or(number)
            })
            .collect();
        testable += usize::from(cameras.iter().any(|&camera| camera != cameras[0]));
        let tested = cameras.iter().any(|&camera| camera != cameras[0]) && testable % TESTED == 0;
        for (index, (path, camera)) in person.pictures.into_iter().zip(cameras).enumerate() {
            let by_rule = match (tested, index) {
                (false, _) => Split::Train,
                (true, 0) => Split::Query,
                (true, _) => Split::Gallery,
            };
            builder.add(split.unwrap_or(by_rule), path, Name::Known(person.name.clone()), camera);
        }
    }
    builder
}

/// The digits after a `c` or `cam` that begins a word of the file's name.
fn camera(path: &Path) -> Option<u32> {
    let stem = path.file_stem()?.to_str()?.to_ascii_lowercase();
    stem.split(['_', '-', '.', ' ']).find_map(|word| {
        let word = word.strip_prefix("cam").or_else(|| word.strip_prefix('c'))?;
        let digits = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len());
        word[..digits].parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Identity, open};
    use super::*;

    fn folder(names: &[String]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
        folder
    }

    #[test]
    fn every_fifth_identity_is_tested_on() {
        let names: Vec<String> = (0..10).flat_map(|i| [format!("p{i}/a.jpg"), format!("p{i}/b.png")]).collect();
        let dataset = open(folder(&names).path()).unwrap();
        assert_eq!(dataset.train_identities(), 8);
        assert_eq!(dataset.identities[8..], ["p4", "p9"]);
        assert_eq!((dataset.train.len(), dataset.query.len(), dataset.gallery.len()), (16, 2, 2));
        assert_eq!(dataset.query[0].identity, dataset.gallery[0].identity);
        assert_ne!(dataset.query[0].camera, dataset.gallery[0].camera);
        dataset.check_trainable().unwrap();
        dataset.check_evaluable().unwrap();
    }

    #[test]
    fn cameras_come_from_the_names_if_all_have_one() {
        assert_eq!(camera(Path::new("bus_0001_cam2.jpg")), Some(2));
        assert_eq!(camera(Path::new("0002_c1s1_000451_03.jpg")), Some(1));
        assert_eq!(camera(Path::new("IMG-C12.JPG")), Some(12));
        assert_eq!(camera(Path::new("car_0001.jpg")), None);
        let one_view = ["a/x_c1.jpg", "a/y_c1.jpg", "b/x_c1.jpg", "b/y_c2.jpg"].map(String::from);
        let dataset = open(folder(&one_view).path()).unwrap();
        assert_eq!(dataset.train.iter().map(|sample| sample.camera).collect::<Vec<_>>(), [1, 1, 1, 2]);
        assert!(matches!(dataset.check_evaluable(), Err(DatasetError::NothingToEvaluate { .. })));
    }

    #[test]
    fn splits_on_top_are_followed() {
        let names = ["train/ann/1.jpg", "train/bob/1.jpg", "query/cid/1.jpg", "gallery/cid/2.jpg", "gallery/ann/3.jpg"];
        let dataset = open(folder(&names.map(String::from)).path()).unwrap();
        assert_eq!(dataset.identities, ["ann", "bob", "cid"]);
        assert_eq!(dataset.train_identities(), 2);
        assert_eq!(dataset.query[0].identity, Identity::Known(2));
        assert_eq!(dataset.gallery.iter().filter(|sample| sample.identity == Identity::Known(2)).count(), 1);
    }

    #[test]
    fn empty_folders_and_a_single_identity_are_told_apart() {
        let empty = tempfile::tempdir().unwrap();
        std::fs::create_dir(empty.path().join("ann")).unwrap();
        assert!(matches!(open(empty.path()).unwrap_err(), DatasetError::NoPictures(_)));
        let alone = folder(&["ann/1.jpg", "ann/2.jpg"].map(String::from));
        let error = open(alone.path()).unwrap().check_trainable().unwrap_err();
        assert!(error.to_string().contains("1 identities"));
    }
}
