//! The page that shows what came of the loop.

use super::session::Verdict;
use super::{DemoError, Evaluated, Outcome};
use crate::dataset::Images;
use crate::device::cosine;
use crate::evaluation::{Candidate, RankedQuery};
use crate::quantize::gate::Retrieval;
use crate::report::chart::{Labels, Series, curves, histogram};
use crate::report::rank_list::{self, Entry, RankList};
use crate::report::{Page, embedding_map};
use deja_shared::protocol::messages::Decision;

/// Rank lists and verdicts shown.
const SHOWN: usize = 8;
/// Matches in a rank list.
const MATCHES: usize = 8;
/// Identities on the map.
const MAPPED: usize = 20;

/// Writes the page to `outcome.report`.
///
/// # Errors
/// A chart or picture that cannot be made, a file that cannot be written.
pub fn write(outcome: &Outcome) -> Result<(), DemoError> {
    let state = &outcome.checkpoint.state;
    let subtitle = format!(
        "{} on {}, {} epochs; camera: {} (firmware {})",
        outcome.checkpoint.graph.name, outcome.data.name, state.epoch, outcome.camera.board, outcome.camera.firmware
    );
    let mut page = Page::new("Déjà: the whole loop", &subtitle);
    summary(&mut page, outcome);
    training(&mut page, outcome)?;
    recognition(&mut page, outcome)?;
    rank_lists(&mut page, outcome)?;
    meetings(&mut page, outcome)?;
    gate(&mut page, outcome);
    layers(&mut page, outcome);
    page.write(&outcome.report).map_err(|source| DemoError::Write { path: outcome.report.clone(), source })
}

fn summary(page: &mut Page, outcome: &Outcome) {
    let row = |name: &str, value: fn(&Evaluated) -> f64| {
        vec![name.to_owned(), percent(value(&outcome.float)), percent(value(&outcome.int8))]
    };
    page.heading("How well it finds identities again").table(
        &["", "float", "int8 (camera)"],
        &[
            row("mAP", |e| e.ranking.map),
            row("rank-1", |e| e.ranking.rank1()),
            row("rank-5", |e| e.ranking.rank5()),
            row("mINP", |e| e.ranking.minp),
        ],
    );
    let tally = outcome.tally;
    page.heading("What the camera said").table(
        &["", "right", "asked"],
        &[
            vec!["known people named rightly".into(), tally.named_rightly.to_string(), tally.known.to_string()],
            vec!["strangers turned away".into(), tally.turned_away.to_string(), tally.strangers.to_string()],
        ],
    );
    let paragraph = match &outcome.shipped.choice {
        Some(choice) => format!(
            "The threshold {:.3} was chosen on {} identities that the network was not trained on, so that at most {} of \
             strangers' pictures are taken for somebody.",
            cosine(choice.threshold.q15),
            choice.identities,
            percent(f64::from(choice.threshold.fpir_ppm) / 1e6)
        ),
        None => "The run held out too few identities to choose a threshold: the camera takes everybody for a stranger."
            .into(),
    };
    page.paragraph(&paragraph);
}

fn training(page: &mut Page, outcome: &Outcome) -> Result<(), DemoError> {
    let history = &outcome.checkpoint.state.history;
    let series = |name: &str, value: &dyn Fn(&crate::training::EpochRecord) -> Option<f32>| Series {
        name: name.into(),
        points: history.iter().filter_map(|r| Some((r.epoch as f64, f64::from(value(r)?)))).collect(),
    };
    let losses = [series("metric", &|r| Some(r.metric_loss)), series("identity", &|r| Some(r.id_loss))];
    let labels = Labels { title: "Loss", x: "epoch", y: "mean over the epoch" };
    page.heading("Training").chart(&curves(labels, &losses, None)?, "Both parts of the loss, while training.");
    let validation = [series("mAP", &|r| r.validation_map), series("rank-1", &|r| r.validation_rank1)];
    if validation.iter().any(|series| series.points.len() > 1) {
        let labels = Labels { title: "Held-out identities", x: "epoch", y: "share" };
        page.chart(
            &curves(labels, &validation, Some(0.0..1.0))?,
            "Ranking of identities that are not trained on; they later set the threshold.",
        );
    }
    Ok(())
}

fn recognition(page: &mut Page, outcome: &Outcome) -> Result<(), DemoError> {
    let series = |name: &str, evaluated: &Evaluated| Series {
        name: name.into(),
        points: evaluated.ranking.cmc.iter().take(20).enumerate().map(|(i, &v)| (i as f64 + 1.0, v)).collect(),
    };
    let cmc = [series("float", &outcome.float), series("int8", &outcome.int8)];
    let labels = Labels { title: "CMC", x: "rank", y: "share of queries" };
    page.heading("Recognition")
        .chart(&curves(labels, &cmc, None)?, "Share of queries whose first match is among the first k.");
    let pairs = &outcome.int8.pairs;
    let [same, different] =
        [&pairs.genuine, &pairs.impostor].map(|s| s.iter().map(|&v| f64::from(v)).collect::<Vec<_>>());
    let mark = outcome.shipped.choice.map(|choice| ("threshold", f64::from(cosine(choice.threshold.q15))));
    let labels = Labels { title: "Scores of pairs (int8)", x: "cosine", y: "share of pairs" };
    let chart = histogram(labels, &[("different identities", &different), ("same identity", &same)], mark)?;
    page.chart(
        &chart,
        "Query against gallery. A single pair may pass the threshold less often than the best of a gallery.",
    );
    let (points, groups) = mapped(outcome);
    let labels = Labels { title: "Map of embeddings (int8)", x: "first component", y: "second component" };
    let caption =
        format!("Gallery pictures of {MAPPED} identities, one colour each, in the plane of greatest variance.");
    page.chart(&embedding_map::map(labels, &points, &groups)?, &caption);
    Ok(())
}

fn mapped(outcome: &Outcome) -> (Vec<(f64, f64)>, Vec<usize>) {
    let gallery = &outcome.int8.gallery;
    let mut shown: Vec<usize> = gallery.identities().iter().filter_map(|identity| identity.known()).collect();
    shown.sort_unstable();
    shown.dedup();
    shown.truncate(MAPPED);
    let place = |index: usize| shown.iter().position(|&id| Some(id) == gallery.identities()[index].known());
    let kept = gallery.filter(|index| place(index).is_some());
    let groups = (0..gallery.len()).filter_map(place).collect();
    (embedding_map::project(kept.vectors(), kept.dimension()), groups)
}

fn rank_lists(page: &mut Page, outcome: &Outcome) -> Result<(), DemoError> {
    // Evenly from the worst query to the best: what fails is worth as much as what works.
    let mut queries: Vec<&RankedQuery> = outcome.int8.ranking.queries.iter().collect();
    queries.sort_by(|a, b| a.average_precision.total_cmp(&b.average_precision));
    let count = queries.len().min(SHOWN);
    let chosen = (0..count).map(|i| queries[i * (queries.len() - 1) / (count - 1).max(1)]);
    let lists: Vec<RankList<'_>> = chosen.map(|ranked| rank_list(outcome, ranked)).collect();
    page.heading("Rank lists").paragraph(
        "Queries from the worst to the best, each with its nearest gallery pictures and their cosines; right ones framed \
         green, wrong ones red.",
    );
    Ok(rank_list::add(page, &lists)?)
}

fn rank_list<'a>(outcome: &'a Outcome, ranked: &RankedQuery) -> RankList<'a> {
    let found =
        |found: &Candidate| entry(&outcome.gallery, found.gallery, format!("{:.2}", found.score), Some(found.correct));
    RankList {
        query: entry(&outcome.query, ranked.query, format!("AP {:.2}", ranked.average_precision), None),
        matches: ranked.best.iter().take(MATCHES).map(found).collect(),
    }
}

fn entry(images: &Images, index: usize, label: String, right: Option<bool>) -> Entry<'_> {
    Entry { pixels: images.picture(index), size: images.size, label, right }
}

fn meetings(page: &mut Page, outcome: &Outcome) -> Result<(), DemoError> {
    for (known, heading) in [(true, "Known people"), (false, "Strangers")] {
        let verdicts = outcome.verdicts.iter().filter(|v| outcome.people[v.person].is_known() == known);
        // Wrong verdicts first.
        let mut verdicts: Vec<&Verdict> = verdicts.collect();
        verdicts.sort_by_key(|verdict| verdict.right);
        let entries: Vec<Entry<'_>> = verdicts.into_iter().take(2 * SHOWN).map(|v| said(outcome, v)).collect();
        if !entries.is_empty() {
            page.heading(heading).paragraph("What the camera said; mistakes come first, framed red.");
            rank_list::add_verdicts(page, &entries)?;
        }
    }
    Ok(())
}

fn said<'a>(outcome: &'a Outcome, verdict: &Verdict) -> Entry<'a> {
    let best = verdict.identified.best.as_ref();
    let score = best.map_or_else(String::new, |candidate| format!(" {:.2}", cosine(candidate.cosine)));
    let word = match (verdict.identified.decision, best) {
        (Decision::Match, Some(candidate)) => candidate.name.as_str(),
        _ => "unknown",
    };
    entry(&outcome.query, verdict.probe, format!("{word}{score}"), Some(verdict.right))
}

/// What int8 costs on the people held out from training; nothing where they cannot be searched for.
fn gate(page: &mut Page, outcome: &Outcome) {
    let Some(gate) = &outcome.shipped.gate else { return };
    let row = |name: &str, found: Retrieval| {
        vec![name.to_owned(), percent(found.map), percent(found.rank1), percent(found.tar)]
    };
    let [low, high] = gate.map_loss_interval.map(|loss| loss * 100.0);
    let text = format!(
        "{} pictures of {} people held out from training search for each other. Int8 loses {:.2} points of mAP ({low:.2} to \
         {high:.2} in 90 % of bootstraps); of each picture's ten nearest, {} agree. `deja quantize` refuses a model that loses \
         more than half a point.",
        gate.queries,
        gate.identities,
        gate.map_loss * 100.0,
        percent(gate.neighbour_agreement)
    );
    page.heading("What int8 costs").paragraph(&text);
    let tar = format!("TAR at FAR {}", gate.far);
    page.table(&["", "mAP", "rank-1", &tar], &[row("float", gate.float), row("int8", gate.int8)]);
}

fn layers(page: &mut Page, outcome: &Outcome) {
    let fidelity = &outcome.shipped.fidelity;
    let rows: Vec<Vec<String>> = fidelity
        .layers
        .iter()
        .map(|layer| {
            let noise = layer.signal_to_noise_db.map_or_else(|| "exact".into(), |db| format!("{db:.1} dB"));
            vec![layer.name.clone(), layer.kind.to_owned(), noise, format!("{:.4}", layer.cosine)]
        })
        .collect();
    let text = format!(
        "Each int8 layer against the float network, on pictures of people held out from training (of others where there are none). The embeddings' cosine is {:.4} in the mean and \
         {:.4} at worst.",
        fidelity.mean_cosine, fidelity.least_cosine
    );
    page.heading("Quantization, layer by layer").paragraph(&text);
    page.table(&["layer", "kind", "signal to noise", "cosine"], &rows);
}

fn percent(fraction: f64) -> String {
    format!("{:.1} %", fraction * 100.0)
}
