//! `deja quantize`: a trained network becomes a file for cameras.

use super::Context;
use crate::dataset::{self, Dataset, Sample};
use crate::device::{cosine, hexadecimal};
use crate::quantize::threshold::{Choice, Policy, choose};
use crate::quantize::{Fidelity, Int8Model, Method, QuantizeError, Quantized, Settings, compare, quantize};
use crate::training::Checkpoint;
use anyhow::Context as _;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Pictures on which the int8 network is compared with the float one.
const COMPARED: usize = 32;

const EXAMPLES: &str = "EXAMPLES:
  deja quantize run/model.safetensors synthetic --out model.deja
  deja quantize run/model.safetensors market1501/ --out model.deja --fpir 0.001 --identities 50";

/// Quantizes a trained network to int8 and writes the file that cameras run
///
/// Training pictures calibrate the ranges of the activations; identities that were held out while training choose the
/// decision threshold.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Checkpoint (.safetensors) that `deja train` wrote
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// The training set
    #[arg(value_name = "DATA", long_help = format!("The training set:\n{}", dataset::LAYOUTS))]
    data: PathBuf,
    /// Model file to write
    #[arg(long, value_name = "MODEL.deja")]
    out: PathBuf,
    /// Pictures to calibrate with
    #[arg(long, default_value_t = 512, value_name = "N")]
    pictures: usize,
    /// Share of an activation's values within its range, in per cent; 100 clips nothing
    #[arg(long, default_value_t = 99.99)]
    percentile: f64,
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
    let ending = args.model.extension().and_then(|ending| ending.to_str());
    anyhow::ensure!(
        ending == Some("safetensors"),
        "{}: only checkpoints of `deja train` (.safetensors) can be quantized",
        args.model.display()
    );
    let checkpoint = Checkpoint::load(&args.model)?;
    let data = dataset::open(&args.data)?;
    let graph = checkpoint.model();
    let size = checkpoint.state.recipe.network.input;
    let (held_out, train) = divide(&data, &checkpoint.state.held_out);
    let calibration = load(&spread(&train, args.pictures), size, context)?;
    let method = if args.percentile < 100.0 { Method::Percentile(args.percentile) } else { Method::MinMax };
    let settings = Settings { method, ..Settings::default() };
    let mut quantized = quantize(&graph, &calibration.pixels, &settings, context.progress())?;
    let held_out = load(&held_out, size, context)?;
    let choice = choose_threshold(&mut quantized, &held_out, args, context)?;
    let compared = calibration.len().min(COMPARED) * graph.input().len();
    let fidelity = compare(&quantized, &calibration.pixels[..compared], context.progress())?;
    write(&args.out, &quantized.bytes)?;
    let model = Int8Model::from_bytes(quantized.bytes)?;
    let header = *model.model().header();
    let outcome = Outcome {
        model: args.out.clone(),
        fingerprint: hexadecimal(&header.fingerprint),
        bytes: model.model().bytes().len(),
        arena_bytes: header.arena_bytes,
        calibrated_with: calibration.len(),
        threshold: choice.as_ref().map(Threshold::of),
        fidelity,
    };
    show(&outcome, context)?;
    context.finish(&outcome)
}

/// The training samples of the identities that were held out, and the others.
fn divide(data: &Dataset, held_out: &[String]) -> (Vec<Sample>, Vec<Sample>) {
    let names: std::collections::HashSet<&str> = held_out.iter().map(String::as_str).collect();
    let is_held_out = |sample: &Sample| {
        sample.identity.known().and_then(|index| data.identities.get(index)).is_some_and(|name| names.contains(name.as_str()))
    };
    data.train.iter().cloned().partition(is_held_out)
}

/// At most `count` samples, evenly spread.
fn spread(samples: &[Sample], count: usize) -> Vec<Sample> {
    let count = count.min(samples.len());
    (0..count).map(|index| samples[index * samples.len() / count].clone()).collect()
}

fn load(samples: &[Sample], size: [usize; 2], context: &Context) -> anyhow::Result<dataset::Images> {
    let images = dataset::load(samples, size, context.progress())?;
    for picture in &images.skipped {
        context.warn(format_args!("skipped {}: {}", picture.path.display(), picture.reason));
    }
    Ok(images)
}

/// From the held-out identities as the camera embeds them; with too few, the model knows nobody until it is told how
/// alike somebody must be.
fn choose_threshold(
    quantized: &mut Quantized,
    held_out: &dataset::Images,
    args: &Args,
    context: &Context,
) -> anyhow::Result<Option<Choice>> {
    let model = Int8Model::from_bytes(quantized.bytes.clone())?;
    let embeddings = model.embeddings(&held_out.pixels, context.progress())?;
    let labelled = embeddings.into_iter().zip(&held_out.identities).filter_map(|(embedding, identity)| {
        Some((embedding?, u32::try_from(identity.known()?).ok()?))
    });
    let policy = Policy { fpir: args.fpir, gallery_identities: args.identities, ..Policy::default() };
    match choose(&labelled.collect::<Vec<_>>(), &policy) {
        Ok(choice) => {
            quantized.set_threshold(&choice.threshold)?;
            Ok(Some(choice))
        }
        Err(error @ QuantizeError::HeldOut { .. }) => {
            context.warn(format_args!(
                "no threshold: {error}. Cameras will know nobody until `deja gallery --device … threshold COSINE`"
            ));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
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
