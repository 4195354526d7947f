//! `deja quantize`: a trained network becomes a file for cameras.

mod outcome;

use super::Context;
use super::model::{Reading, trained};
use crate::dataset;
use crate::quantize::ship::CALIBRATION;
use crate::quantize::{BUDGET, Int8Model, Int16, Method, Policy, Request, Settings, Shipped, qat, quantize_checkpoint};
use anyhow::Context as _;
use outcome::Outcome;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "EXAMPLES:
  deja quantize run/model.safetensors synthetic --out model.deja
  deja quantize run/model.safetensors market1501/ --out model.deja --fpir 0.001 --identities 50
  deja quantize run/model.safetensors market1501/ --out model.deja --held-out others/ --budget 0.002
  deja quantize run/model.safetensors market1501/ --out model.deja --qat
  deja quantize run/model.safetensors market1501/ --out model.deja --arena-limit 65536
  deja quantize elsewhere.onnx market1501/ --out model.deja --pixels imagenet
  deja quantize run/model.safetensors market1501/ --out model.deja --int16 blocks.2.add,blocks.3.add
  deja quantize run/model.safetensors market1501/ --out model.deja --calibration entropy --sensitivity";

/// Quantizes a trained network to int8 and writes the file that cameras run
///
/// Training pictures calibrate the ranges of the activations. On identities that the network was not trained on, float and
/// int8 are compared in retrieval, and the decision threshold is chosen; a model that loses more than the budget is not
/// written.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Checkpoint (.safetensors) that `deja train` wrote, or a network from elsewhere (.onnx)
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// The training set of the checkpoint; for an .onnx, identities that it does not know
    #[arg(value_name = "DATA", long_help = format!("The training set of the checkpoint; for an .onnx, a set of identities \
        that it does not know:\n{}", dataset::LAYOUTS))]
    data: PathBuf,
    /// Model file to write
    #[arg(long, value_name = "MODEL.deja")]
    out: PathBuf,
    /// Pictures to calibrate with
    #[arg(long, default_value_t = CALIBRATION, value_name = "N")]
    pictures: usize,
    /// How the ranges of activations are chosen; best takes, for each, the one of the others that hurts its readers least
    #[arg(long, value_enum, default_value_t = Calibration::Best, value_name = "METHOD")]
    calibration: Calibration,
    /// With --calibration percentile: share of an activation's values within its range, in per cent
    #[arg(long, default_value_t = 99.99, value_name = "P")]
    percentile: f64,
    /// Steps to leave out
    #[arg(long, value_enum, value_delimiter = ',', value_name = "A,B,…")]
    without: Vec<Step>,
    /// Fine-tune the network to what int8 rounds, on all training pictures: minutes instead of seconds
    #[arg(long)]
    qat: bool,
    /// Passes over the training pictures with --qat
    #[arg(long, default_value_t = qat::Settings::default().epochs, value_name = "N", requires = "qat", value_parser = clap::value_parser!(u64).range(1..))]
    qat_epochs: u64,
    /// Largest step with --qat, as a share of what the scale of a weight or an activation covers
    #[arg(long, default_value_t = qat::Settings::default().learning_rate, value_name = "RATE", requires = "qat")]
    qat_rate: f32,
    /// Layers whose results get 16 bits, by name. auto: none, unless int8 loses more than the budget or the mean cosine to
    /// float is below 0.95; then those that hurt most, as few as suffice. Not with --qat, which trains for 8 bits
    #[arg(
        long,
        value_name = "auto|none|LAYER,…",
        value_delimiter = ',',
        default_value = "auto",
        conflicts_with = "qat"
    )]
    int16: Vec<String>,
    /// Bytes of activation memory that the camera has for it. By default as few as rows of layers computed together can do
    /// at hardly any cost; with a limit, layers are computed in smaller bands of rows, or twice, as far as it takes
    #[arg(long, value_name = "BYTES")]
    arena_limit: Option<usize>,
    /// Data set of identities that the network was not trained on; by default those that the run held out
    #[arg(long, value_name = "DATA")]
    held_out: Option<PathBuf>,
    /// What int8 may lose in mAP on held-out identities, as a fraction: 0.005 is half a point
    #[arg(long, default_value_t = BUDGET, value_name = "MAP")]
    budget: f64,
    /// Write the model even when it loses more than the budget
    #[arg(long)]
    force: bool,
    /// Say what each layer costs when it alone is int8
    #[arg(long)]
    sensitivity: bool,
    /// Wanted share of strangers' pictures that are taken for somebody
    #[arg(long, default_value_t = Policy::default().fpir)]
    fpir: f64,
    /// Identities that a camera will know; by default as many as half of those held out
    #[arg(long, value_name = "N")]
    identities: Option<u16>,
    #[command(flatten)]
    reading: Reading,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Calibration {
    /// The least and the greatest value
    MinMax,
    /// All but a few at each end
    Percentile,
    /// The least squared error
    LeastSquares,
    /// The least divergence between the distributions
    Entropy,
    /// The one of these that hurts least, for each activation
    Best,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Step {
    /// Similar ranges for channels that share a scale
    Equalization,
    /// Weights rounded for the layer's output instead of each to the nearest
    Rounding,
    /// Biases that make up for shifted means
    BiasCorrection,
}

impl Args {
    fn int16(&self) -> Int16<'_> {
        match &self.int16[..] {
            [word] if word == "auto" => Int16::Auto,
            [word] if word == "none" => Int16::None,
            layers => Int16::Layers(layers),
        }
    }

    fn settings(&self) -> Settings {
        let method = match self.calibration {
            Calibration::MinMax => Method::MinMax,
            Calibration::Percentile => Method::Percentile(self.percentile),
            Calibration::LeastSquares => Method::LeastSquares,
            Calibration::Entropy => Method::Entropy,
            Calibration::Best => Method::Best,
        };
        let with = |step: Step| !self.without.contains(&step);
        Settings {
            method,
            equalize: with(Step::Equalization),
            adaptive_rounding: with(Step::Rounding),
            correct_biases: with(Step::BiasCorrection),
            arena_limit: self.arena_limit,
            qat_epochs: if self.qat { self.qat_epochs } else { 0 },
            qat_rate: self.qat_rate,
            ..Settings::default()
        }
    }
}

/// Quantizes.
///
/// # Errors
/// An unusable checkpoint or data set, a network that cannot be lowered or loses too much, a file that cannot be written.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    anyhow::ensure!((0.0..=1.0).contains(&args.budget), "--budget {}: give a fraction of mAP from 0 to 1", args.budget);
    let (checkpoint, data) = trained(&args.model, &args.reading, &args.data)?;
    let held_out = args.held_out.as_deref().map(dataset::open).transpose()?;
    if checkpoint.state.dataset != data.name && held_out.is_none() {
        context.warn(format_args!(
            "the network was trained on {}, and this is {}: if these are other pictures, who was held out there is not who \
             bears that name here; name identities it does not know with --held-out",
            checkpoint.state.dataset, data.name
        ));
    }
    let policy = Policy { fpir: args.fpir, gallery_identities: args.identities, ..Policy::default() };
    let (settings, calibration) = (args.settings(), args.pictures);
    let (int16, budget) = (args.int16(), args.budget);
    let request = Request { settings, calibration, policy, held_out: held_out.as_ref(), int16, budget };
    let shipped = quantize_checkpoint(&checkpoint, &data, &request, context.progress())?;
    for picture in &shipped.skipped {
        context.warn(format_args!("skipped {}: {}", picture.path.display(), picture.reason));
    }
    check(&shipped, args, context)?;
    write(&args.out, &shipped.quantized.bytes)?;
    let model = Int8Model::from_bytes(shipped.quantized.bytes.clone())?;
    let layers = args.sensitivity.then(|| shipped.sensitivity(context.progress())).transpose()?;
    let outcome = Outcome::of(args.out.clone(), *model.model().header(), shipped, layers);
    outcome.show(context)?;
    context.finish(&outcome)
}

/// Refuses a model that loses too much, unless forced; says what could not be looked at.
fn check(shipped: &Shipped, args: &Args, context: &Context) -> anyhow::Result<()> {
    let refused = shipped.check_budget(args.budget, context.progress());
    match refused {
        Err(error) if args.force => context.warn(format_args!("{error}; written all the same")),
        refused => refused?,
    }
    let remedy = "train with `validation` above 0, or name a data set of other identities with --held-out";
    if shipped.gate.is_none() {
        let what = "what int8 costs in retrieval is not known: no held-out identity is seen by two cameras";
        context.warn(format_args!("{what}; {remedy}"));
    }
    if shipped.choice.is_none() {
        context.warn(format_args!(
            "no threshold: there are too few held-out identities to choose one; {remedy}. Cameras will know nobody until \
             `deja gallery --device … threshold COSINE`"
        ));
    }
    Ok(())
}

/// Whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let part = path.with_added_extension("part");
    let written = std::fs::write(&part, bytes).and_then(|()| std::fs::rename(&part, path));
    written.with_context(|| format!("{}: cannot be written", path.display()))
}
