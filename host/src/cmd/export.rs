//! `deja export`: a float network becomes an ONNX file for every other program.

use super::Context;
use super::model::{Reading, graph};
use crate::import::export::{PREPROCESSING_VALUE, export};
use crate::import::oracle;
use anyhow::Context as _;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Tract may differ from us by so much, in components of unit vectors.
const TOLERANCE: f32 = 1e-3;

const EXAMPLES: &str = "EXAMPLES:
  deja export run/model.safetensors --out model.onnx
  deja export elsewhere.onnx --pixels bgr:unit --out simplified.onnx";

/// Writes a float network as ONNX, and checks that the file computes the same
///
/// The file takes pictures [N, 3, height, width], already (pixel - 128)/64 in the order red, green, blue, and gives
/// embeddings [N, dimension] that are not normalized.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Checkpoint (.safetensors) or .onnx
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// File to write
    #[arg(long, value_name = "FILE.onnx")]
    out: PathBuf,
    #[command(flatten)]
    reading: Reading,
}

#[derive(Debug, Serialize)]
struct Outcome {
    model: PathBuf,
    bytes: usize,
    height: usize,
    width: usize,
    dimension: usize,
    preprocessing: &'static str,
    /// Largest difference between our embedding and that of tract, which ran the file, in components of unit vectors.
    difference: f32,
}

/// Exports.
///
/// # Errors
/// An unusable network, a file that computes something else, or one that cannot be written.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let graph = graph(&args.model, &args.reading)?;
    let bytes = export(&graph);
    let difference = oracle::difference(&graph, &bytes)?;
    anyhow::ensure!(
        difference < TOLERANCE,
        "{}: tract computes another embedding from the exported network (by {difference}); nothing was written",
        args.model.display()
    );
    write(&args.out, &bytes)?;
    let input = graph.input();
    let outcome = Outcome {
        model: args.out.clone(),
        bytes: bytes.len(),
        height: input.height,
        width: input.width,
        dimension: graph.dimension(),
        preprocessing: PREPROCESSING_VALUE,
        difference,
    };
    let Outcome { bytes, height, width, dimension, preprocessing, .. } = outcome;
    context.say(format_args!("{}: {bytes} bytes", context.style.bold(args.out.display())))?;
    context.say(format_args!("takes        [N, 3, {height}, {width}], {preprocessing}"))?;
    context.say(format_args!("gives        [N, {dimension}]; tract computes the same within {difference:.1e}"))?;
    context.finish(&outcome)
}

/// Whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let part = path.with_added_extension("part");
    let written = std::fs::write(&part, bytes).and_then(|()| std::fs::rename(&part, path));
    written.with_context(|| format!("{}: cannot be written", path.display()))
}
