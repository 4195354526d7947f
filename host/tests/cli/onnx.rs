//! A network that comes and goes as ONNX.

use super::*;

const DATA: &str = "synthetic:identities=16,cameras=2,images=2,seed=3";

#[test]
fn an_exported_network_is_evaluated_quantized_and_exported_again() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let graph = by_name("mobilenet_v2_0.25", [32, 16], 16, 1).unwrap();
    std::fs::write(path(&folder, "first.onnx"), deja::import::export::export(&graph)).unwrap();
    let exported = json(here, &["export", "first.onnx", "--out", "second.onnx"]);
    assert_eq!((&exported["height"], &exported["dimension"]), (&32.into(), &16.into()));
    assert!(exported["difference"].as_f64().unwrap() < 1e-4, "{exported}");
    let scores = ["first.onnx", "second.onnx"].map(|file| json(here, &["evaluate", file, DATA])["map"].clone());
    assert_eq!(scores[0], scores[1]);
    let quantized = json(here, &["quantize", "first.onnx", DATA, "--out", "model.deja"]);
    assert!(quantized["fidelity"]["mean_cosine"].as_f64().unwrap() > 0.5, "{quantized}");
    assert_eq!(json(here, &["inspect", "model.deja"])["fingerprint"], quantized["fingerprint"]);
}

#[test]
fn pixels_are_prepared_as_one_says_and_nonsense_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let graph = by_name("mobilenet_v2_0.25", [32, 16], 16, 1).unwrap();
    std::fs::write(path(&folder, "net.onnx"), deja::import::export::export(&graph)).unwrap();
    let map = |pixels: &[&str]| json(here, &[&["evaluate", "net.onnx", DATA][..], pixels].concat())["map"].clone();
    assert_eq!(map(&[]), map(&["--pixels", "deja"]));
    assert_ne!(map(&[]), map(&["--pixels", "bgr:raw"]));
    let said = deja(here).args(["evaluate", "net.onnx", DATA, "--pixels", "vgg"]).assert().code(2).get_output().clone();
    assert!(String::from_utf8(said.stderr).unwrap().contains("imagenet"));
    write_model(&path(&folder, "model.deja"), 1);
    let error = failure(here, &["evaluate", "model.deja", DATA, "--pixels", "unit"]);
    assert!(error.contains("--pixels"), "{error}");
    std::fs::write(path(&folder, "broken.onnx"), "no network").unwrap();
    for verb in ["evaluate", "quantize"] {
        let out = if verb == "quantize" { &["--out", "new.deja"][..] } else { &[] };
        let error = failure(here, &[&[verb, "broken.onnx", DATA], out].concat());
        assert!(error.contains("broken.onnx"), "{error}");
    }
    assert!(!path(&folder, "new.deja").exists());
}
