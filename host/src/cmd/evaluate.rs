//! `deja evaluate`: how well a model finds identities again.

use super::Context;
use super::model::open;
use crate::dataset::{self, Sample};
use crate::evaluation::{self, EmbeddingModel, Embeddings, Interval, Ranking, Rerank};
use crate::ui::{Align, Table};
use serde::Serialize;
use std::path::PathBuf;

/// The rates of false positive identification at which open-set results are stated.
const RATES: [f64; 3] = [0.1, 0.01, 0.001];

const EXAMPLES: &str = "EXAMPLES:
  deja evaluate run/model.safetensors synthetic
  deja evaluate model.deja market1501/ --rerank --open-set
  deja evaluate network.onnx vehicles/manifest.csv --json result.json";

/// Measures how well a model finds identities again: mAP, CMC, mINP
///
/// By the protocol of Market-1501: each query searches the gallery, without entries of its own identity and camera.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Checkpoint (.safetensors), .onnx or .deja
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Data set with a query and a gallery split
    #[arg(value_name = "DATA", long_help = format!("Data set with a query and a gallery split:\n{}", dataset::LAYOUTS))]
    data: PathBuf,
    /// Also rank with k-reciprocal re-ranking
    #[arg(long)]
    rerank: bool,
    /// Also with half of the identities as strangers
    #[arg(long)]
    open_set: bool,
}

#[derive(Debug, Serialize)]
struct Outcome {
    #[serde(flatten)]
    scores: Scores,
    unmatched: usize,
    skipped: Vec<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reranked: Option<Scores>,
    #[serde(skip_serializing_if = "Option::is_none")]
    open_set: Option<OpenSet>,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Scores {
    queries: usize,
    gallery: usize,
    map: f64,
    rank1: f64,
    rank5: f64,
    rank10: f64,
    minp: f64,
}

#[derive(Debug, Serialize)]
struct OpenSet {
    known: usize,
    strangers: usize,
    enrolled: usize,
    points: Vec<Point>,
}

/// Shares of probes at one threshold.
#[derive(Debug, Serialize)]
struct Point {
    /// Wanted share of strangers that are named.
    target_fpir: f64,
    threshold: f32,
    fpir: f64,
    fnir: f64,
    dir: f64,
    /// 95 % interval of `dir`.
    dir_low: f64,
    dir_high: f64,
}

/// Evaluates.
///
/// # Errors
/// A model or data set that cannot be used.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let data = dataset::open(&args.data)?;
    data.check_evaluable()?;
    let mut model = open(&args.model)?;
    let mut skipped = Vec::new();
    let queries = embed(&mut *model, &data.query, &mut skipped, context)?;
    let gallery = embed(&mut *model, &data.gallery, &mut skipped, context)?;
    let ranking = evaluation::rank(&queries, &gallery)?;
    let reranked = args.rerank.then(|| evaluation::rerank(&queries, &gallery, &Rerank::default())).transpose()?;
    let open_set = args.open_set.then(|| open_set(&queries, &gallery)).transpose()?;
    let outcome = Outcome {
        scores: Scores::of(&ranking),
        unmatched: ranking.unmatched,
        skipped,
        reranked: reranked.as_ref().map(Scores::of),
        open_set,
    };
    show(&outcome, &data.name, context)?;
    context.finish(&outcome)
}

/// Reads and embeds; names what cannot be read.
fn embed(
    model: &mut dyn EmbeddingModel,
    samples: &[Sample],
    skipped: &mut Vec<PathBuf>,
    context: &Context,
) -> anyhow::Result<Embeddings> {
    let images = dataset::load(samples, model.input(), context.progress())?;
    for picture in &images.skipped {
        context.warn(format_args!("skipped {}: {}", picture.path.display(), picture.reason));
        skipped.push(picture.path.clone());
    }
    Ok(Embeddings::of(model, &images, context.progress())?)
}

fn open_set(queries: &Embeddings, gallery: &Embeddings) -> anyhow::Result<OpenSet> {
    let strangers = evaluation::every_second_identity(queries);
    let evaluation::OpenSet { known, strangers, enrolled, points } =
        evaluation::open_set(queries, gallery, &strangers, &RATES, 1)?;
    let point = |point: &evaluation::OpenSetPoint| {
        let Interval { value: dir, low: dir_low, high: dir_high } = point.dir;
        let &evaluation::OpenSetPoint { target: target_fpir, threshold, fpir, fnir, .. } = point;
        Point { target_fpir, threshold, fpir, fnir, dir, dir_low, dir_high }
    };
    Ok(OpenSet { known, strangers, enrolled, points: points.iter().map(point).collect() })
}

impl Scores {
    fn of(ranking: &Ranking) -> Self {
        Self {
            queries: ranking.queries.len(),
            gallery: ranking.gallery,
            map: ranking.map,
            rank1: ranking.rank1(),
            rank5: ranking.rank5(),
            rank10: ranking.rank10(),
            minp: ranking.minp,
        }
    }

    fn cells(&self, label: &str) -> Vec<String> {
        let figures = [self.map, self.rank1, self.rank5, self.rank10, self.minp];
        std::iter::once(label.to_owned()).chain(figures.map(percent)).collect()
    }
}

fn show(outcome: &Outcome, data: &str, context: &Context) -> anyhow::Result<()> {
    let Scores { queries, gallery, .. } = outcome.scores;
    context.say(format_args!("{data}: {queries} queries, {gallery} gallery pictures"))?;
    if outcome.unmatched > 0 {
        context.note(format_args!("{} queries have no match in the gallery and were left out", outcome.unmatched));
    }
    let figures = ["mAP", "rank-1", "rank-5", "rank-10", "mINP"].map(|name| (name, Align::Right));
    let mut table = Table::new(&[&[("ranking", Align::Left)], &figures[..]].concat());
    table.row(outcome.scores.cells("cosine"));
    if let Some(reranked) = &outcome.reranked {
        table.row(reranked.cells("re-ranked"));
    }
    context.say(table)?;
    let Some(open_set) = &outcome.open_set else { return Ok(()) };
    let OpenSet { known, strangers, enrolled, points } = open_set;
    context
        .say(format_args!("\n{known} probes of {enrolled} enrolled pictures' identities, {strangers} of strangers"))?;
    let mut table =
        Table::new(&["FPIR ≤", "FPIR", "DIR", "95 % interval", "threshold"].map(|name| (name, Align::Right)));
    for point in points {
        let interval = format!("{} – {}", percent(point.dir_low), percent(point.dir_high));
        let target = format!("{} %", point.target_fpir * 100.0);
        table.row([target, percent(point.fpir), percent(point.dir), interval, format!("{:.4}", point.threshold)]);
    }
    context.say(table)
}

fn percent(fraction: f64) -> String {
    format!("{:.1} %", fraction * 100.0)
}
