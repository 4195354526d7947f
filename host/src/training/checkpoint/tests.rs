//! What a checkpoint keeps, and what is refused.

use super::*;
use crate::loss::LossTerm;
use crate::loss::center::CenterSettings;
use crate::loss::distillation::DistillationSettings;
use crate::mining::Counts;
use crate::training::history::{EpochRecord, Totals};
use crate::training::recipe::Recipe;
use crate::training::watchdog::Watchdog;

fn checkpoint(average: f32) -> Checkpoint {
    let mut recipe = Recipe { average, ..Recipe::default() };
    recipe.network.input = [32, 16];
    recipe.network.embedding = 8;
    recipe.network.name = "mobilenet_v2_0.25".into();
    let teacher = PathBuf::from("teacher.onnx");
    recipe.losses.push(LossTerm::Center(CenterSettings::default()));
    recipe.losses.push(LossTerm::Distillation(DistillationSettings { teacher, ..DistillationSettings::default() }));
    recipe.memory.size = 5;
    let mut graph = by_name(&recipe.network.name, [32, 16], 8, 5).unwrap();
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let mut totals = Totals::default();
    totals.warn("a warning".into());
    let state = RunState {
        version: Checkpoint::VERSION,
        recipe,
        dataset: "test".into(),
        identities: names(&["a", "b", "ç"]),
        held_out: names(&["d"]),
        teacher: Some(12),
        epoch: 2,
        totals,
        watchdog: Watchdog::default(),
        history: vec![EpochRecord { epoch: 1, loss: 0.1, validation_map: Some(0.3), ..EpochRecord::default() }],
        best_map: Some(0.3),
        metric_on_top: None,
        triplets: Some(TripletsInForce {
            sha256: "ab".into(),
            checkpoint: "cd".into(),
            mined_at: 2,
            examined: Counts { easy: u64::MAX, semi_hard: 3, hard: 2 },
            chosen: Counts { easy: 1, semi_hard: 1, hard: 1 },
        }),
    };
    let mut learner = Learner::new(&state, &graph);
    learner.learned.iter_mut().flat_map(Learned::values_mut).for_each(|x| *x += 0.25);
    learner.optimizer.step = u64::MAX - 7;
    learner.classes = Some(ClassEmbeddings { views: 4, dimension: 8, values: (0..96).map(|k| k as f32).collect() });
    learner.optimizer.first.iter_mut().flatten().for_each(|m| *m = 1e-30);
    for parameter in &mut graph.parameters {
        parameter.values.iter_mut().for_each(|x| *x += 0.1);
    }
    Checkpoint { graph, state, learner: Some(learner) }
}

fn saved(checkpoint: &Checkpoint) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.safetensors");
    checkpoint.save(&path).unwrap();
    (folder, path)
}

#[test]
fn everything_survives_the_disk() {
    for average in [0.0, 0.9] {
        let before = checkpoint(average);
        let (_folder, path) = saved(&before);
        assert_eq!(Checkpoint::load(&path).unwrap(), before);
        let model = Checkpoint { graph: before.model(), learner: None, ..before };
        model.save(&path).unwrap();
        assert_eq!(Checkpoint::load(&path).unwrap(), model);
    }
}

#[test]
fn past_batches_survive_the_disk_and_damage_to_them_is_named() {
    let mut before = checkpoint(0.0);
    for rows in [0, 3, 4] {
        let embeddings: Vec<f32> = (0..rows * 8).map(|x| x as f32).collect();
        let identities = [2, 0, 1, u32::MAX];
        let batch = Batch { embeddings: &embeddings, dimension: 8, identities: &identities[..rows] };
        before.learner.as_mut().unwrap().memory.as_mut().unwrap().remember(&batch);
        let (_folder, path) = saved(&before);
        assert_eq!(Checkpoint::load(&path).unwrap(), before);
    }
    before.state.recipe.memory.size = 4;
    let (_folder, path) = saved(&before);
    let error = Checkpoint::load(&path).unwrap_err().to_string();
    assert!(error.contains("memory/embeddings") && error.contains("memory.size = 4"), "{error}");
}

#[test]
fn the_model_is_the_average_where_there_is_one() {
    let averaged = checkpoint(0.9);
    assert_ne!(averaged.model(), averaged.graph, "the average began before the weights moved");
    let plain = checkpoint(0.0);
    assert_eq!(plain.model(), plain.graph);
}

/// Pins version 2: other names or other metadata need another version.
#[test]
fn the_format_is_pinned() {
    let (_folder, path) = saved(&checkpoint(0.9));
    let bytes = std::fs::read(&path).unwrap();
    let reader = Reader::new(&path, &bytes).unwrap();
    for name in
        ["network/stem.weight", "loss/1", "first/0", "second/0", "step", "average/stem.weight", "average_updates"]
    {
        assert!(reader.has(name), "{name}");
    }
    assert!(reader.metadata("deja-checkpoint").unwrap().starts_with(r#"{"version":2,"recipe":{"epochs":40,"seed":1,"#));
}

#[test]
fn truncated_files_are_errors_at_every_length() {
    let (_folder, path) = saved(&checkpoint(0.0));
    let bytes = std::fs::read(&path).unwrap();
    for length in [0, 1, 7, 8, 9, 100, 5000, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let error = Checkpoint::load(&path).unwrap_err();
        assert!(matches!(error, CheckpointError::Malformed { .. }), "{length}: {error}");
        assert!(error.to_string().contains("last.safetensors"));
    }
}

#[test]
fn foreign_files_and_other_versions_are_named() {
    let (folder, path) = saved(&checkpoint(0.0));
    let mut writer = Writer::default();
    writer.add("weight".into(), &[1], &[1.0]);
    std::fs::write(&path, writer.finish("format", "pt".into()).unwrap()).unwrap();
    assert!(matches!(Checkpoint::load(&path), Err(CheckpointError::Foreign { .. })));
    let mut newer = checkpoint(0.0);
    newer.state.version = 9;
    newer.save(&path).unwrap();
    assert!(matches!(Checkpoint::load(&path), Err(CheckpointError::Version { found: 9, .. })));
    std::fs::write(&path, "this is a picture, honestly").unwrap();
    assert!(matches!(Checkpoint::load(&path), Err(CheckpointError::Malformed { .. })));
    assert!(matches!(Checkpoint::load(&folder.path().join("none")), Err(CheckpointError::Io { .. })));
}

#[test]
fn unknown_networks_and_wrong_shapes_are_named() {
    let mut unknown = checkpoint(0.0);
    unknown.state.recipe.network.name = "resnet_152".into();
    let (_folder, path) = saved(&unknown);
    assert!(matches!(Checkpoint::load(&path), Err(CheckpointError::Network { .. })));
    let mut other = checkpoint(0.0);
    other.state.recipe.network.embedding = 16;
    other.save(&path).unwrap();
    assert!(matches!(Checkpoint::load(&path), Err(CheckpointError::Tensor { .. })));
    let mut fewer = checkpoint(0.0);
    fewer.state.identities.pop();
    fewer.save(&path).unwrap();
    let error = Checkpoint::load(&path).unwrap_err().to_string();
    assert!(error.contains("loss/1"), "{error}");
    let mut senseless = checkpoint(0.0);
    senseless.state.recipe.epochs = 0;
    senseless.save(&path).unwrap();
    assert!(matches!(Checkpoint::load(&path), Err(CheckpointError::Recipe { .. })));
}

#[test]
fn what_is_not_finite_is_neither_written_nor_read() {
    let good = checkpoint(0.0);
    let (_folder, path) = saved(&good);
    let mut bad = good.clone();
    bad.graph.parameters[3].values[0] = f32::NAN;
    assert!(matches!(bad.save(&path), Err(CheckpointError::NotFinite { .. })));
    assert_eq!(Checkpoint::load(&path).unwrap(), good, "the older file is kept");
    let bytes = std::fs::read(&path).unwrap();
    let mut damaged = bytes.clone();
    let end = damaged.len();
    // The file ends with the largest arrays' bytes: whatever stands there becomes infinite.
    damaged[end - 4..].copy_from_slice(&f32::INFINITY.to_le_bytes());
    std::fs::write(&path, damaged).unwrap();
    assert!(matches!(Checkpoint::load(&path), Err(CheckpointError::NotFinite { .. })));
}
