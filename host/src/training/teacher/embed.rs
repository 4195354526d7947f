//! Runs a teacher on the training pictures, a chunk at a time: a set at the teacher's size need not fit in memory.

use super::super::Checkpoint;
use super::TeacherError;
use super::table::Table;
use crate::dataset::{self, DatasetError, Sample};
use crate::evaluation::EmbeddingModel;
use crate::import::OnnxModel;
use crate::network::FloatModel;
use crate::progress::{Progress, Quiet};
use std::path::Path;

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
