//! `deja quantize`: a trained network becomes a file for cameras.

use super::Context;
use super::model::{Reading, trained};
use crate::dataset;
use crate::device::cosine;
use crate::hexadecimal::hexadecimal;
use crate::quantize::from_checkpoint::CALIBRATION;
use crate::quantize::{Choice, Fidelity, Int8Model, Method, Policy, Settings, Shipped, qat, quantize_checkpoint};
use anyhow::Context as _;
use serde::Serialize;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "EXAMPLES:
  deja quantize run/model.safetensors synthetic --out model.deja
  deja quantize run/model.safetensors market1501/ --out model.deja --fpir 0.001 --identities 50
  deja quantize run/model.safetensors market1501/ --out model.deja --qat
  deja quantize network.onnx market1501/ --out model.deja";

/// Quantizes a trained network to int8 and writes the file that cameras run
///
/// Training pictures calibrate the ranges of the activations; identities that were held out while training choose the
/// decision threshold.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Checkpoint (.safetensors) that `deja train` wrote, or .onnx
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// The training set
    #[arg(value_name = "DATA", long_help = format!("The training set:\n{}", dataset::LAYOUTS))]
    data: PathBuf,
    /// Model file to write
    #[arg(long, value_name = "MODEL.deja")]
    out: PathBuf,
    #[command(flatten)]
    reading: Reading,
    /// Pictures to calibrate with
    #[arg(long, default_value_t = CALIBRATION, value_name = "N")]
    pictures: usize,
    /// Share of an activation's values within its range, in per cent; 100 clips nothing
    #[arg(long, default_value_t = 99.99)]
    percentile: f64,
    /// Fine-tune the network to what int8 rounds, on all training pictures: minutes instead of seconds
    #[arg(long)]
    qat: bool,
    /// Passes over the training pictures with --qat
    #[arg(long, default_value_t = qat::Settings::default().epochs, value_name = "N", requires = "qat", value_parser = clap::value_parser!(u64).range(1..))]
    qat_epochs: u64,
    /// Largest step with --qat, as a share of what the scale of a weight or an activation covers
    #[arg(long, default_value_t = qat::Settings::default().learning_rate, value_name = "RATE", requires = "qat")]
    qat_rate: f32,
    /// Wanted share of strangers' pictures that are taken for somebody
    #[arg(long, default_value_t = Policy::default().fpir)]
    fpir: f64,
    /// Identities that a camera will know; by default as many as half of those held out
    #[arg(long, value_name = "N")]
    identities: Option<u16>,
}

#[derive(Debug, Serialize)]
struct Outcome {
    model: PathBuf,
    fingerprint: String,
    bytes: usize,
    arena_bytes: u32,
    calibrated_with: usize,
    /// `null` where too few identities were held out to choose one.
    threshold: Option<Threshold>,
    /// Int8 against float.
    fidelity: Fidelity,
}

#[derive(Debug, Serialize)]
struct Threshold {
    cosine: f32,
    held_out_identities: usize,
    strangers_accepted: f64,
    known_recognised: f64,
}

/// Quantizes.
///
/// # Errors
/// An unusable checkpoint or data set, a network that cannot be lowered, a file that cannot be written.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let (checkpoint, data) = trained(&args.model, &args.reading, &args.data)?;
    let method = if args.percentile < 100.0 { Method::Percentile(args.percentile) } else { Method::MinMax };
    let qat_epochs = if args.qat { args.qat_epochs } else { 0 };
    let settings = Settings { method, qat_epochs, qat_rate: args.qat_rate, ..Settings::default() };
    let policy = Policy { fpir: args.fpir, gallery_identities: args.identities, ..Policy::default() };
    let how = (&settings, args.pictures);
    let Shipped { quantized, choice, fidelity, calibrated_with, skipped } =
        quantize_checkpoint(&checkpoint, &data, how, &policy, context.progress())?;
    for picture in &skipped {
        context.warn(format_args!("skipped {}: {}", picture.path.display(), picture.reason));
    }
    if choice.is_none() {
        context.warn(
            "no threshold: the run held out too few identities to choose one. Cameras will know nobody until \
             `deja gallery --device … threshold COSINE`",
        );
    }
    write(&args.out, &quantized.bytes)?;
    let model = Int8Model::from_bytes(quantized.bytes)?;
    let header = *model.model().header();
    let outcome = Outcome {
        model: args.out.clone(),
        fingerprint: hexadecimal(&header.fingerprint),
        bytes: model.model().bytes().len(),
        arena_bytes: header.arena_bytes,
        calibrated_with,
        threshold: choice.as_ref().map(Threshold::of),
        fidelity,
    };
    show(&outcome, context)?;
    context.finish(&outcome)
}

/// Whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let part = path.with_added_extension("part");
    let written = std::fs::write(&part, bytes).and_then(|()| std::fs::rename(&part, path));
    written.with_context(|| format!("{}: cannot be written", path.display()))
}

impl Threshold {
    fn of(choice: &Choice) -> Self {
        Self {
            cosine: cosine(choice.threshold.q15),
            held_out_identities: choice.identities,
            strangers_accepted: choice.strangers_accepted,
            known_recognised: choice.known_recognised,
        }
    }
}

fn show(outcome: &Outcome, context: &Context) -> anyhow::Result<()> {
    let Outcome { model, bytes, arena_bytes, calibrated_with, fidelity, .. } = outcome;
    let Fidelity { mean_cosine, least_cosine, .. } = fidelity;
    context.say(format_args!("{}: {bytes} bytes", context.style.bold(model.display())))?;
    context.say(format_args!("fingerprint  {}", outcome.fingerprint))?;
    context.say(format_args!("arena        {arena_bytes} bytes"))?;
    context.say(format_args!("calibrated   with {calibrated_with} pictures"))?;
    context.say(format_args!("int8, float  cosine {mean_cosine:.4} on average, {least_cosine:.4} at least"))?;
    let Some(threshold) = &outcome.threshold else { return Ok(()) };
    let Threshold { cosine, held_out_identities, strangers_accepted, known_recognised } = threshold;
    let (accepted, recognised) = (strangers_accepted * 100.0, known_recognised * 100.0);
    context.say(format_args!(
        "threshold    cosine {cosine:.4}: {recognised:.1} % of known pictures named rightly, {accepted:.1} % of strangers' \
         accepted ({held_out_identities} held-out identities)"
    ))
}
