//! `deja evaluate`: how well a model finds identities again.

mod outcome;
mod tables;

use super::Context;
use super::model::{Reading, open};
use crate::dataset::{self, Dataset, Sample};
use crate::evaluation::{self, EmbeddingModel, Embeddings, Rerank};
use crate::network::{Engine, FloatModel};
use crate::projection::MetricOnTop;
use crate::training::Checkpoint;
use anyhow::Context as _;
use outcome::{CameraPair, OnTop, OpenSet, Outcome, Scores, Verification};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The rates of false positive identification at which open-set results are stated.
const RATES: [f64; 3] = [0.1, 0.01, 0.001];

/// Pictures that the engine takes at once.
const BATCH: usize = 64;

const EXAMPLES: &str = "EXAMPLES:
  deja evaluate run/model.safetensors synthetic
  deja evaluate model.deja market1501/ --rerank --expand-queries 3 --cameras
  deja evaluate network.onnx vehicles/manifest.csv --verification --open-set --json result.json
  deja evaluate network.onnx market1501/ --pixels bgr:unit
  deja evaluate run/model.safetensors market1501/ --metric lda --save-model lda.safetensors
  deja evaluate run/model.safetensors market1501/ --save-embeddings embeddings.safetensors
  deja evaluate --embeddings embeddings.safetensors";

/// Measures how well a model finds identities again: mAP, CMC, mINP
///
/// By the protocol of Market-1501: each query searches the gallery, without entries of its own identity and camera.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Checkpoint (.safetensors), .onnx or .deja
    #[arg(value_name = "MODEL", required_unless_present = "embeddings")]
    model: Option<PathBuf>,
    /// Data set with a query and a gallery split
    #[arg(
        value_name = "DATA",
        required_unless_present = "embeddings",
        long_help = format!("Data set with a query and a gallery split:\n{}", dataset::LAYOUTS)
    )]
    data: Option<PathBuf>,
    #[command(flatten)]
    reading: Reading,
    /// Also rank with k-reciprocal re-ranking
    #[arg(long)]
    rerank: bool,
    /// Also rank with queries averaged with their K nearest gallery entries
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    expand_queries: Option<u32>,
    /// Also tell pairs of pictures apart: TAR at FAR, EER, ROC
    #[arg(long)]
    verification: bool,
    /// Also with half of the identities as strangers: DIR at FPIR, with intervals
    #[arg(long)]
    open_set: bool,
    /// Also rank for each pair of cameras
    #[arg(long)]
    cameras: bool,
    /// Also with whitening or lda, learned on DATA's training pictures and folded into the checkpoint
    #[arg(long, value_name = "METRIC", value_parser = parse_metric)]
    metric: Option<MetricOnTop>,
    /// Write the checkpoint with the metric in it
    #[arg(long, value_name = "FILE", requires = "metric")]
    save_model: Option<PathBuf>,
    /// Write the embeddings of queries and gallery
    #[arg(long, value_name = "FILE")]
    save_embeddings: Option<PathBuf>,
    /// Evaluate these embeddings instead of a model
    #[arg(long, value_name = "FILE", conflicts_with_all = ["model", "data", "metric", "save_embeddings"])]
    embeddings: Option<PathBuf>,
}

/// Evaluates.
///
/// # Errors
/// A model, data set or file of embeddings that cannot be used.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let (name, outcome) = match (&args.embeddings, &args.model, &args.data) {
        (Some(path), ..) => {
            let (queries, gallery) = evaluation::read_embeddings(path)?;
            (path.display().to_string(), measure(&queries, &gallery, args)?)
        }
        (None, Some(model), Some(data)) => evaluate(model, data, args, context)?,
        _ => anyhow::bail!("give a MODEL and DATA, or --embeddings FILE"),
    };
    tables::show(&outcome, &name, context)?;
    context.finish(&outcome)
}

/// The name of the data set, and what was measured on it.
fn evaluate(model: &Path, data: &Path, args: &Args, context: &Context) -> anyhow::Result<(String, Outcome)> {
    let data = dataset::open(data)?;
    data.check_evaluable()?;
    let metric = args.metric.filter(|&metric| metric != MetricOnTop::None);
    let checkpoint = metric.map(|_| checkpoint(model)).transpose()?;
    let mut opened = open(model, &args.reading, context)?;
    let mut skipped = Vec::new();
    let queries = embed(&mut *opened, &data.query, &mut skipped, context)?;
    let gallery = embed(&mut *opened, &data.gallery, &mut skipped, context)?;
    if let Some(path) = &args.save_embeddings {
        evaluation::write_embeddings(path, &queries, &gallery)?;
    }
    let mut outcome = measure(&queries, &gallery, args)?;
    if let (Some(metric), Some(checkpoint)) = (metric, checkpoint) {
        outcome.metric_on_top = Some(on_top(metric, checkpoint, &data, args, &mut skipped, context)?);
    }
    outcome.skipped = skipped;
    Ok((data.name, outcome))
}

/// Everything that embeddings alone tell.
fn measure(queries: &Embeddings, gallery: &Embeddings, args: &Args) -> anyhow::Result<Outcome> {
    let start = Instant::now();
    let ranking = evaluation::rank(queries, gallery)?;
    let ranking_seconds = start.elapsed().as_secs_f64();
    let expanded = |neighbours: u32| {
        let expanded = evaluation::expand_queries(queries, gallery, neighbours as usize)?;
        Ok::<_, anyhow::Error>(Scores::of(&evaluation::rank(&expanded, gallery)?))
    };
    let reranked = || Ok::<_, anyhow::Error>(Scores::of(&evaluation::rerank(queries, gallery, &Rerank::default())?));
    let open_set = || {
        let strangers = evaluation::every_second_identity(queries);
        evaluation::open_set(queries, gallery, &strangers, &RATES, 1)
    };
    Ok(Outcome {
        scores: Scores::of(&ranking),
        unmatched: ranking.unmatched,
        skipped: Vec::new(),
        ranking_seconds,
        expanded: args.expand_queries.map(expanded).transpose()?,
        reranked: args.rerank.then(reranked).transpose()?,
        metric_on_top: None,
        verification: args.verification.then(|| verification(queries, gallery)).transpose()?,
        open_set: args.open_set.then(open_set).transpose()?.map(OpenSet::from),
        camera_pairs: args.cameras.then(|| camera_pairs(queries, gallery)).transpose()?,
    })
}

fn verification(queries: &Embeddings, gallery: &Embeddings) -> anyhow::Result<Verification> {
    Ok(evaluation::verify(&evaluation::pair_scores(queries, gallery)?).into())
}

fn camera_pairs(queries: &Embeddings, gallery: &Embeddings) -> anyhow::Result<Vec<CameraPair>> {
    Ok(evaluation::camera_pairs(queries, gallery)?.into_iter().map(CameraPair::from).collect())
}

fn checkpoint(model: &Path) -> anyhow::Result<Checkpoint> {
    let is_checkpoint = model.extension().is_some_and(|ending| ending == "safetensors");
    anyhow::ensure!(is_checkpoint, "{}: --metric folds into a checkpoint (.safetensors) only", model.display());
    Ok(Checkpoint::load(model)?)
}

/// Learns the metric on the training split, folds it in, and ranks with the network that results.
fn on_top(
    metric: MetricOnTop,
    checkpoint: Checkpoint,
    data: &Dataset,
    args: &Args,
    skipped: &mut Vec<PathBuf>,
    context: &Context,
) -> anyhow::Result<OnTop> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let graph = checkpoint.model();
    let input = [graph.input().height, graph.input().width];
    let images = load(&data.train, input, skipped, context)?;
    let mut engine = Engine::new(&graph, BATCH, cores);
    let folded = metric
        .applied(&mut engine, &graph, &images, context.progress())
        .with_context(|| format!("{}: nothing can be learned from its training pictures", data.name))?;
    if let Some(path) = &args.save_model {
        let state = checkpoint.state.with_metric_on_top(metric, folded.dimension(), None);
        Checkpoint { graph: folded.clone(), state, learner: None }.save(path)?;
    }
    let dimension = folded.dimension();
    let mut model = FloatModel::new(folded, cores);
    // The first round has named the pictures that cannot be read.
    let mut again = Vec::new();
    let queries = embed(&mut model, &data.query, &mut again, context)?;
    let gallery = embed(&mut model, &data.gallery, &mut again, context)?;
    let scores = Scores::of(&evaluation::rank(&queries, &gallery)?);
    Ok(OnTop { method: metric.name(), dimension, training_pictures: images.len(), scores })
}

fn embed(
    model: &mut dyn EmbeddingModel,
    samples: &[Sample],
    skipped: &mut Vec<PathBuf>,
    context: &Context,
) -> anyhow::Result<Embeddings> {
    let images = load(samples, model.input(), skipped, context)?;
    Ok(Embeddings::of(model, &images, context.progress())?)
}

/// Reads; names what cannot be read.
fn load(
    samples: &[Sample],
    input: [usize; 2],
    skipped: &mut Vec<PathBuf>,
    context: &Context,
) -> anyhow::Result<dataset::Images> {
    let images = dataset::load(samples, input, context.progress())?;
    for picture in &images.skipped {
        context.warn(format_args!("skipped {}: {}", picture.path.display(), picture.reason));
        skipped.push(picture.path.clone());
    }
    Ok(images)
}

fn parse_metric(text: &str) -> Result<MetricOnTop, serde::de::value::Error> {
    MetricOnTop::deserialize(text.into_deserializer())
}
