//! How well held-out identities find themselves again while a run goes on.

use crate::dataset::Images;
use crate::loss::normalize::normalize;
use crate::network::{Engine, Graph};

/// Scores over the held-out identities, 0..1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    /// Mean average precision.
    pub map: f32,
    /// Share of queries whose best match is of their identity.
    pub rank1: f32,
}

/// Every held-out picture searches all the others, without those of its own identity and camera; a picture with no match
/// left is no query. `None` when there is no query at all.
pub fn validate(engine: &mut Engine, graph: &Graph, images: &Images) -> Option<Scores> {
    let mut embeddings = engine.embed(graph, &images.pixels, images.len());
    let dimension = graph.dimension();
    embeddings.chunks_exact_mut(dimension).for_each(|row| {
        normalize(row);
    });
    let row = |index: usize| &embeddings[index * dimension..(index + 1) * dimension];
    let (mut precision, mut first, mut queries) = (0.0f64, 0usize, 0usize);
    for query in 0..images.len() {
        let own = |other: usize| images.identities[other] == images.identities[query];
        let mut ranking: Vec<(f32, bool)> = (0..images.len())
            .filter(|&other| other != query && !(own(other) && images.cameras[other] == images.cameras[query]))
            .map(|other| (row(query).iter().zip(row(other)).map(|(a, b)| a * b).sum(), own(other)))
            .collect();
        ranking.sort_by(|a, b| b.0.total_cmp(&a.0));
        if let Some(average) = average_precision(ranking.iter().map(|entry| entry.1)) {
            precision += average;
            first += usize::from(ranking[0].1);
            queries += 1;
        }
    }
    let mean = |sum: f64| (sum / queries as f64) as f32;
    (queries > 0).then(|| Scores { map: mean(precision), rank1: mean(first as f64) })
}

/// Mean over the matches of matches so far / rank; `None` without matches.
fn average_precision(ranking: impl Iterator<Item = bool>) -> Option<f64> {
    let (mut matches, mut sum) = (0usize, 0.0);
    for (index, _) in ranking.enumerate().filter(|(_, matched)| *matched) {
        matches += 1;
        sum += matches as f64 / (index + 1) as f64;
    }
    (matches > 0).then(|| sum / matches as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn average_precision_by_hand() {
        let of = |ranking: &[bool]| average_precision(ranking.iter().copied());
        assert_eq!(of(&[true, false, true]), Some((1.0 + 2.0 / 3.0) / 2.0));
        assert_eq!(of(&[false, true]), Some(0.5));
        assert_eq!(of(&[false, false]), None);
    }
}
