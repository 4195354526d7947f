//! Runs whose batches follow from their own weights or from a triplet file: they resume exactly, and refuse what is not theirs.

use super::tests::{OPTIONS, RESUME, StopAfter, dataset, recipe};
use super::*;
use crate::dataset::{Dataset, Identity};
use crate::mining::{TripletClass, TripletFile, TripletFileError};
use crate::progress::Silent;
use crate::sampler::SamplerKind;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

fn file(path: &Path) -> TripletFile {
    TripletFile::parse(path, &fs::read(path).unwrap()).unwrap()
}

/// A small recipe that mines few triplets of all classes.
fn mining(epochs: u64, every: u64) -> Recipe {
    let mut recipe = recipe(epochs);
    recipe.learn_from_triplets();
    recipe.mining.every = every;
    recipe.mining.triplets = 300;
    recipe
}

fn guided() -> Vec<Recipe> {
    let mut n_pair = recipe(3);
    n_pair.sampler.kind = SamplerKind::NPair;
    n_pair.sampler.mine_classes = 12;
    let mut hard_class = recipe(3);
    hard_class.sampler.kind = SamplerKind::HardClass;
    hard_class.sampler.refresh_every = 2;
    vec![mining(3, 2), n_pair, hard_class]
}

/// Interrupted three times: in the middle of epochs and, where triplets are mined, in the middle of mining.
#[test]
fn guided_runs_resume_to_the_same_weights() {
    for recipe in guided() {
        let folder = tempfile::tempdir().unwrap();
        let data = dataset(folder.path(), 24);
        let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
        train(&data, &recipe, &whole, OPTIONS, &Silent).unwrap();
        let kind = recipe.sampler.kind;
        for (steps, options) in [(2, OPTIONS), (3, RESUME), (3, RESUME)] {
            let error = train(&data, &recipe, &parts, options, &StopAfter(AtomicU64::new(steps))).unwrap_err();
            assert!(matches!(error, TrainingError::Interrupted { .. }), "{kind:?}: {error}");
        }
        train(&data, &recipe, &parts, RESUME, &Silent).unwrap();
        let [a, b] = [&whole, &parts].map(|run| Checkpoint::load(&run.join(LAST)).unwrap());
        assert!(a.graph == b.graph && a.learner == b.learner && a.state.triplets == b.state.triplets, "{kind:?}");
        assert_eq!(a.learner.unwrap().classes.is_some(), kind != SamplerKind::Triplets, "{kind:?}");
    }
}

#[test]
fn a_run_mines_at_its_beginning_and_again_and_tells_how_stale_its_triplets_are() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let outcome = train(&dataset(folder.path(), 24), &mining(5, 2), &run, OPTIONS, &Silent).unwrap();
    let records: Vec<_> = outcome.history.iter().map(|record| record.mined.as_ref().unwrap()).collect();
    let ages: Vec<u64> = records.iter().map(|record| record.mined_epochs_ago).collect();
    assert_eq!(ages, [0, 1, 0, 1, 0]);
    assert!(records[0] != records[2] && records[2].checkpoint != records[4].checkpoint);
    assert_eq!(records[0].examined.total(), records[4].examined.total(), "the same pictures");
    let last = file(&run.join(TRIPLETS));
    assert_eq!((&last.header.checkpoint, last.header.epoch), (&records[4].checkpoint, 4));
    assert!(outcome.history.iter().all(|record| record.metric_loss > 0.0 && record.positive_distance > 0.0));
    let log = fs::read_to_string(run.join(LOG)).unwrap();
    assert!(log.lines().nth(1).unwrap().contains("\"mined_epochs_ago\":1"), "{log}");
}

/// A run of one epoch on 12 identities, and the triplets mined from it.
fn mined(folder: &Path) -> (Dataset, PathBuf, TripletFile) {
    let data = dataset(folder, 12);
    let outcome = train(&data, &recipe(1), &folder.join("first"), OPTIONS, &Silent).unwrap();
    let checkpoint = Checkpoint::load(&outcome.model).unwrap();
    let settings = mining(1, 0).mining;
    let request = MineRequest { settings, seed: 3, pictures: 0, threads: 2 };
    let triplets = mine(&checkpoint, &data, &request, &Silent).unwrap();
    let path = folder.join("mined.jsonl");
    save_triplets(&path, &triplets).unwrap();
    (data, path, triplets)
}

#[test]
fn a_mined_file_is_learned_from_and_then_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (data, path, triplets) = mined(folder.path());
    assert_eq!(file(&path), triplets);
    assert_eq!(
        triplets.header.checkpoint,
        fingerprint(&Checkpoint::load(&folder.path().join("first").join(MODEL)).unwrap().graph)
    );
    let counted = |class| triplets.triplets.iter().filter(|triplet| triplet.class == class).count() as u64;
    assert!(TripletClass::ALL.iter().all(|&class| counted(class) == triplets.header.chosen.of(class)));
    let held_out = Checkpoint::load(&folder.path().join("first").join(LAST)).unwrap().state.held_out.len();
    assert_eq!(triplets.header.embedded, data.train.len() * (12 - held_out) / 12, "held-out identities stay out");

    let run = folder.path().join("second");
    let with = |options| Options { triplets: Some(path.clone()), ..options };
    let stop = StopAfter(AtomicU64::new(1));
    let error = train(&data, &mining(3, 2), &run, with(OPTIONS), &stop).unwrap_err();
    assert!(matches!(error, TrainingError::Interrupted { .. }), "{error}");
    assert_eq!(fs::read(run.join(TRIPLETS)).unwrap(), fs::read(&path).unwrap());
    let outcome = train(&data, &mining(3, 2), &run, with(RESUME), &Silent).unwrap();
    let records: Vec<_> = outcome.history.iter().map(|record| record.mined.clone().unwrap()).collect();
    assert_eq!([0, 1, 2].map(|epoch| records[epoch].mined_epochs_ago), [0, 1, 0]);
    assert_eq!(records[1].checkpoint, triplets.header.checkpoint);
    assert_ne!(records[2].checkpoint, triplets.header.checkpoint);
    let error = train(&data, &mining(3, 2), &run, with(RESUME), &Silent).unwrap_err();
    assert!(matches!(error, TrainingError::TripletsChanged { .. }), "mined anew since: {error}");
}

#[test]
fn triplets_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (data, path, _) = mined(folder.path());
    let attempt = |data: &Dataset, recipe: &Recipe, given: Option<&Path>, name: &str, resume: bool| {
        let options = Options { resume, threads: 2, triplets: given.map(Path::to_owned) };
        train(data, recipe, &folder.path().join(name), options, &Silent).unwrap_err()
    };
    let mut fewer = data.clone();
    fewer.train.retain(|sample| sample.identity != Identity::Known(11));
    let error = attempt(&fewer, &mining(1, 0), Some(&path), "other", false);
    assert!(matches!(error, TrainingError::TripletFile(TripletFileError::OtherData { .. })), "{error}");
    let missing = folder.path().join("none.jsonl");
    let error = attempt(&data, &mining(1, 0), Some(&missing), "missing", false);
    assert!(matches!(error, TrainingError::TripletFile(TripletFileError::Io { .. })), "{error}");
    let error = attempt(&data, &mining(1, 0), None, "none", false).to_string();
    assert!(error.contains("--triplets") && error.contains("--remine-every"), "{error}");
    let error = attempt(&data, &recipe(1), Some(&path), "unused", false);
    assert!(matches!(error, TrainingError::TripletsUnused(_)), "{error}");

    let (run, stop) = (folder.path().join("run"), StopAfter(AtomicU64::new(1)));
    let options = Options { triplets: Some(path.clone()), ..OPTIONS };
    train(&data, &mining(1, 0), &run, options, &stop).unwrap_err();
    let text = fs::read_to_string(run.join(TRIPLETS)).unwrap();
    fs::write(run.join(TRIPLETS), text.replace("\"seed\":3", "\"seed\":4")).unwrap();
    let error = attempt(&data, &mining(1, 0), None, "run", true);
    assert!(matches!(error, TrainingError::TripletsChanged { .. }), "{error}");
    fs::remove_file(run.join(TRIPLETS)).unwrap();
    let error = attempt(&data, &mining(1, 0), None, "run", true).to_string();
    assert!(error.contains(TRIPLETS), "{error}");
}

#[test]
fn classes_of_one_picture_are_told_and_without_pairs_n_pair_stops() {
    let folder = tempfile::tempdir().unwrap();
    let mut data = dataset(folder.path(), 12);
    let mut recipe = recipe(1);
    recipe.validation = 0.0;
    recipe.sampler.kind = SamplerKind::NPair;
    let single = |data: &mut Dataset, from: usize| {
        let mut seen = std::collections::HashSet::new();
        data.train.retain(|sample| sample.identity.known().unwrap() < from || seen.insert(sample.identity));
    };
    single(&mut data, 9);
    let outcome = train(&data, &recipe, &folder.path().join("three"), OPTIONS, &Silent).unwrap();
    let warning = &outcome.history[0].warnings[0];
    assert!(warning.contains("one picture only: 3") && warning.contains("left out"), "{warning}");
    single(&mut data, 0);
    let error = train(&data, &recipe, &folder.path().join("all"), OPTIONS, &Silent).unwrap_err().to_string();
    assert!(error.contains("two pictures"), "{error}");
}

#[test]
fn recipes_that_contradict_themselves_are_refused() {
    let mut offline = mining(1, 0);
    offline.check().unwrap();
    offline.sampler.kind = SamplerKind::Pk;
    let error = offline.check().unwrap_err().to_string();
    assert!(error.contains("mining = offline") && error.contains("sampler.kind"), "{error}");
    let mut shares = mining(1, 0);
    shares.mining.hard = 0.9;
    assert!(shares.check().unwrap_err().to_string().contains("sum to 1"));
    let mut ids = recipe(1);
    ids.losses.remove(0);
    ids.learn_from_triplets();
    assert_eq!(ids.losses.len(), 2, "a triplet loss is added where there is none");
    ids.check().unwrap();
}
