//! Help, exit codes and where output goes.

use super::*;

const VERBS: [&str; 14] = [
    "demo", "train", "mine", "evaluate", "export", "quantize", "inspect", "simulate", "flash", "enroll", "identify",
    "gallery", "watch", "bench",
];

#[test]
fn every_verb_has_a_help_text_with_an_example() {
    let folder = tempfile::tempdir().unwrap();
    let text = |arguments: &[&str]| {
        let output = deja(folder.path()).args(arguments).assert().success().get_output().stdout.clone();
        String::from_utf8(output).unwrap()
    };
    let all = text(&["--help"]);
    for verb in VERBS {
        assert!(all.contains(&format!("\n  {verb} ")), "`deja --help` does not list {verb}");
        let help = text(&[verb, "--help"]);
        let examples = help.split_once("EXAMPLES:").unwrap_or_else(|| panic!("{verb} has no examples")).1;
        assert!(examples.contains(&format!("deja {verb}")), "{verb}: {examples}");
        assert!(help.contains("--json <FILE>"), "{verb} takes no --json");
    }
}

#[test]
fn arguments_that_make_no_sense_exit_with_2() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &[][..],
        &["recognise"],
        &["inspect"],
        &["flash", "--device", "sim:"],
        &["enroll", "--device", "sim:", "Anna"],
        &["gallery", "--device", "192.168.1.20", "list"],
        &["train", "synthetic"],
        &["train", "synthetic", "--out", "run", "--input", "128"],
        &["train", "synthetic", "--out", "run", "--loss", "no_such_loss"],
        &["simulate"],
    ] {
        let output = deja(folder.path()).args(arguments).assert().code(2).get_output().clone();
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_wrong_address_is_answered_with_the_right_forms() {
    let folder = tempfile::tempdir().unwrap();
    let output = deja(folder.path()).args(["watch", "--device", "camera7"]).assert().code(2).get_output().clone();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(["camera7", "tcp:HOST:PORT", "serial:", "sim:"].iter().all(|part| text.contains(part)), "{text}");
}

#[test]
fn json_goes_to_its_file_beside_the_text_or_replaces_it() {
    let folder = folder();
    let value = json(folder.path(), &["inspect", "model.deja"]);
    for key in ["name", "fingerprint", "bytes", "arena_bytes", "macs", "threshold", "layers", "memory"] {
        assert!(!value[key].is_null(), "{key}");
    }
    assert_eq!(value["input"], serde_json::json!([SIZE, SIZE]));
    let output = deja(folder.path()).args(["--json", "model.json", "inspect", "model.deja"]).assert().success();
    let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    assert!(["arena of", "threshold", value["fingerprint"].as_str().unwrap()].iter().all(|part| text.contains(part)));
    let written: Value = serde_json::from_slice(&std::fs::read(path(&folder, "model.json")).unwrap()).unwrap();
    assert_eq!(written, value);
    let error = failure(folder.path(), &["--json", "nowhere/model.json", "inspect", "model.deja"]);
    assert!(error.contains("nowhere/model.json"), "{error}");
}

#[test]
fn benchmarks_report_what_the_contract_names() {
    let folder = tempfile::tempdir().unwrap();
    let load = ["--network", "mobilenet_v2_0.25", "--input", "32x32", "--batch", "4", "--steps", "1"];
    for what in ["train", "embed"] {
        let speed = json(folder.path(), &[&["bench", what], &load[..]].concat());
        assert!(speed["images_per_second"].as_f64().unwrap() > 0.0);
        assert_eq!(speed["batch"], 4);
        assert!(speed["threads"].as_u64().unwrap() > 0 && speed.get("peak_rss_bytes").is_some(), "{speed}");
    }
    let matching = json(folder.path(), &["bench", "match", "--probes", "50"]);
    assert!(matching["probes_per_second"].as_f64().unwrap() > 0.0);
}
