//! A gallery under another model, by the command alone.

use super::*;

const DATA: &str = "synthetic:identities=40,cameras=2,images=2,seed=3";

/// A folder with `model.deja`, `newer.deja` and the gallery `people.json` of the first.
fn enrolled() -> (TempDir, Camera) {
    let folder = folder();
    write_model(&path(&folder, "newer.deja"), 2);
    let camera = Camera::start(folder.path(), &["model.deja"]);
    let device = ["--device", &camera.address];
    for (name, image) in [("Anna", "0.png"), ("Anna", "1.png"), ("Bo", "2.png")] {
        json(folder.path(), &[&["enroll"], &device[..], &[name, image]].concat());
    }
    json(folder.path(), &[&["gallery"], &device[..], &["export", "people.json"]].concat());
    (folder, camera)
}

#[test]
fn a_gallery_is_adapted_and_imported_under_the_new_model() {
    let (folder, camera) = enrolled();
    let here = folder.path();
    let adapt = ["adapt", "model.deja", "newer.deja", DATA];
    let file = json(here, &[&adapt[..], &["--gallery", "people.json", "--out", "file.json"]].concat());
    let fingerprint = |file: &str| json(here, &["inspect", file])["fingerprint"].clone();
    assert_eq!((&file["old"], &file["new"]), (&fingerprint("model.deja"), &fingerprint("newer.deja")));
    assert_eq!((&file["templates"], &file["people"], &file["kept"]), (&3.into(), &2.into(), &Value::Null));
    for standing in ["old_model", "native", "adapted"] {
        for key in ["map", "rank1", "recognized"] {
            assert!((0.0..=1.0).contains(&file[standing][key].as_f64().unwrap()), "{standing} {key}: {file}");
        }
    }
    let cost = file["adapted"]["map"].as_f64().unwrap() - file["native"]["map"].as_f64().unwrap();
    assert!((cost - file["delta_map"].as_f64().unwrap()).abs() < 1e-9);

    let device = ["--device", &camera.address];
    let done = json(here, &[&adapt[..], &device[..], &["--out", "camera.json"]].concat());
    assert_eq!(done["kept"], "camera.old.json");
    let read = |name: &str| std::fs::read(path(&folder, name)).unwrap();
    assert!(read("camera.json") == read("file.json") && read("camera.old.json") == read("people.json"));
    let list = json(here, &[&["gallery"], &device[..], &["list"]].concat());
    assert_eq!((&list["templates"], &list["gallery_fits_model"]), (&3.into(), &true.into()));
    assert_eq!(json(here, &[&["verify"], &device[..]].concat())["fingerprint"], fingerprint("newer.deja"));
    let threshold = json(here, &[&["gallery"], &device[..], &["threshold"]].concat())["cosine"].as_f64().unwrap();
    assert!((threshold - done["threshold"].as_f64().unwrap()).abs() < 1e-6, "{done}");
    let seen = json(here, &[&["identify"], &device[..], &["2.png"]].concat());
    assert!(seen["pictures"][0]["nearest"].is_string(), "{seen}");
    let output = deja(here).args(adapt).args(["--gallery", "people.json", "--out", "again.json"]).assert().success();
    let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    assert!(["adapted", "probes", "mAP", "again.json"].iter().all(|word| text.contains(word)), "{text}");
}

#[test]
fn what_cannot_be_adapted_is_named_and_nothing_is_written() {
    let (folder, camera) = enrolled();
    let here = folder.path();
    let fail = |old: &str, new: &str, data: &str, gallery: &str| {
        let error = failure(here, &["adapt", old, new, data, "--gallery", gallery, "--out", "out.json"]);
        assert!(!path(&folder, "out.json").exists());
        error
    };
    let error = fail("model.deja", "model.deja", DATA, "people.json");
    assert!(error.contains("both models") && error.contains("fit as they are"), "{error}");
    let error = fail("newer.deja", "model.deja", DATA, "people.json");
    assert!(
        error.contains("people.json") && error.contains("newer.deja") && error.contains("enrolled with"),
        "{error}"
    );
    let error = fail("model.deja", "newer.deja", DATA, "0.png");
    assert!(error.contains("0.png") && error.contains("no gallery"), "{error}");
    let error = fail("model.deja", "0.png", DATA, "people.json");
    assert!(error.contains("0.png") && error.contains("deja quantize"), "{error}");
    let error = fail("model.deja", "newer.deja", "synthetic:identities=5,cameras=2,images=1", "people.json");
    assert!(error.contains("too few"), "{error}");
    let empty = json(here, &["gallery", "--device", "sim:", "export", "empty.json"]);
    assert_eq!(empty["templates"], 0);
    let error = fail("model.deja", "newer.deja", DATA, "empty.json");
    assert!(error.contains("no templates"), "{error}");
    let common = ["adapt", "model.deja", "newer.deja", DATA, "--out", "out.json"];
    deja(here).args(common).assert().code(2);
    deja(here).args(common).args(["--gallery", "people.json", "--device", &camera.address]).assert().code(2);
}
