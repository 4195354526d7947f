//! What `deja quantize` measures, and what it refuses.

use super::*;

const RECIPE: &str = "epochs = 1\nvalidation = 0.0\n\
    [network]\nname = \"mobilenet_v2_0.25\"\ninput = [32, 32]\nembedding = 16\n\
    [sampler]\nidentities = 4\npictures = 2\n";
const MODEL: &str = "run/model.safetensors";

/// A data set whose training part has four pictures for each of these numbers, and that has no other part.
fn people(folder: &TempDir, name: &str, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let person = path(folder, &format!("{name}/train/p{number}"));
        std::fs::create_dir_all(&person).unwrap();
        for shot in 0..4 {
            let pixels: Vec<u8> = picture(number).iter().map(|&value| value.saturating_add(shot * 9)).collect();
            let (file, side) = (person.join(format!("{shot}.png")), SIZE as u32);
            image::save_buffer(file, &pixels, side, side, image::ColorType::Rgb8).unwrap();
        }
    }
}

/// A network trained on eight people, nobody held out.
fn trained() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(path(&folder, "recipe.toml"), RECIPE).unwrap();
    people(&folder, "people", 0..8);
    people(&folder, "others", 20..28);
    json(folder.path(), &["train", "people", "--out", "run", "--recipe", "recipe.toml"]);
    folder
}

#[test]
fn strangers_gate_the_model_and_choose_its_threshold() {
    let folder = trained();
    let here = folder.path();
    let quantize = ["quantize", MODEL, "people", "--out", "model.deja"];
    let without = deja(here).args(quantize).assert().success().get_output().clone();
    let warnings = String::from_utf8(without.stderr).unwrap();
    assert!(warnings.contains("no threshold") && warnings.contains("--held-out"), "{warnings}");
    assert!(!warnings.contains("was trained on"), "{warnings}");
    people(&folder, "namesakes", 0..8);
    let elsewhere = deja(here).args(["quantize", MODEL, "namesakes", "--out", "other.deja"]).assert().success();
    let warnings = String::from_utf8(elsewhere.get_output().stderr.clone()).unwrap();
    assert!(warnings.contains("was trained on people, and this is namesakes"), "{warnings}");

    // Ranks of a hardly trained network are close calls: whether the gate refuses is not the question here.
    let asked = ["--held-out", "others", "--sensitivity", "--force", "--identities", "20"];
    let known = json(here, &[&quantize[..], &asked].concat());
    let gate = &known["gate"];
    assert_eq!((&gate["queries"], &gate["identities"]), (&32.into(), &8.into()), "{gate}");
    for key in ["map", "rank1", "tar"] {
        assert!((0.0..=1.0).contains(&gate["float"][key].as_f64().unwrap()), "{key}");
        assert!((0.0..=1.0).contains(&gate["int8"][key].as_f64().unwrap()), "{key}");
    }
    assert!(gate["mean_cosine"].as_f64().unwrap() > 0.95 && gate["neighbour_agreement"].as_f64().unwrap() > 0.5);
    let threshold = &known["threshold"];
    let [low, high] = [0, 1].map(|end| threshold["fpir_interval"][end].as_f64().unwrap());
    assert!(low <= threshold["fpir"].as_f64().unwrap() && high >= threshold["fpir"].as_f64().unwrap());
    assert_eq!((&threshold["gallery_identities"], &threshold["held_out_identities"]), (&20.into(), &8.into()));
    let layers = known["fidelity"]["layers"].as_array().unwrap();
    assert_eq!(known["sensitivity"].as_array().unwrap().len(), layers.len());
    let inspected = json(here, &["inspect", "model.deja"]);
    assert_eq!(inspected["fingerprint"], known["fingerprint"], "the threshold is in the file");
    let text = deja(here).args(quantize).args(asked).assert().success().get_output().stdout.clone();
    let text = String::from_utf8(text).unwrap();
    for part in ["float", "int8", "change", "TAR at FAR", "ten nearest", "alone in int8", "noisiest", "20 identities"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn every_way_of_calibrating_makes_a_model() {
    let folder = trained();
    let methods = ["min-max", "percentile", "least-squares", "entropy", "best"];
    for (index, method) in methods.iter().enumerate() {
        let out = format!("{method}.deja");
        let mut arguments = vec!["quantize", MODEL, "people", "--out", &out, "--calibration", method];
        if index % 2 == 1 {
            arguments.extend(["--without", "equalization,rounding,bias-correction"]);
        }
        let made = json(folder.path(), &arguments);
        assert!(made["fidelity"]["mean_cosine"].as_f64().unwrap() > 0.95, "{method}: {made}");
    }
    for wrong in [["--calibration", "median"], ["--without", "everything"]] {
        deja(folder.path()).args(["quantize", MODEL, "people", "--out", "x.deja"]).args(wrong).assert().code(2);
    }
    let error = failure(folder.path(), &["quantize", MODEL, "people", "--out", "x.deja", "--budget", "7"]);
    assert!(error.contains("--budget 7") && !path(&folder, "x.deja").exists(), "{error}");
}

#[test]
fn a_picture_that_calibrates_and_evaluates_is_refused_under_any_name() {
    let folder = trained();
    std::fs::copy(path(&folder, "people/train/p3/2.png"), path(&folder, "others/train/p21/copy.png")).unwrap();
    let error = failure(folder.path(), &["quantize", MODEL, "people", "--out", "model.deja", "--held-out", "others"]);
    assert!(error.contains("p3/2.png") && error.contains("p21/copy.png"), "{error}");
    let error = failure(folder.path(), &["quantize", MODEL, "people", "--out", "model.deja", "--held-out", "people"]);
    assert!(error.contains("same picture"), "{error}");
    assert!(!path(&folder, "model.deja").exists(), "nothing is written");
}

#[test]
fn layers_get_16_bits_by_name() {
    let folder = trained();
    let here = folder.path();
    let quantize = ["quantize", MODEL, "people", "--out", "model.deja", "--int16"];
    let int8 = json(here, &[&quantize[..], &["none"]].concat());
    assert!(int8["int16"].is_null());
    let layers = int8["fidelity"]["layers"].as_array().unwrap().iter().filter(|layer| layer["kind"] == "pointwise");
    let names = layers.take(3).map(|layer| layer["name"].as_str().unwrap()).collect::<Vec<_>>().join(",");
    let mixed = json(here, &[&quantize[..], &[&names]].concat());
    let int16 = &mixed["int16"];
    assert_eq!((int16["layers"].as_array().unwrap().len(), &int16["reason"]), (3, &"asked".into()));
    assert_eq!(int16["int8_arena_bytes"], int8["arena_bytes"]);
    assert!(mixed["arena_bytes"].as_u64() >= int8["arena_bytes"].as_u64() && mixed["bytes"] == int8["bytes"]);
    let inspected = json(here, &["inspect", "model.deja"]);
    let wide = inspected["layers"].as_array().unwrap().iter().filter(|layer| layer["output_bits"] == 16);
    assert_eq!(wide.count(), 4, "three layers and the embedding");
    let text = deja(here).args(quantize).arg(&names).assert().success().get_output().stdout.clone();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("16 bits") && text.contains("as asked"), "{text}");
    let error = failure(here, &[&quantize[..], &["nobody"]].concat());
    assert!(error.contains("`nobody`") && error.contains(names.split(',').next().unwrap()), "{error}");
    deja(here).args(quantize).args(["none", "--qat"]).assert().code(2);
}

#[test]
fn fine_tuning_says_what_it_brought() {
    let folder = trained();
    let quantize = ["quantize", MODEL, "people", "--out", "model.deja"];
    let tuned = json(folder.path(), &[&quantize[..], &["--qat", "--qat-epochs", "1"]].concat());
    let [before, after] = ["before", "after"].map(|key| tuned["fine_tuning"][key].as_f64().unwrap());
    assert!(after <= before && before > 0.0, "{tuned}");
    assert!(json(folder.path(), &quantize)["fine_tuning"].is_null());
    deja(folder.path()).args(quantize).args(["--qat-epochs", "3"]).assert().code(2);
}

/// An endless fine-tuning ends at Ctrl-C, and the model that was there before is whole.
#[cfg(unix)]
#[test]
fn ctrl_c_leaves_the_older_model() {
    let folder = trained();
    let here = folder.path();
    json(here, &["quantize", MODEL, "people", "--out", "model.deja"]);
    let older = std::fs::read(path(&folder, "model.deja")).unwrap();
    let endless = ["quantize", MODEL, "people", "--out", "model.deja", "--qat", "--qat-epochs", "1000000"];
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_deja"))
        .args(endless)
        .current_dir(here)
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert!(child.try_wait().unwrap().is_none(), "it tunes");
    let interrupted = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("nothing was written"), "{said}");
    assert_eq!(std::fs::read(path(&folder, "model.deja")).unwrap(), older);
    assert!(!path(&folder, "model.deja.part").exists());
}
