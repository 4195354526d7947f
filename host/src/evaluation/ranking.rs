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

use super::scores::Scorer;
use super::{Embeddings, EvaluationError};
use crate::dataset::Identity;

/// How many of the best candidates of each query are kept for reports.
const BEST: usize = 10;
/// How far the CMC curve goes.
const CURVE: usize = 50;

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

/// A gallery's identities and cameras as plain numbers, quick to compare.
struct Targets {
    identities: Vec<u32>,
    cameras: Vec<u32>,
}

const JUNK: u32 = u32::MAX;
const DISTRACTOR: u32 = u32::MAX - 1;

/// A score with its index: `a` precedes `b` with a higher score, or an equal one and a lower index.
type Entry = (f32, usize);

fn precedes(a: Entry, b: Entry) -> bool {
    a.0 > b.0 || (a.0 == b.0 && a.1 < b.1)
}

impl Targets {
    fn new(gallery: &Embeddings) -> Self {
        let number = |identity: &Identity| match identity {
            Identity::Known(index) => u32::try_from(*index).unwrap_or(DISTRACTOR - 1),
            Identity::Distractor => DISTRACTOR,
            Identity::Junk => JUNK,
        };
        Self { identities: gallery.identities().iter().map(number).collect(), cameras: gallery.cameras().to_vec() }
    }

    /// The matches' ranks without sorting the gallery: each other entry is counted before the first match it precedes.
    fn ranked(&self, query: usize, identity: Identity, camera: u32, scores: &[f32]) -> Option<RankedQuery> {
        let identity = u32::try_from(identity.known()?).ok()?;
        let entries = || self.identities.iter().zip(&self.cameras).zip(scores).enumerate();
        let mut matches: Vec<Entry> = entries()
            .filter(|(_, ((who, view), _))| **who == identity && **view != camera)
            .map(|(index, (_, &score))| (score, index))
            .collect();
        matches.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let worst = *matches.last()?;
        let mut before = vec![0usize; matches.len()];
        let mut best = Best::default();
        for (index, ((&who, &view), &score)) in entries() {
            let entry = (score, index);
            let same = who == identity;
            if who == JUNK || (same && view == camera) {
                continue;
            }
            best.offer(entry, same);
            if !same && precedes(entry, worst) {
                before[matches.partition_point(|&one| precedes(one, entry))] += 1;
            }
        }
        Some(measured(query, &before, best.candidates))
    }
}

/// From the number of wrong entries between successive matches to the query's figures.
fn measured(query: usize, before: &[usize], best: Vec<Candidate>) -> RankedQuery {
    let mut wrong = 0;
    let ranks: Vec<usize> = before
        .iter()
        .enumerate()
        .map(|(found, more)| {
            wrong += more;
            found + 1 + wrong
        })
        .collect();
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

/// The best entries so far, best first. Offered in the order of their indices, ties keep that order.
#[derive(Default)]
struct Best {
    candidates: Vec<Candidate>,
}

impl Best {
    fn offer(&mut self, (score, gallery): Entry, correct: bool) {
        if self.candidates.len() == BEST && score <= self.candidates[BEST - 1].score {
            return;
        }
        let place = self.candidates.partition_point(|candidate| candidate.score >= score);
        self.candidates.insert(place, Candidate { gallery, score, correct });
        self.candidates.truncate(BEST);
    }
}

#[cfg(test)]
#[path = "ranking_tests.rs"]
mod tests;
