//! A model by its file: checkpoint, ONNX or `.deja`.

use super::Context;
use crate::dataset::{self, Dataset};
use crate::evaluation::EmbeddingModel;
use crate::import::{ImportError, OnnxModel, Preprocessing, import};
use crate::network::{FloatModel, Graph};
use crate::quantize::Int8Model;
use crate::training::Checkpoint;
use std::path::Path;

const PIXELS: &str = "How an .onnx network wants its pixels; by default as its metadata say, else imagenet:
  imagenet  standardized with the statistics of ImageNet
  unit      0 to 1
  signed    -1 to 1
  raw       0 to 255
  deja      (pixel - 128)/64, as `deja train` does
  M,M,M/S,S,S  (pixel/255 - M)/S for red, green and blue, such as 0.485,0.456,0.406/0.229,0.224,0.225
With bgr: before it, such as bgr:raw, the network takes blue first.";

/// How a network from elsewhere is to be read.
#[derive(Debug, Clone, clap::Args)]
pub struct Reading {
    /// How an .onnx network wants its pixels: imagenet, unit, signed, raw, deja, M,M,M/S,S,S; bgr: before it for blue first
    #[arg(long, value_name = "WAY", long_help = PIXELS)]
    pixels: Option<Preprocessing>,
}

/// Opens the model in the file at `path`, whose ending says what it is.
///
/// An ONNX network that is not made of our layers is run by tract instead, with a warning.
///
/// # Errors
/// An unknown ending, and what the reader of that kind of file reports.
pub fn open(path: &Path, reading: &Reading, context: &Context) -> anyhow::Result<Box<dyn EmbeddingModel>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if ending(path) != Some("onnx") {
        reading.only_for_onnx(path)?;
    }
    Ok(match ending(path) {
        Some("safetensors") => Box::new(FloatModel::new(Checkpoint::load(path)?.model(), cores)),
        Some("onnx") => match import(path, reading.pixels) {
            Err(ImportError::Node(node)) => {
                context.warn(format_args!("{node}; so tract runs the file, more slowly"));
                let model = OnnxModel::open(path)?;
                Box::new(reading.pixels.into_iter().fold(model, OnnxModel::with_preprocessing))
            }
            graph => Box::new(FloatModel::new(graph?, cores)),
        },
        Some("deja") => Box::new(Int8Model::open(path)?),
        _ => anyhow::bail!("{}: no model; give a checkpoint (.safetensors), an .onnx or a .deja file", path.display()),
    })
}

/// The float network in a checkpoint or an ONNX file.
///
/// # Errors
/// Another ending, and what the reader of that kind of file reports.
pub fn graph(path: &Path, reading: &Reading) -> anyhow::Result<Graph> {
    match ending(path) {
        Some("safetensors") => {
            reading.only_for_onnx(path)?;
            Ok(Checkpoint::load(path)?.model())
        }
        Some("onnx") => Ok(import(path, reading.pixels)?),
        _ => anyhow::bail!("{}: no float network; give a checkpoint (.safetensors) or an .onnx file", path.display()),
    }
}

/// What a run left in the checkpoint at `path`, and the data set at `data`, which it was trained on. An ONNX network is
/// taken for one that such a run has left.
///
/// # Errors
/// As [`graph`]; a data set that cannot be opened, or with too few identities.
pub fn trained(path: &Path, reading: &Reading, data: &Path) -> anyhow::Result<(Checkpoint, Dataset)> {
    if ending(path) == Some("safetensors") {
        reading.only_for_onnx(path)?;
        return Ok((Checkpoint::load(path)?, dataset::open(data)?));
    }
    let graph = graph(path, reading)?;
    let data = dataset::open(data)?;
    Ok((Checkpoint::imported(graph, &data)?, data))
}

impl Reading {
    fn only_for_onnx(&self, path: &Path) -> anyhow::Result<()> {
        anyhow::ensure!(self.pixels.is_none(), "{}: --pixels is for .onnx files; others know theirs", path.display());
        Ok(())
    }
}

fn ending(path: &Path) -> Option<&str> {
    path.extension().and_then(|ending| ending.to_str())
}
