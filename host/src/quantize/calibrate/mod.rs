//! Step 2: over calibration pictures, between which bounds does each activation lie?

use rayon::prelude::*;

use super::QuantizeError;
use crate::network::{Graph, interpreter};
use crate::progress::Progress;

/// How the bounds of an activation are chosen from its values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// The least and the greatest value seen: nothing is clipped, and one outlier costs everybody resolution.
    MinMax,
    /// Given p in per cent (such as 99.99): of all values of all pictures, 100 − p per cent are clipped at each end.
    Percentile(f64),
}

/// The bounds of one activation.
#[derive(Debug, Clone, Copy, PartialEq)]
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
    let rounds = if method == Method::MinMax { 1 } else { 2 };
    progress.start("calibrate", (rounds * count) as u64);
    let bounds = bounds(graph, pictures, progress);
    let ranges = match (bounds, method) {
        (Ok(bounds), Method::Percentile(p)) => {
            let histograms = histograms(graph, pictures, &bounds, progress);
            histograms.map(|all| all.iter().zip(bounds).map(|(h, range)| percentile(h, range, p)).collect())
        }
        (bounds, _) => bounds,
    };
    progress.finish();
    ranges
}

impl Range {
    /// Contains nothing.
    const EMPTY: Self = Self { low: f32::INFINITY, high: f32::NEG_INFINITY };

    fn of(values: &[f32]) -> Self {
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
fn activations(graph: &Graph, picture: &[u8], progress: &dyn Progress) -> Result<Vec<Vec<f32>>, QuantizeError> {
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

/// Resolution of the percentile: a quarter of a percent of an int8 step where nothing is clipped.
const BINS: usize = 8192;

/// How many values lie in each of [`BINS`] equal parts of the bounds.
type Histogram = Vec<u64>;

fn histograms(
    graph: &Graph,
    pictures: &[u8],
    bounds: &[Range],
    progress: &dyn Progress,
) -> Result<Vec<Histogram>, QuantizeError> {
    let empty = || vec![vec![0; BINS]; bounds.len()];
    pictures
        .par_chunks_exact(graph.input().len())
        .try_fold(empty, |mut histograms: Vec<Histogram>, picture| {
            for ((histogram, values), range) in
                histograms.iter_mut().zip(activations(graph, picture, progress)?).zip(bounds)
            {
                count(histogram, &values, *range);
            }
            Ok(histograms)
        })
        .try_reduce(empty, |mut a, b| {
            a.iter_mut().flatten().zip(b.iter().flatten()).for_each(|(a, b)| *a += b);
            Ok(a)
        })
}

fn count(histogram: &mut Histogram, values: &[f32], range: Range) {
    let width = f64::from(range.high) - f64::from(range.low);
    let factor = if width > 0.0 { BINS as f64 / width } else { 0.0 };
    for &value in values {
        let bin = ((f64::from(value) - f64::from(range.low)) * factor) as usize;
        histogram[bin.min(BINS - 1)] += 1;
    }
}

/// The bounds within which all but 100 − p per cent of the values lie, at each end.
fn percentile(histogram: &Histogram, range: Range, p: f64) -> Range {
    let total: u64 = histogram.iter().sum();
    let clipped = (total as f64 * (100.0 - p) / 100.0) as u64;
    let step = (f64::from(range.high) - f64::from(range.low)) / BINS as f64;
    let below = bins_within(histogram.iter(), clipped) as f64;
    let above = bins_within(histogram.iter().rev(), clipped) as f64;
    Range { low: (f64::from(range.low) + below * step) as f32, high: (f64::from(range.high) - above * step) as f32 }
}

/// How many bins from the start hold no more than `clipped` values together.
fn bins_within<'a>(bins: impl Iterator<Item = &'a u64>, clipped: u64) -> usize {
    let mut sum = 0;
    bins.take_while(|&&bin| {
        sum += bin;
        sum <= clipped
    })
    .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentile_clips_the_outliers_at_each_end() {
        let mut values: Vec<f32> = (0..10_000).map(|i| i as f32 / 10_000.0).collect();
        values.extend([-50.0, 50.0]);
        let range = Range::of(&values);
        let mut histogram = vec![0; BINS];
        count(&mut histogram, &values, range);
        assert_eq!(percentile(&histogram, range, 100.0), range);
        let clipped = percentile(&histogram, range, 99.9);
        assert!(clipped.low > -0.1 && clipped.low < 0.05, "{clipped:?}");
        assert!(clipped.high > 0.95 && clipped.high < 1.1, "{clipped:?}");
    }

    #[test]
    fn a_constant_activation_keeps_its_value() {
        let range = Range::of(&[2.5; 100]);
        let mut histogram = vec![0; BINS];
        count(&mut histogram, &[2.5; 100], range);
        assert_eq!(percentile(&histogram, range, 99.0), Range { low: 2.5, high: 2.5 });
    }
}
