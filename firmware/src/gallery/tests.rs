//! The gallery against a map, and at its limits.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::format;
use std::string::String;
use std::vec::Vec;

const MODEL: Fingerprint = [7; 32];

fn embedding(seed: i16) -> Embedding {
    Embedding::from_raw(&[seed, 300, -seed, 1]).unwrap()
}

#[test]
fn fits_into_a_microcontroller() {
    assert!(size_of::<Gallery>() <= 74 * 1024, "{}", size_of::<Gallery>());
}

#[test]
fn numbers_are_never_given_twice() {
    let mut gallery = Gallery::new();
    assert_eq!(gallery.add(&MODEL, "Ada", &embedding(1)), Ok(1));
    assert_eq!(gallery.add(&MODEL, "Bob", &embedding(2)), Ok(2));
    assert_eq!(gallery.add(&MODEL, "Ada", &embedding(3)), Ok(1));
    gallery.remove(2).unwrap();
    assert_eq!(gallery.remove(2), Err(GalleryError::NotFound));
    assert_eq!(gallery.add(&MODEL, "Bob", &embedding(2)), Ok(3));
    assert_eq!(gallery.clear(), 2);
    assert_eq!(gallery.add(&MODEL, "Ada", &embedding(1)), Ok(4));
}

#[test]
fn names_are_legible() {
    let mut gallery = Gallery::new();
    for name in ["", "   ", "tab\there", "new\nline", "bell\u{7}", "c1\u{85}", &"x".repeat(33), &"é".repeat(17)] {
        assert_eq!(gallery.add(&MODEL, name, &embedding(1)), Err(GalleryError::Name), "{name:?}");
    }
    for name in ["x", &"x".repeat(32), &"é".repeat(16), "Ada Lovelace", "小明"] {
        assert!(gallery.add(&MODEL, name, &embedding(1)).is_ok(), "{name:?}");
    }
}

#[test]
fn templates_of_two_models_do_not_mix() {
    let mut gallery = Gallery::new();
    gallery.add(&MODEL, "Ada", &embedding(1)).unwrap();
    assert!(!gallery.fits(&[8; 32]));
    assert_eq!(gallery.add(&[8; 32], "Bob", &embedding(1)), Err(GalleryError::ForeignModel));
    let longer = Embedding::from_raw(&[1; 5]).unwrap();
    assert_eq!(gallery.add(&MODEL, "Bob", &longer), Err(GalleryError::Dimension));
    gallery.clear();
    assert_eq!(gallery.model(), None);
    assert_eq!(gallery.add(&[8; 32], "Bob", &longer), Ok(2));
    assert_eq!(gallery.model(), Some(&[8; 32]));
}

#[test]
fn a_full_gallery_refuses_and_stays_whole() {
    let mut gallery = Gallery::new();
    for _ in 0..MAX_TEMPLATES_EACH {
        gallery.add(&MODEL, "Ada", &embedding(1)).unwrap();
    }
    assert_eq!(gallery.add(&MODEL, "Ada", &embedding(1)), Err(GalleryError::IdentityFull));
    for i in 1..MAX_IDENTITIES {
        gallery.add(&MODEL, &format!("{i}"), &embedding(1)).unwrap();
    }
    let before = gallery.clone();
    assert_eq!(gallery.add(&MODEL, "one more", &embedding(1)), Err(GalleryError::Full));
    assert_eq!(gallery, before);
    for i in (1..MAX_IDENTITIES).cycle().take(MAX_TEMPLATES - before.templates().len()) {
        gallery.add(&MODEL, &format!("{i}"), &embedding(1)).unwrap();
    }
    assert_eq!(gallery.add(&MODEL, "1", &embedding(1)), Err(GalleryError::Full));
    gallery.remove(1).unwrap();
    assert!(gallery.add(&MODEL, "one more", &embedding(1)).is_ok());
}

#[derive(Debug, Clone)]
enum Step {
    Add(u8, i16),
    Remove(u32),
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (0..12u8, -200..200i16).prop_map(|(name, seed)| Step::Add(name, seed)),
        5 => (0..30u32).prop_map(Step::Remove),
        1 => Just(Step::Clear),
    ]
}

proptest! {
    #[test]
    fn does_what_a_map_does(steps in proptest::collection::vec(step(), 1..150)) {
        let mut gallery = Gallery::new();
        let mut map: BTreeMap<u32, (String, Vec<Embedding>)> = BTreeMap::new();
        let mut given = 0;
        for step in steps {
            match step {
                Step::Add(name, seed) => {
                    let name = format!("name {name}");
                    let known = map.iter().find(|(_, (n, _))| *n == name).map(|(&number, _)| number);
                    let full = known.is_some_and(|number| map[&number].1.len() == MAX_TEMPLATES_EACH);
                    let got = gallery.add(&MODEL, &name, &embedding(seed));
                    if full {
                        prop_assert_eq!(got, Err(GalleryError::IdentityFull));
                        continue;
                    }
                    let number = known.unwrap_or(given + 1);
                    given = given.max(number);
                    prop_assert_eq!(got, Ok(number));
                    map.entry(number).or_insert_with(|| (name, Vec::new())).1.push(embedding(seed));
                }
                Step::Remove(number) => {
                    let expected = map.remove(&number).map(|_| ()).ok_or(GalleryError::NotFound);
                    prop_assert_eq!(gallery.remove(number), expected);
                }
                Step::Clear => {
                    prop_assert_eq!(gallery.clear(), map.len());
                    map.clear();
                }
            }
            let got: Vec<_> = gallery.identities().iter().map(|i| (i.number, i.name.as_str())).collect();
            let expected: Vec<_> = map.iter().map(|(&number, (name, _))| (number, name.as_str())).collect();
            prop_assert_eq!(got, expected);
            for (&number, (_, templates)) in &map {
                let got: Vec<_> = gallery.templates().of(number).map(|t| t.embedding).collect();
                prop_assert_eq!(&got, templates);
            }
            prop_assert_eq!(gallery.templates().len(), map.values().map(|(_, t)| t.len()).sum::<usize>());
        }
        let (mut bytes, mut restored) = (Vec::new(), Gallery::new());
        let written: Result<(), ()> = snapshot::write(&gallery, |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        });
        prop_assert_eq!(written, Ok(()));
        prop_assert_eq!(snapshot::read(&mut restored, &bytes), Ok(()));
        prop_assert_eq!(restored, gallery);
    }
}
