//! Ranking by the protocol of Market-1501: CMC, mAP and mINP.
//!
//! For each query the gallery is sorted by falling similarity, ties by rising index. Entries of the query's identity from
//! its own camera are left out, and so is junk; distractors count as wrong. A query without a match is left out and
//! counted. With `m` matches at ranks `r₁ < … < r_m`:
//!
//! * average precision `AP = (1/m) Σₖ k / rₖ`; mAP is its mean over the queries,
//! * inverse negative penalty `INP = m / r_m`; mINP is its mean,
//! * `CMC(k)`: the share of queries with `r₁ ≤ k`.
//!
//! Zheng et al. 2015 (protocol); Ye et al. 2021, "Deep Learning for Person Re-identification" (mINP).

use super::scores::{Scorer, highest};
use super::{Embeddings, EvaluationError};
use crate::dataset::Identity;
use std::collections::HashMap;

/// How many of the best candidates of each query are kept for reports.
const BEST: usize = 10;
/// How far the CMC curve goes.
const CURVE: usize = 50;
/// Up to so many matches their ranks are counted, a pass over the gallery each; beyond, the gallery is sorted once.
const COUNTED: usize = 64;

/// The outcome of ranking a gallery for each query.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    /// Mean average precision, 0 to 1.
    pub map: f64,
    /// Mean inverse negative penalty, 0 to 1.
    pub minp: f64,
    /// `cmc[k − 1]` is the share of queries whose first match is among the first `k`; at most 50 ranks.
    pub cmc: Vec<f64>,
    /// Entries of the gallery, junk included.
    pub gallery: usize,
    /// Queries left out because nothing in the gallery matches them.
    pub unmatched: usize,
    /// Each query that was counted, in order.
    pub queries: Vec<RankedQuery>,
}

/// One query's outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct RankedQuery {
    /// Index among the queries.
    pub query: usize,
    /// Average precision.
    pub average_precision: f64,
    /// Inverse negative penalty.
    pub inverse_negative_penalty: f64,
    /// Rank of the first match, from 1.
    pub first_match: usize,
    /// The ten best candidates, best first.
    pub best: Vec<Candidate>,
}

/// A gallery entry in a rank list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Index in the gallery.
    pub gallery: usize,
    /// Similarity with the query.
    pub score: f32,
    /// Whether it shows the same identity.
    pub correct: bool,
}

impl Ranking {
    /// The share of queries whose first match is among the first `rank` (at least 1).
    pub fn at(&self, rank: usize) -> f64 {
        let last = self.cmc.last().copied().unwrap_or(0.0);
        self.cmc.get(rank.saturating_sub(1)).copied().unwrap_or(last)
    }

    /// CMC at rank 1.
    pub fn rank1(&self) -> f64 {
        self.at(1)
    }

    /// CMC at rank 5.
    pub fn rank5(&self) -> f64 {
        self.at(5)
    }

    /// CMC at rank 10.
    pub fn rank10(&self) -> f64 {
        self.at(10)
    }
}

/// Ranks the gallery for every query by cosine similarity.
///
/// # Errors
/// [`EvaluationError::Dimensions`], and [`EvaluationError::NoMatches`] when no query has a match.
pub fn rank(queries: &Embeddings, gallery: &Embeddings) -> Result<Ranking, EvaluationError> {
    queries.check_against(gallery)?;
    rank_by(queries, gallery, |_, _| ())
}

/// Ranks by the similarities that `adjust` makes of a query's cosines with all gallery entries.
pub(super) fn rank_by(
    queries: &Embeddings,
    gallery: &Embeddings,
    adjust: impl Fn(usize, &mut [f32]) + Sync,
) -> Result<Ranking, EvaluationError> {
    let targets = Targets::new(gallery);
    let ranked = Scorer::new(queries, gallery).map(|query, scores| {
        adjust(query, scores);
        targets.ranked(query, queries.identities()[query], queries.cameras()[query], scores)
    });
    summarize(ranked.into_iter().flatten().collect(), queries.len(), gallery.len())
}

fn summarize(queries: Vec<RankedQuery>, asked: usize, gallery: usize) -> Result<Ranking, EvaluationError> {
    if queries.is_empty() {
        return Err(EvaluationError::NoMatches { queries: asked });
    }
    let count = queries.len() as f64;
    let mut cmc = vec![0.0; CURVE.min(gallery)];
    for query in &queries {
        cmc.iter_mut().skip(query.first_match - 1).for_each(|share| *share += 1.0 / count);
    }
    Ok(Ranking {
        map: queries.iter().map(|query| query.average_precision).sum::<f64>() / count,
        minp: queries.iter().map(|query| query.inverse_negative_penalty).sum::<f64>() / count,
        cmc: cmc.into_iter().map(|share| share.min(1.0)).collect(),
        gallery,
        unmatched: asked - queries.len(),
        queries,
    })
}

/// Where in a gallery each known identity stands, and where junk does.
struct Targets<'a> {
    gallery: &'a Embeddings,
    places: HashMap<usize, Vec<usize>>,
    junk: Vec<usize>,
}

impl<'a> Targets<'a> {
    fn new(gallery: &'a Embeddings) -> Self {
        let mut places = HashMap::<usize, Vec<usize>>::new();
        let mut junk = Vec::new();
        for (entry, identity) in gallery.identities().iter().enumerate() {
            match identity {
                Identity::Known(index) => places.entry(*index).or_default().push(entry),
                Identity::Junk => junk.push(entry),
                Identity::Distractor => {}
            }
        }
        Self { gallery, places, junk }
    }

    /// A query's figures; what the protocol leaves out of its ranking gets the score −∞.
    fn ranked(&self, query: usize, identity: Identity, camera: u32, scores: &mut [f32]) -> Option<RankedQuery> {
        let own_view = |&entry: &usize| self.gallery.cameras()[entry] == camera;
        let (left_out, matches): (Vec<usize>, Vec<usize>) =
            self.places.get(&identity.known()?)?.iter().partition(|&entry| own_view(entry));
        if matches.is_empty() {
            return None;
        }
        for &entry in self.junk.iter().chain(&left_out) {
            scores[entry] = f32::NEG_INFINITY;
        }
        let ranks = if matches.len() > COUNTED { sorted(scores, &matches) } else { counted(scores, &matches) };
        Some(measured(query, &ranks, self.best(identity, scores)))
    }

    /// The best entries that are not left out, best first.
    fn best(&self, identity: Identity, scores: &[f32]) -> Vec<Candidate> {
        let candidate = |gallery: usize| {
            let (score, correct) = (scores[gallery], self.gallery.identities()[gallery] == identity);
            Candidate { gallery, score, correct }
        };
        let ranked = highest(scores, BEST).into_iter().map(candidate);
        ranked.filter(|candidate| candidate.score > f32::NEG_INFINITY).collect()
    }
}

/// The ranks of `matches`, rising, without sorting the gallery: each is preceded by every higher score, and by every equal
/// one of a lower index. The comparisons are independent of each other, so they run several at a time.
fn counted(scores: &[f32], matches: &[usize]) -> Vec<usize> {
    let rank = |&entry: &usize| {
        let score = scores[entry];
        let (before, behind) = scores.split_at(entry);
        let before: u32 = before.iter().map(|&other| u32::from(other >= score)).sum();
        let behind: u32 = behind.iter().map(|&other| u32::from(other > score)).sum();
        1 + before as usize + behind as usize
    };
    let mut ranks: Vec<usize> = matches.iter().map(rank).collect();
    ranks.sort_unstable();
    ranks
}

/// The same by sorting the gallery.
fn sorted(scores: &[f32], matches: &[usize]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|&a, &b| (scores[a] < scores[b]).cmp(&(scores[b] < scores[a])).then(a.cmp(&b)));
    let mut wanted = vec![false; scores.len()];
    matches.iter().for_each(|&entry| wanted[entry] = true);
    (1..).zip(order).filter(|&(_, entry)| wanted[entry]).map(|(rank, _)| rank).collect()
}

/// From the ranks of the matches, rising, to the query's figures.
fn measured(query: usize, ranks: &[usize], best: Vec<Candidate>) -> RankedQuery {
    let count = ranks.len() as f64;
    let precision = ranks.iter().enumerate().map(|(found, &rank)| (found + 1) as f64 / rank as f64).sum::<f64>();
    RankedQuery {
        query,
        average_precision: precision / count,
        inverse_negative_penalty: count / ranks[ranks.len() - 1] as f64,
        first_match: ranks[0],
        best,
    }
}

#[cfg(test)]
#[path = "ranking_tests.rs"]
mod tests;
