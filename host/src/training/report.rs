//! The page of a run: how it went, and how well it tells apart identities that it has never seen.

use super::{EpochRecord, Material, RunState, TrainingError};
use crate::dataset::Images;
use crate::evaluation::{Candidate, Embeddings, RankedQuery, rank};
use crate::network::{Engine, Graph};
use crate::report::chart::{ChartError, Labels, Series, curves, stacked};
use crate::report::rank_list::{self, Entry, RankList};
use crate::report::thumbnail_map::{self, Arrangement, Thumbnail};
use crate::report::{Page, embedding_map, tsne};
use std::collections::BTreeSet;
use std::path::Path;

/// Pictures on a map.
const MAPPED: usize = 300;
/// Height of a picture on a map.
const THUMBNAIL: usize = 56;
/// Rank lists shown.
const LISTS: usize = 8;
/// Matches in a rank list.
const MATCHES: usize = 10;

/// Why the page could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A chart.
    #[error(transparent)]
    Chart(#[from] ChartError),
    /// A picture.
    #[error("a picture could not be put on the page")]
    Picture(#[from] image::ImageError),
    /// The recipe.
    #[error("the recipe could not be put on the page")]
    Recipe(#[from] toml::ser::Error),
    /// The file.
    #[error(transparent)]
    Write(#[from] std::io::Error),
}

/// Writes the page of a finished run to `path`; `model` is what became of it.
///
/// # Errors
/// [`TrainingError::Report`].
pub fn write(
    path: &Path,
    state: &RunState,
    model: &Graph,
    engine: &mut Engine,
    material: &Material,
) -> Result<(), TrainingError> {
    let report = |source| TrainingError::Report { path: path.to_owned(), source };
    let page = page(state, model, engine, material).map_err(report)?;
    page.write(path).map_err(|source| report(source.into()))
}

fn page(state: &RunState, model: &Graph, engine: &mut Engine, material: &Material) -> Result<Page, ReportError> {
    let subtitle = format!("{} on {}, {} epochs", model.name, state.dataset, state.epoch);
    let mut page = Page::new("Déjà: a training run", &subtitle);
    summary(&mut page, state, material);
    warnings(&mut page, &state.history);
    training(&mut page, state)?;
    let held_out = &material.held_out;
    let vectors = engine.embed(model, &held_out.pixels, held_out.len());
    match Embeddings::new(model.dimension(), vectors, held_out.identities.clone(), held_out.cameras.clone()) {
        Ok(embeddings) if !embeddings.is_empty() => {
            maps(&mut page, state, held_out, &embeddings)?;
            rank_lists(&mut page, held_out, &embeddings)?;
        }
        _ => {
            page.heading("Held-out identities").paragraph(
                "The run held out no identities (validation, or too few of them), so there is nothing to show of strangers.",
            );
        }
    }
    page.heading("Recipe")
        .preformatted("Everything the run depends on besides its data", &toml::to_string(&state.recipe)?);
    Ok(page)
}

fn summary(page: &mut Page, state: &RunState, material: &Material) {
    let recipe = &state.recipe;
    let losses: Vec<&str> = recipe.losses.iter().map(|term| term.kind()).collect();
    let best = recipe.early_stopping.best(&state.history);
    let last = state.history.iter().rev().find(|record| record.validation_map.is_some());
    let [height, width] = recipe.network.input;
    let mut rows = vec![
        row("input, embedding", format!("{height}×{width}, {} components", recipe.network.embedding)),
        row("losses", losses.join(" + ")),
        row("trained on", format!("{} pictures of {} identities", material.train.len(), state.identities.len())),
        row("held out", format!("{} pictures of {} identities", material.held_out.len(), state.held_out.len())),
        row("epochs", format!("{} of {}", state.epoch, recipe.epochs)),
    ];
    if let Some((map, rank1)) = last.and_then(|record| record.validation_map.zip(record.validation_rank1)) {
        rows.push(row("held-out identities, last epoch", format!("mAP {}, rank-1 {}", percent(map), percent(rank1))));
    }
    if let Some(best) = best {
        let taken = if recipe.early_stopping.is_on() { ", whose weights are the model" } else { "" };
        rows.push(row("best epoch", format!("{} ({}){taken}", best.epoch, percent(best.value))));
    }
    page.table(&["run", ""], &rows);
}

fn row(name: &str, value: String) -> Vec<String> {
    vec![name.to_owned(), value]
}

fn warnings(page: &mut Page, history: &[EpochRecord]) {
    let said =
        |record: &EpochRecord| record.warnings.iter().map(|text| format!("epoch {}: {text}", record.epoch)).collect();
    let warnings: Vec<String> = history.iter().flat_map::<Vec<String>, _>(said).collect();
    if !warnings.is_empty() {
        page.heading("What the watchdog said");
        warnings.iter().for_each(|warning| {
            page.paragraph(warning);
        });
    }
}

fn training(page: &mut Page, state: &RunState) -> Result<(), ReportError> {
    let history = &state.history;
    let series = |name: &str, value: &dyn Fn(&EpochRecord) -> Option<f32>| Series {
        name: name.into(),
        points: history.iter().filter_map(|r| Some((r.epoch as f64, f64::from(value(r)?)))).collect(),
    };
    let labels = |title, y| Labels { title, x: "epoch", y };
    page.heading("Training");
    if history.is_empty() {
        page.paragraph("No epoch was finished.");
        return Ok(());
    }
    let term = |(index, term): (usize, &crate::loss::LossTerm)| series(term.kind(), &|r| r.terms.get(index).copied());
    let mut losses: Vec<Series> = state.recipe.losses.iter().enumerate().map(term).collect();
    losses.insert(0, series("sum", &|r| Some(r.loss)));
    page.chart(
        &curves(labels("Loss", "mean over the epoch"), &losses, None)?,
        "The sum with its weights, and each loss alone.",
    );
    let validation = [series("mAP", &|r| r.validation_map), series("rank-1", &|r| r.validation_rank1)];
    if validation.iter().any(|series| !series.points.is_empty()) {
        let svg = curves(labels("Held-out identities", "share"), &validation, Some(0.0..1.0))?;
        page.chart(&svg, "Ranking of identities that are not trained on.");
    }
    let shares = ["easy", "semi-hard", "hard"]
        .into_iter()
        .enumerate()
        .map(|(class, name)| series(name, &|r| Some(r.triplets.to_array()[class])));
    let shares: Vec<Series> = shares.collect();
    page.chart(
        &stacked(labels("Triplets of the batches", "share"), &shares)?,
        "All valid triplets by class: easy (negative farther than the positive by more than the margin), semi-hard (within the \
         margin), hard (nearer than the positive).",
    );
    let metric = |r: &EpochRecord| r.positive_distance > 0.0 || r.negative_distance > 0.0;
    let mined = history.iter().any(metric);
    let mut taught = vec![series("identity found", &|r| Some(r.id_correct))];
    if mined {
        taught.insert(0, series("active", &|r| Some(r.active_fraction)));
    }
    let svg = curves(labels("What still teaches", "share"), &taught, Some(0.0..1.0))?;
    page.chart(&svg, "Share of a metric loss's terms above zero, and of pictures that an ID loss names rightly.");
    if mined {
        let distances =
            [series("positive", &|r| Some(r.positive_distance)), series("negative", &|r| Some(r.negative_distance))];
        let svg = curves(labels("Distances of mined pairs", "mean distance"), &distances, None)?;
        page.chart(&svg, "The gap between them is what a metric loss widens; both near 0 is a collapse.");
    }
    let rate = [series("learning rate", &|r| Some(r.learning_rate))];
    page.chart(&curves(labels("Learning rate", "at the epoch's end"), &rate, None)?, "Warm-up, then half a cosine.");
    Ok(())
}

/// t-SNE and principal components of pictures of evenly chosen identities.
fn maps(page: &mut Page, state: &RunState, images: &Images, embeddings: &Embeddings) -> Result<(), ReportError> {
    let identities: BTreeSet<usize> = images.identities.iter().filter_map(|identity| identity.known()).collect();
    let identities: Vec<usize> = identities.into_iter().collect();
    let wanted = (MAPPED * identities.len() / images.len().max(1)).clamp(1, identities.len().max(1));
    let shown: Vec<usize> = (0..wanted).map(|i| identities[i * identities.len() / wanted]).collect();
    let group = |index: usize| shown.iter().position(|&id| Some(id) == images.identities[index].known());
    let chosen: Vec<usize> = (0..images.len()).filter(|&index| group(index).is_some()).take(MAPPED).collect();
    let kept = embeddings.filter(|index| chosen.binary_search(&index).is_ok());
    let name = |index: usize| {
        let place = images.identities[index].known().and_then(|id| identities.binary_search(&id).ok());
        place.and_then(|place| state.held_out.get(place)).map_or("", String::as_str)
    };
    let thumbnails: Vec<Thumbnail> = chosen
        .iter()
        .map(|&index| {
            let (pixels, size) = thumbnail(images, index);
            let label = format!("{}, camera {}", name(index), images.cameras[index]);
            Thumbnail { pixels, size, label, group: group(index).unwrap_or(0) }
        })
        .collect();
    page.heading("Map of held-out identities").paragraph(&format!(
        "{} pictures of {wanted} identities that were not trained on, one frame colour each. A good network gathers those of \
         one identity and keeps groups apart.",
        chosen.len()
    ));
    let maps = [
        Arrangement {
            points: tsne(kept.vectors(), kept.dimension(), state.recipe.seed),
            title: "t-SNE",
            caption: "Neighbours among the embeddings are neighbours here; distances between groups mean little.",
        },
        Arrangement {
            points: embedding_map::project(kept.vectors(), kept.dimension()),
            title: "Principal components",
            caption: "The plane of greatest variance: distances are true, but what lies behind one another overlaps.",
        },
    ];
    Ok(thumbnail_map::add(page, &thumbnails, &maps)?)
}

/// A picture at the height of a thumbnail, in its own proportions; as it is where it cannot be scaled.
fn thumbnail(images: &Images, index: usize) -> (Vec<u8>, [usize; 2]) {
    let [height, width] = images.size;
    let size = [THUMBNAIL, (width * THUMBNAIL / height.max(1)).clamp(1, 4 * THUMBNAIL)];
    let mut pixels = vec![0; size[0] * size[1] * 3];
    match deja_firmware::image::resize(images.picture(index), images.size, &mut pixels, size) {
        Ok(()) => (pixels, size),
        Err(_) => (images.picture(index).to_vec(), images.size),
    }
}

fn rank_lists(page: &mut Page, images: &Images, embeddings: &Embeddings) -> Result<(), ReportError> {
    let Ok(ranking) = rank(embeddings, embeddings) else {
        page.heading("Rank lists")
            .paragraph("No held-out identity was seen by two cameras, so none can be searched for.");
        return Ok(());
    };
    // Evenly from the worst query to the best: what fails is worth as much as what works.
    let mut queries: Vec<&RankedQuery> = ranking.queries.iter().collect();
    queries.sort_by(|a, b| a.average_precision.total_cmp(&b.average_precision));
    let count = queries.len().min(LISTS);
    let chosen = (0..count).map(|i| queries[i * (queries.len() - 1) / (count - 1).max(1)]);
    let lists: Vec<RankList<'_>> = chosen.map(|ranked| rank_list(images, ranked)).collect();
    page.heading("Rank lists").paragraph(
        "Held-out pictures from the worst query to the best, each with its nearest others and their cosines (pictures of the \
         same identity from the same camera are left out); right ones framed green, wrong ones red.",
    );
    Ok(rank_list::add(page, &lists)?)
}

fn rank_list<'a>(images: &'a Images, ranked: &RankedQuery) -> RankList<'a> {
    let entry = |index: usize, label, right| Entry { pixels: images.picture(index), size: images.size, label, right };
    let found = |found: &Candidate| entry(found.gallery, format!("{:.2}", found.score), Some(found.correct));
    RankList {
        query: entry(ranked.query, format!("AP {:.2}", ranked.average_precision), None),
        matches: ranked.best.iter().take(MATCHES).map(found).collect(),
    }
}

fn percent(fraction: f32) -> String {
    format!("{:.1} %", fraction * 100.0)
}
