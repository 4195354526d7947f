//! Step 3: over calibration pictures, between which bounds does each activation lie?
//!
//! `histogram` counts values, `search` finds the bounds of least cost from the counts, `best` compares the methods by what
//! the layers that read an activation make of it.

mod best;
mod histogram;
mod search;

use rayon::prelude::*;
use serde::Serialize;

use super::QuantizeError;
use crate::network::{Graph, interpreter};
use crate::progress::Progress;
use histogram::Histogram;

/// How the bounds of an activation are chosen from its values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// The least and the greatest value seen: nothing is clipped, and one outlier costs everybody resolution.
    MinMax,
    /// Given p in per cent (such as 99.99): of all values of all pictures, 100 − p per cent are clipped at each end.
    Percentile(f64),
    /// The least squared error of the values, clipped and rounded ones together.
    LeastSquares,
    /// The least Kullback–Leibler divergence between the values and their int8 version.
    Entropy,
    /// For each activation the one of [`CANDIDATES`] with the least error in what the layers that read it compute.
    Best,
}

/// What [`Method::Best`] chooses from.
pub const CANDIDATES: [Method; 5] =
    [Method::MinMax, Method::Percentile(99.99), Method::Percentile(99.9), Method::LeastSquares, Method::Entropy];

/// The bounds of one activation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Range {
    /// Lower bound.
    pub low: f32,
    /// Upper bound.
    pub high: f32,
}

/// The bounds of every node of `graph` over `pictures` (`[n, height, width, 3]` RGB bytes), in the order of its nodes.
///
/// # Errors
/// No picture, or not whole ones; a percentile outside 50 < p ≤ 100; an activation that is not finite; an interruption.
pub fn calibrate(
    graph: &Graph,
    pictures: &[u8],
    method: Method,
    progress: &dyn Progress,
) -> Result<Vec<Range>, QuantizeError> {
    let count = check(graph, pictures, method)?;
    let compared = if method == Method::Best { count.min(best::PICTURES) } else { 0 };
    let rounds = if method == Method::MinMax { 1 } else { 2 };
    progress.start("calibrate", (rounds * count + compared) as u64);
    let ranges = ranges(graph, pictures, method, progress);
    progress.finish();
    ranges
}

fn ranges(
    graph: &Graph,
    pictures: &[u8],
    method: Method,
    progress: &dyn Progress,
) -> Result<Vec<Range>, QuantizeError> {
    let bounds = bounds(graph, pictures, progress)?;
    if method == Method::MinMax {
        return Ok(bounds);
    }
    let histograms = histograms(graph, pictures, &bounds, progress)?;
    if method != Method::Best {
        return Ok(histograms.par_iter().map(|histogram| method.range(histogram)).collect());
    }
    let candidates: Vec<Vec<Range>> = histograms
        .par_iter()
        .map(|histogram| CANDIDATES.iter().map(|method| method.range(histogram)).collect())
        .collect();
    best::choose(graph, pictures, &candidates, progress)
}

impl Method {
    /// The bounds that the method takes from the counted values. [`Method::Best`] needs more than those and takes all.
    fn range(self, histogram: &Histogram) -> Range {
        match self {
            Self::MinMax | Self::Best => histogram.bounds,
            Self::Percentile(p) => histogram.percentile(p),
            Self::LeastSquares => search::least_squares(histogram),
            Self::Entropy => search::least_divergence(histogram),
        }
    }
}

impl Range {
    /// Contains nothing.
    const EMPTY: Self = Self { low: f32::INFINITY, high: f32::NEG_INFINITY };

    pub(super) fn of(values: &[f32]) -> Self {
        values.iter().fold(Self::EMPTY, |range, &v| range.union(Self { low: v, high: v }))
    }

    fn union(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }
}

fn check(graph: &Graph, pictures: &[u8], method: Method) -> Result<usize, QuantizeError> {
    let picture = graph.input().len();
    if pictures.is_empty() || picture == 0 {
        return Err(QuantizeError::NoPictures);
    }
    if !pictures.len().is_multiple_of(picture) {
        return Err(QuantizeError::PictureSize { bytes: pictures.len(), picture });
    }
    match method {
        Method::Percentile(value) if !(value > 50.0 && value <= 100.0) => {
            Err(QuantizeError::Setting { setting: "the percentile", value, wanted: "above 50 and at most 100" })
        }
        _ => Ok(pictures.len() / picture),
    }
}

/// What every node computes from one picture, checked.
pub(super) fn activations(
    graph: &Graph,
    picture: &[u8],
    progress: &dyn Progress,
) -> Result<Vec<Vec<f32>>, QuantizeError> {
    if progress.interrupted() {
        return Err(QuantizeError::Interrupted);
    }
    let results = interpreter::run(graph, picture);
    progress.advance(1);
    let finite = |values: &Vec<f32>| values.iter().all(|v| v.is_finite());
    match results.iter().position(|values| !finite(values)) {
        Some(node) => Err(QuantizeError::NotFinite { name: graph.nodes[node].name.clone() }),
        None => Ok(results),
    }
}

fn bounds(graph: &Graph, pictures: &[u8], progress: &dyn Progress) -> Result<Vec<Range>, QuantizeError> {
    let union = |a: Vec<Range>, b: Vec<Range>| Ok(a.iter().zip(b).map(|(a, b)| a.union(b)).collect());
    pictures
        .par_chunks_exact(graph.input().len())
        .map(|picture| {
            activations(graph, picture, progress).map(|all| all.iter().map(|values| Range::of(values)).collect())
        })
        .try_reduce(|| vec![Range::EMPTY; graph.nodes.len()], union)
}

fn histograms(
    graph: &Graph,
    pictures: &[u8],
    bounds: &[Range],
    progress: &dyn Progress,
) -> Result<Vec<Histogram>, QuantizeError> {
    let empty = || bounds.iter().map(|range| Histogram::new(*range)).collect();
    pictures
        .par_chunks_exact(graph.input().len())
        .try_fold(empty, |mut histograms: Vec<Histogram>, picture| {
            let all = activations(graph, picture, progress)?;
            histograms.iter_mut().zip(all).for_each(|(histogram, values)| histogram.count(&values));
            Ok(histograms)
        })
        .try_reduce(empty, |mut a, b| {
            a.iter_mut().zip(&b).for_each(|(a, b)| a.merge(b));
            Ok(a)
        })
}
