//! What `deja evaluate` prints.

use super::Context;
use super::outcome::{CameraPair, OpenSet, Outcome, Scores, Verification};
use crate::ui::{Align, Table};
use std::collections::BTreeSet;

/// So many cameras still make a square that can be read; of more, the worst pairs are listed.
const SQUARE: usize = 12;
/// How many of the worst pairs are listed.
const WORST: usize = 20;

/// Prints everything that was measured on the data set `data`.
pub fn show(outcome: &Outcome, data: &str, context: &Context) -> anyhow::Result<()> {
    let Scores { queries, gallery, .. } = outcome.scores;
    context.say(format_args!("{data}: {queries} queries, {gallery} gallery pictures"))?;
    if outcome.unmatched > 0 {
        context.note(format_args!("{} queries have no match in the gallery and were left out", outcome.unmatched));
    }
    context.say(rankings(outcome))?;
    if let Some(verification) = &outcome.verification {
        verify(verification, context)?;
    }
    if let Some(open_set) = &outcome.open_set {
        strangers(open_set, context)?;
    }
    outcome.camera_pairs.as_ref().map_or(Ok(()), |pairs| cameras(pairs, context))
}

fn rankings(outcome: &Outcome) -> Table {
    let figures = ["mAP", "rank-1", "rank-5", "rank-10", "mINP"].map(|name| (name, Align::Right));
    let mut table = Table::new(&[&[("ranking", Align::Left)], &figures[..]].concat());
    let mut row = |label: String, scores: &Scores| {
        let figures = [scores.map, scores.rank1, scores.rank5, scores.rank10, scores.minp];
        table.row(std::iter::once(label).chain(figures.map(percent)));
    };
    row("cosine".into(), &outcome.scores);
    let others = [("queries expanded", &outcome.expanded), ("re-ranked", &outcome.reranked)];
    for (label, scores) in others.iter().filter_map(|(label, scores)| Some((label, scores.as_ref()?))) {
        row((*label).to_owned(), scores);
    }
    if let Some(on_top) = &outcome.metric_on_top {
        row(format!("{} ({} components)", on_top.method, on_top.dimension), &on_top.scores);
    }
    table
}

fn verify(verification: &Verification, context: &Context) -> anyhow::Result<()> {
    let Verification { genuine, impostors, eer, operating_points, .. } = verification;
    context
        .say(format_args!("\n{genuine} genuine and {impostors} impostor pairs, equal error rate {}", percent(*eer)))?;
    let mut table = Table::new(&["FAR ≤", "FAR", "TAR", "threshold"].map(|name| (name, Align::Right)));
    for point in operating_points {
        let threshold = point.threshold.map_or_else(String::new, |threshold| format!("{threshold:.4}"));
        let far = format!("{:.4} %", point.far * 100.0);
        table.row([format!("{} %", point.target_far * 100.0), far, percent(point.tar), threshold]);
    }
    context.say(table)
}

fn strangers(open_set: &OpenSet, context: &Context) -> anyhow::Result<()> {
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

fn cameras(pairs: &[CameraPair], context: &Context) -> anyhow::Result<()> {
    let galleries: BTreeSet<u32> = pairs.iter().map(|pair| pair.gallery_camera).collect();
    if galleries.len() <= SQUARE {
        context.say("\nmAP / rank-1 by camera of the query (rows) and of the gallery (columns)")?;
        return context.say(square(pairs, &galleries));
    }
    context.say(format_args!("\nthe worst of {} pairs of cameras", pairs.len()))?;
    context.say(worst(pairs))
}

fn square(pairs: &[CameraPair], galleries: &BTreeSet<u32>) -> Table {
    let heads: Vec<String> = galleries.iter().map(u32::to_string).collect();
    let columns: Vec<(&str, Align)> = heads.iter().map(|head| (head.as_str(), Align::Right)).collect();
    let mut table = Table::new(&[&[("camera", Align::Right)], &columns[..]].concat());
    let queries: BTreeSet<u32> = pairs.iter().map(|pair| pair.query_camera).collect();
    for query in queries {
        let cell = |gallery: &u32| {
            let pair = pairs.iter().find(|pair| pair.query_camera == query && pair.gallery_camera == *gallery);
            pair.map_or_else(String::new, |pair| format!("{:.1} / {:.1}", pair.map * 100.0, pair.rank1 * 100.0))
        };
        table.row(std::iter::once(query.to_string()).chain(galleries.iter().map(cell)));
    }
    table
}

fn worst(pairs: &[CameraPair]) -> Table {
    let columns = ["query camera", "gallery camera", "queries", "mAP", "rank-1"];
    let mut table = Table::new(&columns.map(|name| (name, Align::Right)));
    let mut sorted = pairs.to_vec();
    sorted.sort_by(|a, b| a.map.total_cmp(&b.map));
    for pair in sorted.iter().take(WORST) {
        let numbers = [pair.query_camera.to_string(), pair.gallery_camera.to_string(), pair.queries.to_string()];
        table.row(numbers.into_iter().chain([percent(pair.map), percent(pair.rank1)]));
    }
    table
}

fn percent(fraction: f64) -> String {
    format!("{:.1} %", fraction * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(query_camera: u32, gallery_camera: u32, map: f64) -> CameraPair {
        CameraPair { query_camera, gallery_camera, queries: 3, gallery: 9, map, rank1: map / 2.0 }
    }

    #[test]
    fn cameras_stand_in_a_square_with_gaps_and_the_worst_pairs_first() {
        let pairs = [pair(1, 2, 0.5), pair(1, 4, 0.25), pair(2, 4, 0.125)];
        let text = square(&pairs, &BTreeSet::from([2, 4])).to_string();
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split("  ").map(str::trim).collect()).collect();
        assert!(lines[1].contains(&"50.0 / 25.0") && lines[1].contains(&"25.0 / 12.5"), "{text}");
        assert!(lines[2].contains(&"12.5 / 6.2") && !lines[2].contains(&"50.0 / 25.0"), "{text}");
        let text = worst(&pairs).to_string();
        let maps: Vec<bool> = text.lines().skip(1).map(|line| line.contains("12.5 %")).collect();
        assert_eq!(maps, [true, true, false], "12.5 % as mAP, then as rank-1");
    }
}
