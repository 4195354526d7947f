//! Whole runs on a handful of small pictures.

mod losses;

use super::*;
use crate::dataset::{Dataset, DatasetError, Identity, Sample, Source};
use crate::loss::LossTerm;
use crate::loss::center::CenterSettings;
use crate::loss::distillation::DistillationSettings;
use crate::mining::memory::MemorySettings;
use crate::progress::{Progress, Silent};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

mod troubles;

const CAMERAS: u32 = 2;
const SHOTS: u32 = 2;

/// People as a shirt over trousers, each camera with a tint and each shot with a shift: a few colours to tell apart.
pub(super) fn dataset(folder: &Path, identities: usize) -> Dataset {
    let mut train = Vec::new();
    for identity in 0..identities {
        for camera in 0..CAMERAS {
            for shot in 0..SHOTS {
                let path = folder.join(format!("{identity}_{camera}_{shot}.png"));
                picture(identity as u32, camera, shot).save(&path).unwrap();
                train.push(Sample { source: Source::File(path), identity: Identity::Known(identity), camera });
            }
        }
    }
    let identities = (0..identities).map(|identity| format!("person {identity}")).collect();
    Dataset { name: "stripes".into(), identities, train, query: vec![], gallery: vec![] }
}

fn picture(identity: u32, camera: u32, shot: u32) -> image::RgbImage {
    let colour =
        |part: u32| [0, 1, 2].map(|channel| (identity * 89 + part * 151 + channel * (identity + 3) * 67) % 200);
    image::RgbImage::from_fn(16, 32, |x, y| {
        let part = u32::from(y + shot * 3 > 16);
        let noise = (x * 31 + y * 17 + shot * 7 + camera * 13) % 23;
        image::Rgb(colour(part).map(|value| (value + noise + camera * 30).min(255) as u8))
    })
}

pub(super) fn recipe(epochs: u64) -> Recipe {
    let mut recipe = Recipe { epochs, validation: 0.25, average: 0.9, ..Recipe::default() };
    recipe.network = recipe::NetworkSettings { name: "mobilenet_v2_0.25".into(), input: [32, 16], embedding: 16 };
    recipe.sampler.identities = 6;
    recipe.sampler.pictures = 4;
    recipe.schedule.warm_up = 1.0;
    recipe.augment = crate::augment::Augment::none();
    recipe
}

pub(super) const OPTIONS: Options = Options { resume: false, threads: 2, triplets: None };
pub(super) const RESUME: Options = Options { resume: true, threads: 2, triplets: None };

/// Interrupts after so many steps of training.
pub(super) struct StopAfter(pub(super) AtomicU64);

impl Progress for StopAfter {
    fn start(&self, _label: &str, _total: u64) {}
    fn advance(&self, _steps: u64) {}
    fn message(&self, _text: &str) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
    fn finish(&self) {}
    fn interrupted(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

#[test]
fn the_loss_falls_and_strangers_are_told_apart_better() {
    let folder = tempfile::tempdir().unwrap();
    let settings = crate::dataset::synthetic::Settings { identities: 40, cameras: 3, images: 3, seed: 1 };
    let data = crate::dataset::synthetic::dataset(&settings);
    let mut recipe = Recipe { epochs: 24, validation: 0.25, ..Recipe::default() };
    recipe.network = recipe::NetworkSettings { input: [64, 32], embedding: 32, ..Default::default() };
    recipe.sampler.identities = 8;
    let run = folder.path().join("run");
    let outcome = train(&data, &recipe, &run, OPTIONS, &Silent).unwrap();
    let (first, last) = (&outcome.history[0], &outcome.history[23]);
    assert!(last.loss < 0.8 * first.loss, "{} → {}", first.loss, last.loss);
    assert_eq!((outcome.identities, outcome.pictures), (24, 216));

    let model = Checkpoint::load(&outcome.model).unwrap();
    assert!(model.learner.is_none());
    assert_eq!((model.state.held_out.len(), model.state.epoch), (8, 24));
    let material = material::Material::load(&data, &model.state, &Silent).unwrap();
    let network = &model.state.recipe.network;
    let untrained = crate::network::by_name(&network.name, network.input, network.embedding, 1).unwrap();
    let mut engine = crate::network::Engine::new(&untrained, 8, 1);
    let before = validation::validate(&mut engine, &untrained, &material.held_out).unwrap();
    let after = validation::validate(&mut engine, &model.graph, &material.held_out).unwrap();
    assert!(after.map > before.map + 0.1, "mAP {} → {}", before.map, after.map);
    assert_eq!(last.validation_map, Some(after.map), "the saved model is the one that was looked at");

    let log = fs::read_to_string(run.join(LOG)).unwrap();
    let lines: Vec<EpochRecord> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, outcome.history);
}

#[test]
fn an_interrupted_run_resumes_to_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 24);
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    let recipe = recipe(3);
    train(&data, &recipe, &whole, OPTIONS, &Silent).unwrap();

    let stop = |steps| StopAfter(AtomicU64::new(steps));
    let error = train(&data, &recipe, &parts, OPTIONS, &stop(4)).unwrap_err();
    assert!(matches!(error, TrainingError::Interrupted { epoch: 2, .. }), "{error}");
    assert!(error.to_string().contains("--resume"));
    assert!(!parts.join(MODEL).exists());
    let error = train(&data, &recipe, &parts, RESUME, &stop(3)).unwrap_err();
    assert!(matches!(error, TrainingError::Interrupted { epoch: 3, .. }), "{error}");
    train(&data, &recipe, &parts, RESUME, &Silent).unwrap();

    for file in [LAST, MODEL] {
        let [a, b] = [&whole, &parts].map(|run| Checkpoint::load(&run.join(file)).unwrap());
        assert!(a.graph == b.graph && a.learner == b.learner, "{file}");
        for (a, b) in a.state.history.iter().zip(&b.state.history) {
            assert!((a.loss - b.loss).abs() < 1e-6);
            assert_eq!(a.validation_map, b.validation_map);
        }
    }
}

/// Centers, a projection and past batches are all part of where a run stopped.
#[test]
fn a_distilled_run_with_centers_and_memory_resumes_to_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 24);
    let teacher = folder.path().join("teacher.onnx");
    let graph = crate::network::by_name("mobilenet_v2_0.25", [48, 24], 24, 3).unwrap();
    fs::write(&teacher, crate::import::export::export(&graph)).unwrap();
    let mut recipe = recipe(3);
    let distillation = DistillationSettings { teacher, distance: 1.0, angle: 1.0, ..Default::default() };
    recipe.losses.push(LossTerm::Center(CenterSettings { weight: 1e-2, ..Default::default() }));
    recipe.losses.push(LossTerm::Distillation(distillation));
    recipe.memory = MemorySettings { size: 40, start: 0.5 };

    let [whole, parts, plain] = ["whole", "parts", "plain"].map(|name| folder.path().join(name));
    train(&data, &recipe, &whole, OPTIONS, &Silent).unwrap();
    for (options, steps) in [(OPTIONS, 4), (RESUME, 3)] {
        let stopped = train(&data, &recipe, &parts, options, &StopAfter(AtomicU64::new(steps))).unwrap_err();
        assert!(matches!(stopped, TrainingError::Interrupted { .. }), "{stopped}");
    }
    train(&data, &recipe, &parts, RESUME, &Silent).unwrap();
    let last = |run: &Path| Checkpoint::load(&run.join(LAST)).unwrap();
    let (a, b) = (last(&whole), last(&parts));
    assert!(a.graph == b.graph && a.learner == b.learner);
    assert_eq!(a.state.teacher, Some(24));
    let learned = &a.learner.as_ref().unwrap().learned;
    assert_eq!(
        learned.iter().map(|learned| learned.shape()).collect::<Vec<_>>(),
        [[0, 0], [16, 18], [18, 16], [16, 24]]
    );
    assert_eq!(a.learner.as_ref().unwrap().memory.as_ref().unwrap().past().identities.len(), 40);

    recipe.memory.size = 0;
    train(&data, &recipe, &plain, OPTIONS, &Silent).unwrap();
    assert!(last(&plain).graph != a.graph, "past batches have a say");
}

#[test]
fn a_metric_on_top_is_in_the_model_and_its_effect_in_the_run() {
    use crate::projection::MetricOnTop;
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 16);
    for (method, dimension) in [(MetricOnTop::Whitening, 16), (MetricOnTop::Lda, 11)] {
        let run = folder.path().join(method.name());
        let recipe = Recipe { metric_on_top: method, ..recipe(1) };
        let outcome = train(&data, &recipe, &run, OPTIONS, &Silent).unwrap();
        let on_top = outcome.metric_on_top.unwrap();
        assert_eq!((on_top.method, on_top.dimension, outcome.identities), (method, dimension, 12));
        assert_eq!(on_top.map_without, outcome.history[0].validation_map);
        let model = Checkpoint::load(&outcome.model).unwrap();
        assert_eq!((model.state.metric_on_top, model.graph.dimension()), (Some(on_top), dimension));
        let material = Material::load(&data, &model.state, &Silent).unwrap();
        let mut engine = crate::network::Engine::new(&model.graph, 8, 2);
        let scores = validation::validate(&mut engine, &model.graph, &material.held_out).unwrap();
        assert_eq!(Some(scores.map), on_top.map_with, "the saved model is the one that was judged");
        let last = Checkpoint::load(&run.join(LAST)).unwrap();
        assert_eq!((last.graph.dimension(), last.state.metric_on_top), (16, None), "what is resumed has none");
        let again = train(&data, &recipe, &run, RESUME, &Silent).unwrap();
        assert_eq!(again.metric_on_top, Some(on_top), "a resumed run ends with the same");
    }
}

#[test]
fn runs_are_neither_overwritten_nor_resumed_with_something_else() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 8);
    let run = folder.path().join("run");
    let again = |data: &Dataset, recipe: &Recipe, options| train(data, recipe, &run, options, &Silent).unwrap_err();
    assert!(matches!(again(&data, &recipe(1), RESUME), TrainingError::NothingToResume(_)));
    train(&data, &recipe(1), &run, OPTIONS, &Silent).unwrap();
    assert!(matches!(again(&data, &recipe(1), OPTIONS), TrainingError::RunExists(_)));
    let changed = again(&data, &recipe(2), RESUME).to_string();
    assert!(changed.contains("epochs: 1 → 2"), "{changed}");
    let mut fewer = data.clone();
    fewer.train.retain(|sample| sample.identity != Identity::Known(3));
    let changed = again(&fewer, &recipe(1), RESUME).to_string();
    assert!(changed.contains("`person 3`"), "{changed}");
    fs::copy(run.join(MODEL), run.join(LAST)).unwrap();
    let error = again(&data, &recipe(1), RESUME);
    assert!(matches!(error, TrainingError::Checkpoint(CheckpointError::NotResumable { .. })), "{error}");
}

#[test]
fn a_run_that_explodes_stops_and_keeps_its_last_good_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 8);
    let run = folder.path().join("run");
    let mut recipe = recipe(30);
    recipe.optimizer =
        optimizer::OptimizerSettings { kind: optimizer::OptimizerKind::Sgd, learning_rate: 1e3, ..recipe.optimizer };
    let error = train(&data, &recipe, &run, OPTIONS, &Silent).unwrap_err();
    let TrainingError::NotFinite { saved, .. } = error else { panic!("{error}") };
    assert_eq!(Checkpoint::load(&run.join(LAST)).unwrap().state.epoch, saved);
    assert!(error.to_string().contains("learning_rate"));
}

#[test]
fn one_identity_and_unknown_networks_are_errors_that_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let error = train(&dataset(folder.path(), 1), &recipe(1), &run, OPTIONS, &Silent).unwrap_err();
    assert!(matches!(error, TrainingError::Dataset(DatasetError::TooFewIdentities { .. })), "{error}");
    let mut unknown = recipe(1);
    unknown.network.name = "nonsense".into();
    let error = train(&dataset(folder.path(), 8), &unknown, &run, OPTIONS, &Silent).unwrap_err();
    assert!(matches!(error, TrainingError::Network(_)), "{error}");
    assert!(!run.exists());
}

/// `DATA=../shared/data/vehicles RECIPE='epochs = 20' cargo test -p deja training::tests::measurement -- --ignored --nocapture`
#[test]
#[ignore = "a measurement of minutes"]
fn measurement() {
    let data = crate::dataset::open(std::env::var("DATA").unwrap()).unwrap();
    let recipe: Recipe = toml::from_str(&std::env::var("RECIPE").unwrap_or_default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let threads = std::env::var("THREADS").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    let outcome = train(&data, &recipe, folder.path(), Options { threads, ..Options::default() }, &Silent).unwrap();
    for record in outcome.history.iter().filter(|record| record.validation_map.is_some()) {
        println!("{}", serde_json::to_string(record).unwrap());
    }
    let graph = Checkpoint::load(&outcome.model).unwrap().graph;
    let samples = [data.query.clone(), data.gallery.clone()].concat();
    let images = crate::dataset::load(&samples, recipe.network.input, &Silent).unwrap();
    let scores = validation::validate(&mut crate::network::Engine::new(&graph, 64, 2), &graph, &images);
    println!("{} query and gallery pictures, each searching all others: {scores:?}", images.len());
}
