//! Runs a teacher on the training pictures, a chunk at a time: a set at the teacher's size need not fit in memory.

use super::super::Checkpoint;
use super::TeacherError;
use super::table::Table;
use crate::dataset::{self, Dataset, DatasetError, Sample, Source};
use crate::evaluation::EmbeddingModel;
use crate::import::OnnxModel;
use crate::network::FloatModel;
use crate::progress::Progress;
use std::path::{Path, PathBuf};

/// Pictures in memory at once.
const CHUNK: usize = 256;

/// Embeds the samples, which are called `pictures`, with the model in the file at `path`.
pub fn embed(
    path: &Path,
    bytes: &[u8],
    (samples, pictures): (&[Sample], &[String]),
    progress: &dyn Progress,
) -> Result<Table, TeacherError> {
    let mut model = model(path, bytes)?;
    progress.start("embedding with the teacher", samples.len() as u64);
    let mut embeddings = Vec::new();
    let mut chunks = samples.chunks(CHUNK);
    let outcome = chunks.try_for_each(|chunk| {
        embeddings.extend(embed_chunk(&mut *model, path, chunk, progress)?);
        progress.advance(chunk.len() as u64);
        Ok(())
    });
    progress.finish();
    outcome.map_err(|error| if progress.interrupted() { TeacherError::Interrupted } else { error })?;
    let dimension = model.dimension();
    let mut rows = embeddings.chunks_exact(dimension).zip(pictures);
    match rows.find(|(row, _)| row.iter().any(|x| !x.is_finite())) {
        Some((_, picture)) => Err(TeacherError::NotFinite { path: path.to_owned(), picture: picture.clone() }),
        None => Ok(Table::new(dimension, pictures.to_vec(), embeddings)),
    }
}

fn model(path: &Path, bytes: &[u8]) -> Result<Box<dyn EmbeddingModel>, TeacherError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("safetensors") => Ok(Box::new(FloatModel::new(Checkpoint::load(path)?.model(), cores))),
        Some("onnx") => Ok(Box::new(OnnxModel::from_bytes(path, bytes)?)),
        _ => Err(TeacherError::Unknown(path.to_owned())),
    }
}

fn embed_chunk(
    model: &mut dyn EmbeddingModel,
    path: &Path,
    samples: &[Sample],
    progress: &dyn Progress,
) -> Result<Vec<f32>, TeacherError> {
    let quiet = Quiet(progress);
    let images = dataset::load(samples, model.input(), &quiet)?;
    if !images.skipped.is_empty() {
        return Err(DatasetError::TooManyUnreadable { skipped: images.skipped, total: samples.len() }.into());
    }
    model.embed(&images.pixels, &quiet).map_err(|source| TeacherError::Embed { path: path.to_owned(), source })
}

/// Hears about an interruption, and says nothing: the chunks' own bars would flicker.
struct Quiet<'a>(&'a dyn Progress);

impl Progress for Quiet<'_> {
    fn start(&self, _label: &str, _total: u64) {}
    fn advance(&self, _steps: u64) {}
    fn message(&self, _text: &str) {}
    fn finish(&self) {}
    fn interrupted(&self) -> bool {
        self.0.interrupted()
    }
}

/// What the samples are called in a file of embeddings: files by their path below the folder that all training pictures of
/// the data set share, with `/` between its parts; rendered pictures by what is drawn.
pub fn names(data: &Dataset, samples: &[Sample]) -> Vec<String> {
    let files = data.train.iter().filter_map(|sample| match &sample.source {
        Source::File(path) => path.parent(),
        Source::Rendered(_) => None,
    });
    let shared = files.fold(None, |shared: Option<PathBuf>, folder| match shared {
        Some(shared) => shared.ancestors().find(|ancestor| folder.starts_with(ancestor)).map(Path::to_owned),
        None => Some(folder.to_owned()),
    });
    let shared = shared.unwrap_or_default();
    samples.iter().map(|sample| name(&sample.source, &shared)).collect()
}

fn name(source: &Source, shared: &Path) -> String {
    match source {
        Source::File(path) => {
            let below = path.strip_prefix(shared).unwrap_or(path);
            let parts: Vec<_> = below.components().map(|part| part.as_os_str().to_string_lossy()).collect();
            parts.join("/")
        }
        Source::Rendered(rendering) => format!("{rendering:?}"),
    }
}
