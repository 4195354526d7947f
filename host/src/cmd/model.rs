//! A model by its file: checkpoint, ONNX or `.deja`.

use crate::evaluation::EmbeddingModel;
use crate::import::OnnxModel;
use crate::network::FloatModel;
use crate::quantize::Int8Model;
use crate::training::Checkpoint;
use std::path::Path;

/// Opens the model in the file at `path`, whose ending says what it is.
///
/// # Errors
/// An unknown ending, and what the reader of that kind of file reports.
pub fn open(path: &Path) -> anyhow::Result<Box<dyn EmbeddingModel>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(match path.extension().and_then(|ending| ending.to_str()) {
        Some("safetensors") => Box::new(FloatModel::new(Checkpoint::load(path)?.model(), cores)),
        Some("onnx") => Box::new(OnnxModel::open(path)?),
        Some("deja") => Box::new(Int8Model::open(path)?),
        _ => anyhow::bail!("{}: no model; give a checkpoint (.safetensors), an .onnx or a .deja file", path.display()),
    })
}
