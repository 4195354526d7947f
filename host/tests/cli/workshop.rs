//! From a data set to a model, by the command alone.

use super::*;

const DATA: &str = "synthetic:identities=16,cameras=2,images=2,seed=3";
const RECIPE: &str = "epochs = 1\nvalidation = 0.4\n\
    [network]\nname = \"mobilenet_v2_0.25\"\ninput = [32, 16]\nembedding = 16\n\
    [sampler]\nidentities = 4\npictures = 2\n";

#[test]
fn train_resume_evaluate_quantize_evaluate() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    std::fs::write(path(&folder, "recipe.toml"), RECIPE).unwrap();
    let trained = json(here, &["train", DATA, "--out", "run", "--recipe", "recipe.toml"]);
    assert_eq!(trained["epochs"].as_array().unwrap().len(), 1);
    assert!(trained["epochs"][0]["loss"].as_f64().unwrap() > 0.0 && trained["identities"].as_u64().unwrap() > 1);

    let error = failure(here, &["train", DATA, "--out", "run", "--recipe", "recipe.toml"]);
    assert!(error.contains("run") && error.contains("--resume"), "{error}");
    let error = failure(here, &["train", DATA, "--out", "run", "--resume", "--loss", "batch_hard", "--seed", "9"]);
    assert!(error.contains("seed"), "another recipe is not resumed: {error}");
    let error = failure(here, &["train", DATA, "--out", "none", "--resume"]);
    assert!(error.contains("none"), "{error}");

    let float = json(here, &["evaluate", "run/model.safetensors", DATA, "--rerank", "--open-set"]);
    let quantized = json(here, &["quantize", "run/model.safetensors", DATA, "--out", "model.deja"]);
    assert!(quantized["fidelity"]["mean_cosine"].as_f64().unwrap() > 0.5, "{quantized}");
    let int8 = json(here, &["evaluate", "model.deja", DATA]);
    for scores in [&float, &int8, &float["reranked"]] {
        assert!(scores["queries"].as_u64().unwrap() > 0 && scores["gallery"].as_u64().unwrap() > 0);
        for key in ["map", "rank1", "rank5", "rank10", "minp"] {
            assert!((0.0..=1.0).contains(&scores[key].as_f64().unwrap()), "{key} in {scores}");
        }
    }
    assert!(!float["open_set"]["points"].as_array().unwrap().is_empty());
    let inspected = json(here, &["inspect", "model.deja"]);
    assert_eq!(inspected["fingerprint"], quantized["fingerprint"]);
    assert_eq!(inspected["input"], serde_json::json!([32, 16]));
}

#[test]
fn evaluation_measures_what_it_is_asked_for_and_a_metric_stays_in_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    std::fs::write(path(&folder, "recipe.toml"), RECIPE).unwrap();
    json(here, &["train", DATA, "--out", "run", "--recipe", "recipe.toml"]);
    let model = "run/model.safetensors";
    let asked = ["--rerank", "--expand-queries", "2", "--verification", "--open-set", "--cameras", "--metric", "lda"];
    let saved = ["--save-model", "lda.safetensors", "--save-embeddings", "embeddings.safetensors"];
    let measured = json(here, &[&["evaluate", model, DATA], &asked[..], &saved[..]].concat());
    let fraction = |value: &Value| (0.0..=1.0).contains(&value.as_f64().unwrap());
    for scores in [&measured, &measured["expanded"], &measured["reranked"], &measured["metric_on_top"]] {
        for key in ["map", "rank1", "rank5", "rank10", "minp"] {
            assert!(fraction(&scores[key]), "{key} in {scores}");
        }
    }
    assert!(measured["ranking_seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(measured["metric_on_top"]["method"], "lda");
    let points = measured["verification"]["operating_points"].as_array().unwrap();
    let targets: Vec<f64> = points.iter().map(|point| point["target_far"].as_f64().unwrap()).collect();
    assert_eq!(targets, [0.1, 0.01, 0.001, 0.0001]);
    assert!(points.iter().all(|point| fraction(&point["far"]) && fraction(&point["tar"])));
    assert!(
        fraction(&measured["verification"]["eer"]) && measured["verification"]["roc"].as_array().unwrap().len() > 50
    );
    let pairs = measured["camera_pairs"].as_array().unwrap();
    assert!(!pairs.is_empty() && pairs.iter().all(|pair| pair["query_camera"] != pair["gallery_camera"]));

    let again = json(here, &["evaluate", "--embeddings", "embeddings.safetensors"]);
    assert_eq!((&again["map"], &again["minp"]), (&measured["map"], &measured["minp"]));
    let with_lda = json(here, &["evaluate", "lda.safetensors", DATA]);
    assert_eq!(with_lda["map"], measured["metric_on_top"]["map"]);
    let quantized = json(here, &["quantize", "lda.safetensors", DATA, "--out", "lda.deja"]);
    assert!(quantized["fidelity"]["mean_cosine"].as_f64().unwrap() > 0.5, "{quantized}");

    let error = failure(here, &["evaluate", "lda.deja", DATA, "--metric", "whitening"]);
    assert!(error.contains("lda.deja") && error.contains("checkpoint"), "{error}");
    let error = failure(here, &["evaluate", "--embeddings", "recipe.toml"]);
    assert!(error.contains("recipe.toml") && error.contains("--save-embeddings"), "{error}");
    for wrong in [&["evaluate"][..], &["evaluate", model, DATA, "--metric", "euclid"], &["evaluate", model]] {
        deja(here).args(wrong).assert().code(2);
    }
}

#[test]
fn quiet_commands_say_nothing_but_their_result() {
    let folder = folder();
    let output = deja(folder.path()).args(["--quiet", "evaluate", "model.deja", DATA]).assert().success();
    assert!(output.get_output().stderr.is_empty() && !output.get_output().stdout.is_empty());
}

#[test]
fn learn_from_a_teacher_that_goes_away() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    std::fs::write(path(&folder, "recipe.toml"), RECIPE).unwrap();
    let graph = by_name("mobilenet_v2_0.25", [32, 32], 24, 1).unwrap();
    std::fs::write(path(&folder, "teacher.onnx"), deja::import::export::export(&graph)).unwrap();
    let error = failure(here, &["train", DATA, "--out", "run", "--recipe", "distilled"]);
    assert!(error.contains("no teacher") && error.contains("--teacher FILE"), "{error}");
    let taught = ["train", DATA, "--out", "run", "--recipe", "recipe.toml", "--teacher", "teacher.onnx"];
    let trained = json(here, &taught);
    assert!(trained["epochs"][0]["loss"].as_f64().unwrap() > 0.0);
    std::fs::remove_file(path(&folder, "teacher.onnx")).unwrap();
    let resumed = json(here, &["train", DATA, "--out", "run", "--resume"]);
    assert_eq!(resumed["epochs"], trained["epochs"]);
}

#[test]
fn mine_and_learn_from_what_was_mined() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    std::fs::write(path(&folder, "recipe.toml"), RECIPE).unwrap();
    json(here, &["train", DATA, "--out", "first", "--recipe", "recipe.toml"]);
    let shares = ["--triplets", "200", "--easy", "0.2", "--semi-hard", "0.5", "--hard", "0.3"];
    let mine = [&["mine", "first/model.safetensors", DATA, "--out", "t.jsonl"], &shares[..]].concat();
    let mined = json(here, &mine);
    let header = &mined["header"];
    assert!(mined["triplets"].as_u64().unwrap() > 0 && header["examined"]["easy"].as_u64().is_some(), "{mined}");
    let text = std::fs::read_to_string(path(&folder, "t.jsonl")).unwrap();
    assert_eq!(text.lines().count() as u64, 1 + mined["triplets"].as_u64().unwrap());
    let table = String::from_utf8(deja(here).args(&mine).assert().success().get_output().stdout.clone()).unwrap();
    assert!(["semi-hard", "examined", "wanted", "t.jsonl"].iter().all(|part| table.contains(part)), "{table}");

    let second = ["train", DATA, "--out", "second", "--recipe", "recipe.toml", "--triplets", "t.jsonl"];
    let trained = json(here, &second);
    assert_eq!(trained["epochs"][0]["mined"]["checkpoint"], header["checkpoint"]);
    let error = failure(here, &["mine", "first/model.safetensors", DATA, "--out", "t.jsonl", "--hard", "0.9"]);
    assert!(error.contains("sum to 1"), "{error}");
    let other = "synthetic:identities=16,cameras=2,images=2,seed=4";
    let error = failure(here, &["train", other, "--out", "third", "--recipe", "recipe.toml", "--triplets", "t.jsonl"]);
    assert!(error.contains("t.jsonl") && error.contains("seed=3") && error.contains("seed=4"), "{error}");
}
