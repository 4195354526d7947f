//! Teachers of every kind on a few rendered and a few real files.

use super::*;
use crate::dataset::{self, Dataset, Identity, PictureList, Sample, Source, synthetic};
use crate::import::export::export;
use crate::network::Graph;
use crate::progress::Silent;
use crate::quantize::fixtures::{INPUT, network};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

fn rendered() -> Dataset {
    synthetic::dataset(&synthetic::Settings { identities: 4, cameras: 2, images: 2, seed: 3 })
}

/// Five pictures below `folder`, two of them of the same file name.
fn files(folder: &Path) -> Dataset {
    let sample = |index: usize| {
        let path = folder.join(["a", "b"][index % 2]).join(format!("{}.png", index / 2));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::RgbImage::from_fn(16, 32, |x, y| image::Rgb([(index * 40) as u8, (x * 9) as u8, (y * 5) as u8]))
            .save(&path)
            .unwrap();
        Sample { source: Source::File(path), identity: Identity::Known(index % 2), camera: 0 }
    };
    let train = (0..5).map(sample).collect();
    Dataset { name: "files".into(), identities: vec!["a".into(), "b".into()], train, query: vec![], gallery: vec![] }
}

fn material(data: &Dataset) -> Material {
    let train = dataset::load(&data.train, [16, 8], &Silent).unwrap();
    let classes = train.identities.iter().map(|identity| identity.known().unwrap() as u32).collect();
    let rows = (0..train.len()).map(Some).collect();
    let list = PictureList::new(&data.train, &data.identities);
    let dataset = data.name.clone();
    Material { train, samples: data.train.clone(), classes, dataset, list, rows, ..Material::default() }
}

fn settings(teacher: PathBuf, centre: bool) -> DistillationSettings {
    DistillationSettings { teacher, centre, ..DistillationSettings::default() }
}

fn onnx(folder: &Path, graph: &Graph) -> PathBuf {
    let path = folder.join("teacher.onnx");
    std::fs::write(&path, export(graph)).unwrap();
    path
}

#[test]
fn a_model_sees_the_pictures_as_they_are_at_its_own_size() {
    let folder = tempfile::tempdir().unwrap();
    let graph = network(41);
    let teacher = settings(onnx(folder.path(), &graph), false);
    for data in [rendered(), files(folder.path())] {
        let run = tempfile::tempdir().unwrap();
        let material = material(&data);
        let got = Teacher::open(&teacher, &material, run.path(), &Silent).unwrap();
        let images = dataset::load(&data.train, INPUT, &Silent).unwrap();
        let mut model = crate::network::FloatModel::new(graph.clone(), 1);
        let expected = crate::evaluation::EmbeddingModel::embed(&mut model, &images.pixels, &Silent).unwrap();
        assert_eq!(got.dimension, 64);
        let rows = got.rows(&(0..data.train.len()).collect::<Vec<_>>());
        assert_eq!(rows.len(), expected.len());
        assert!(rows.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-4));
        assert_eq!(got.rows(&[2, 0]), [&rows[128..192], &rows[..64]].concat());
    }
}

/// Counts pictures that were embedded, and stops after some.
struct Counting(AtomicU64, u64);

impl Progress for Counting {
    fn start(&self, _label: &str, _total: u64) {}
    fn advance(&self, steps: u64) {
        self.0.fetch_add(steps, Ordering::Relaxed);
    }
    fn message(&self, _text: &str) {}
    fn finish(&self) {}
    fn interrupted(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= self.1
    }
}

#[test]
fn a_run_embeds_once_and_others_can_take_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let (data, run) = (files(folder.path()), folder.path().join("run"));
    std::fs::create_dir(&run).unwrap();
    let material = material(&data);
    let teacher = settings(onnx(folder.path(), &network(42)), false);
    let count = Counting(AtomicU64::new(0), u64::MAX);
    let open = |teacher: &DistillationSettings, run: &Path| Teacher::open(teacher, &material, run, &count);
    let first = open(&teacher, &run).unwrap();
    assert_eq!(count.0.load(Ordering::Relaxed), 5);
    assert_eq!(open(&teacher, &run).unwrap(), first);
    let other = folder.path().join("other");
    std::fs::create_dir(&other).unwrap();
    assert_eq!(open(&settings(run.join(TEACHER), false), &other).unwrap(), first);
    assert_eq!(count.0.load(Ordering::Relaxed), 5, "nothing was embedded again");

    onnx(folder.path(), &network(43));
    let message = open(&teacher, &run).unwrap_err().to_string();
    assert!(message.contains(TEACHER) && message.contains("teacher.onnx"), "{message}");
    std::fs::remove_file(&teacher.teacher).unwrap();
    assert_eq!(open(&teacher, &run).unwrap(), first, "the run has what its teacher said");
}

#[test]
fn a_moved_data_set_is_the_same_and_another_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let [run, other, third] = ["run", "other", "third"].map(|name| folder.path().join(name));
    [&run, &other, &third].into_iter().for_each(|run| std::fs::create_dir(run).unwrap());
    let (data, moved) = (files(&folder.path().join("here")), files(&folder.path().join("there/deeper")));
    let teacher = settings(onnx(folder.path(), &network(44)), false);
    let first = Teacher::open(&teacher, &material(&data), &run, &Silent).unwrap();
    let kept = settings(run.join(TEACHER), false);
    let again = Teacher::open(&kept, &material(&moved), &other, &Silent).unwrap();
    assert_eq!(again, first);
    let error = Teacher::open(&kept, &material(&rendered()), &third, &Silent).unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, TeacherError::OtherPictures { known: 5, .. }), "{message}");
    assert!(message.contains("run/teacher.safetensors") && message.contains("synthetic"), "{message}");
    assert!(!third.join(TEACHER).exists(), "nothing is left behind");
}

#[test]
fn the_mean_is_taken_off() {
    let folder = tempfile::tempdir().unwrap();
    let data = files(folder.path());
    let teacher = onnx(folder.path(), &network(45));
    let open = |centre| Teacher::open(&settings(teacher.clone(), centre), &material(&data), folder.path(), &Silent);
    let (plain, centred) = (open(false).unwrap(), open(true).unwrap());
    for component in 0..plain.dimension {
        let mean = |teacher: &Teacher| (0..5).map(|row| teacher.rows(&[row])[component]).sum::<f32>() / 5.0;
        assert!(mean(&centred).abs() < 1e-6);
        let difference = plain.rows(&[3])[component] - centred.rows(&[3])[component];
        assert!((difference - mean(&plain)).abs() < 1e-6);
    }
}

#[test]
fn what_cannot_teach_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = files(folder.path());
    let material = material(&data);
    let run = folder.path().join("run");
    std::fs::create_dir(&run).unwrap();
    for (name, content) in [("t.txt", "text"), ("t.onnx", "no model"), ("t.safetensors", "no arrays")] {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let message = Teacher::open(&settings(path, true), &material, &run, &Silent).unwrap_err().to_string();
        assert!(message.contains("teacher") && message.contains(name), "{message}");
    }
    let none = settings(folder.path().join("none.onnx"), true);
    assert!(matches!(Teacher::open(&none, &material, &run, &Silent), Err(TeacherError::Io { .. })));
    let teacher = settings(onnx(folder.path(), &network(46)), true);
    let stop = Counting(AtomicU64::new(0), 0);
    let stopped = Teacher::open(&teacher, &material, &run, &stop);
    assert!(matches!(stopped, Err(TeacherError::Interrupted)), "{stopped:?}");
    assert!(!run.join(TEACHER).exists());
}
