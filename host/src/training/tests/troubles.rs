//! Runs that go wrong, end early, or have little to learn from.

use super::*;
use crate::loss::LossTerm;
use early_stopping::{EarlyStopping, StoppingMetric};
use optimizer::{OptimizerKind, OptimizerSettings};
use watchdog::{Reaction, Trouble};

/// Normalized batch-hard triplets alone, from an untrained network at far too high a rate: the textbook's collapse.
fn collapsing(on_collapse: Reaction) -> Recipe {
    let mut recipe = Recipe { average: 0.0, validation: 0.0, ..recipe(60) };
    let table = serde_json::json!({ "kind": "triplet", "mining": "batch_hard", "normalize": true });
    recipe.losses = vec![serde_json::from_value::<LossTerm>(table).unwrap()];
    recipe.optimizer = OptimizerSettings { kind: OptimizerKind::Adamw, learning_rate: 3.0, ..recipe.optimizer };
    recipe.watchdog.on_collapse = on_collapse;
    recipe.watchdog.on_exploding_norms = Reaction::Ignore;
    recipe
}

#[test]
fn an_absurd_learning_rate_collapses_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 8);
    let run = folder.path().join("run");
    let error = train(&data, &collapsing(Reaction::Stop), &run, OPTIONS, &Silent).unwrap_err();
    let TrainingError::Stopped { epoch, trouble, saved } = error else { panic!("{error}") };
    assert!(matches!(trouble, Trouble::Collapse { .. } | Trouble::RankCollapse { .. }), "{trouble}");
    assert!(error.to_string().contains("optimizer.learning_rate"), "{error}");
    let kept = Checkpoint::load(&run.join(LAST)).unwrap();
    assert_eq!((kept.state.epoch, saved), (epoch - 1, epoch - 1));

    let warned = folder.path().join("warned");
    let history = train(&data, &collapsing(Reaction::Warn), &warned, OPTIONS, &Silent).unwrap().history;
    assert_eq!(history.len(), 60, "with a warning it goes on");
    assert!(history[epoch as usize - 1].warnings.iter().any(|text| text.starts_with("collapse")));
    let page = fs::read_to_string(warned.join(REPORT)).unwrap();
    assert!(page.contains("What the watchdog said") && page.contains("collapse"));
}

fn stopping(epochs: u64) -> Recipe {
    let early_stopping = EarlyStopping { patience: 2, metric: StoppingMetric::Map };
    Recipe { early_stopping, validate_every: 1, ..recipe(epochs) }
}

#[test]
fn early_stopping_keeps_the_best_weights_through_an_interruption() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 24);
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    let recipe = stopping(40);
    let outcome = train(&data, &recipe, &whole, OPTIONS, &Silent).unwrap();
    let best = outcome.best.unwrap();
    assert_eq!(outcome.history.len() as u64, best.epoch + 2, "it ended when the patience was over");
    let model = Checkpoint::load(&outcome.model).unwrap();
    assert_eq!(model.graph, Checkpoint::load(&whole.join(BEST)).unwrap().graph);
    let material = material::Material::load(&data, &model.state, &Silent).unwrap();
    let mut engine = crate::network::Engine::new(&model.graph, 8, 2);
    let scores = validation::validate(&mut engine, &model.graph, &material.held_out).unwrap();
    assert_eq!(scores.map, best.value, "the model is the one that scored best");

    let steps = 3 * (best.epoch + 1) + 1;
    train(&data, &recipe, &parts, OPTIONS, &StopAfter(AtomicU64::new(steps))).unwrap_err();
    let resumed = train(&data, &recipe, &parts, RESUME, &Silent).unwrap();
    assert_eq!(resumed.best, Some(best));
    assert_eq!(Checkpoint::load(&resumed.model).unwrap().graph, model.graph);
    let [a, b] = [&whole, &parts].map(|run| Checkpoint::load(&run.join(LAST)).unwrap().state.watchdog);
    assert_eq!(a, b, "the watchdog resumes where it was");
    let again = train(&data, &recipe, &parts, RESUME, &Silent).unwrap();
    assert_eq!(again.history.len(), outcome.history.len(), "a run that has ended stays ended");
}

#[test]
fn early_stopping_needs_somebody_to_watch() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let error = train(&dataset(folder.path(), 4), &stopping(3), &run, OPTIONS, &Silent).unwrap_err();
    assert!(matches!(error, TrainingError::NothingHeldOut { identities: 4 }), "{error}");
    assert!(!run.exists());
}

/// Fills the disk after so many steps: the file beside the checkpoint leads to a device that refuses every byte.
#[cfg(target_os = "linux")]
struct FullAfter(AtomicU64, std::path::PathBuf);

#[cfg(target_os = "linux")]
impl Progress for FullAfter {
    fn start(&self, _label: &str, _total: u64) {}
    fn advance(&self, _steps: u64) {}
    fn message(&self, _text: &str) {
        if self.0.fetch_sub(1, Ordering::Relaxed) == 1 {
            std::os::unix::fs::symlink("/dev/full", self.1.join(format!(".{LAST}.part"))).unwrap();
        }
    }
    fn finish(&self) {}
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_keeps_the_older_checkpoint_to_go_on_from() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 24);
    let (whole, run) = (folder.path().join("whole"), folder.path().join("run"));
    let error = train(&data, &recipe(3), &run, OPTIONS, &FullAfter(AtomicU64::new(4), run.clone())).unwrap_err();
    assert!(matches!(error, TrainingError::Checkpoint(CheckpointError::NotWritten { .. })), "{error}");
    assert!(error.to_string().contains("--resume"), "{error}");
    assert_eq!(Checkpoint::load(&run.join(LAST)).unwrap().state.epoch, 1);
    train(&data, &recipe(3), &run, RESUME, &Silent).unwrap();
    train(&data, &recipe(3), &whole, OPTIONS, &Silent).unwrap();
    let [a, b] = [&run, &whole].map(|run| Checkpoint::load(&run.join(MODEL)).unwrap().graph);
    assert!(a == b, "the run ends as if the disk had never been full");
}

#[test]
fn an_identity_with_one_picture_trains_and_is_never_a_trouble() {
    let folder = tempfile::tempdir().unwrap();
    let mut data = dataset(folder.path(), 6);
    let mut seen = false;
    data.train.retain(|sample| sample.identity != Identity::Known(2) || !std::mem::replace(&mut seen, true));
    let single = data.train.iter().filter(|sample| sample.identity == Identity::Known(2)).count();
    assert_eq!((single, data.train.len()), (1, 21));
    let recipe = Recipe { validation: 0.0, ..recipe(2) };
    let outcome = train(&data, &recipe, &folder.path().join("run"), OPTIONS, &Silent).unwrap();
    assert_eq!((outcome.identities, outcome.pictures), (6, 21));
    assert!(outcome.history.iter().all(|record| record.loss.is_finite()));
    let warnings: Vec<&String> = outcome.history.iter().flat_map(|record| &record.warnings).collect();
    assert!(warnings.len() == 1 && warnings[0].contains("one picture only"), "told once, and no trouble: {warnings:?}");
}

#[test]
fn a_log_that_was_damaged_is_whole_again_after_resuming() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 24);
    let run = folder.path().join("run");
    train(&data, &recipe(3), &run, OPTIONS, &StopAfter(AtomicU64::new(7))).unwrap_err();
    fs::write(run.join(LOG), "{\"epoch\":1,\"lo").unwrap();
    let outcome = train(&data, &recipe(3), &run, RESUME, &Silent).unwrap();
    let log = fs::read_to_string(run.join(LOG)).unwrap();
    let lines: Vec<EpochRecord> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, outcome.history);
    assert_eq!(lines.iter().map(|record| record.epoch).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn the_report_shows_curves_maps_and_rank_lists() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 24);
    let outcome = train(&data, &recipe(2), &folder.path().join("run"), OPTIONS, &Silent).unwrap();
    let page = fs::read_to_string(&outcome.report).unwrap();
    for part in
        ["triplet + cross_entropy", "Triplets of the batches", "Learning rate", "t-SNE", "Rank lists", "epochs = 2"]
    {
        assert!(page.contains(part), "{part}");
    }
    assert_eq!(page.matches("<use ").count(), 2 * 6 * 4, "six held-out identities of four pictures on two maps");
    for record in &outcome.history {
        assert!((record.triplets.to_array().iter().sum::<f32>() - 1.0).abs() < 1e-4);
    }
}
