//! Bounds of least cost: by squared error, or by what the histogram loses.

use super::super::scale::Quantization;
use super::Range;
use super::histogram::Histogram;

/// How far a bound is drawn in from one try to the next.
const SHRINK: f32 = 0.97;
/// Tries at each bound: down to an eighth of it.
const TRIES: i32 = 68;

/// The bounds of least Σ (x − q(x))² over the values, clipped ones included (Banner 2019, §3, by search).
pub(super) fn least_squares(histogram: &Histogram) -> Range {
    let parts = histogram.occupied();
    draw_in(histogram.bounds, |range| {
        let quantization = Quantization::int8(range, 0.0);
        parts.iter().map(|(value, count)| count * error(quantization, *value).powi(2)).sum()
    })
}

/// The bounds of least Kullback–Leibler divergence from the histogram to its int8 version, with what is clipped counted at
/// the edges of the former only (Migacz 2017, "8-bit inference with TensorRT").
pub(super) fn least_divergence(histogram: &Histogram) -> Range {
    let parts = histogram.occupied();
    draw_in(histogram.bounds, |range| divergence(&parts, range))
}

fn error(quantization: Quantization, value: f64) -> f64 {
    f64::from(quantization.round(value as f32)) - value
}

/// The lower or upper bound is drawn in towards zero while the other stands, and both once more.
fn draw_in(range: Range, cost: impl Fn(Range) -> f64) -> Range {
    let mut best = Range { low: range.low.min(0.0), high: range.high.max(0.0) };
    let mut least = cost(best);
    for end in [End::High, End::Low, End::High, End::Low] {
        let from = best;
        for power in 1..TRIES {
            let tried = end.scaled(from, SHRINK.powi(power));
            if tried == from {
                break;
            }
            let cost = cost(tried);
            if cost < least {
                (best, least) = (tried, cost);
            }
        }
    }
    best
}

#[derive(Clone, Copy)]
enum End {
    Low,
    High,
}

impl End {
    fn scaled(self, Range { low, high }: Range, factor: f32) -> Range {
        match self {
            Self::Low => Range { low: low * factor, high },
            Self::High => Range { low, high: high * factor },
        }
    }
}

/// Σ p·ln(p/q): p is the histogram within `range` with the clipped values in its first and last part, q the same without
/// them, spread evenly over the parts that share an int8 value. Zero and the greatest and least value, where activation
/// functions put many, are int8 values of their own.
fn divergence(parts: &[(f64, f64)], range: Range) -> f64 {
    let start = parts.partition_point(|(value, _)| *value < f64::from(range.low));
    let end = parts.partition_point(|(value, _)| *value <= f64::from(range.high));
    let Some(inside) = parts.get(start..end).filter(|inside| !inside.is_empty()) else { return f64::INFINITY };
    let total = |parts: &[(f64, f64)]| parts.iter().map(|(_, count)| count).sum::<f64>();
    let (below, above) = (total(&parts[..start]), total(&parts[end..]));
    let (whole, kept) = (total(parts), total(inside));
    let zero = parts.iter().map(|(value, _)| value.abs()).fold(f64::INFINITY, f64::min);
    let exact =
        |value: f64| value.abs() == zero || Some(value) == edge(parts.first()) || Some(value) == edge(parts.last());
    let quantization = Quantization::int8(range, 0.0);
    let level = |part: &(f64, f64)| (quantization.quantize(part.0 as f32), exact(part.0));
    let mut sum = 0.0;
    let mut at = 0;
    for group in inside.chunk_by(|a, b| level(a) == level(b)) {
        let q = total(group) / group.len() as f64 / kept;
        for (_, count) in group {
            let first = if at == 0 { below } else { 0.0 };
            let last = if at + 1 == inside.len() { above } else { 0.0 };
            let p = (count + first + last) / whole;
            sum += p * (p / q).ln();
            at += 1;
        }
    }
    sum
}

fn edge(part: Option<&(f64, f64)>) -> Option<f64> {
    part.map(|(value, _)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A million values in a bell of width 1, and a few far out.
    fn bell(outliers: &[f32]) -> Histogram {
        let values: Vec<f32> = (1..10_000).map(|i| i as f32 / 10_000.0).map(|u| (u / (1.0 - u)).ln() * 0.5).collect();
        let mut histogram = Histogram::new(Range::of(&[&values[..], outliers].concat()));
        (0..100).for_each(|_| histogram.count(&values));
        histogram.count(outliers);
        histogram
    }

    fn squares(histogram: &Histogram, range: Range) -> f64 {
        let quantization = Quantization::int8(range, 0.0);
        histogram.occupied().iter().map(|(value, count)| count * error(quantization, *value).powi(2)).sum()
    }

    #[test]
    fn least_squares_beats_every_symmetric_clip_and_keeps_what_is_worth_keeping() {
        let histogram = bell(&[40.0]);
        let found = least_squares(&histogram);
        assert!(found.high < 20.0 && found.high > 2.0 && found.low > -6.0, "{found:?}");
        let least = squares(&histogram, found);
        for high in 1..=40 {
            let tried = Range { low: histogram.bounds.low, high: high as f32 };
            assert!(least <= squares(&histogram, tried) * 1.02, "{high}");
        }
    }

    #[test]
    fn both_searches_clip_outliers_and_leave_even_values_alone() {
        for search in [least_squares, least_divergence] {
            assert!(search(&bell(&[-60.0, 60.0])).high < 30.0);
            let mut even = Histogram::new(Range { low: -1.0, high: 3.0 });
            even.count(&(0..=4000).map(|i| i as f32 / 1000.0 - 1.0).collect::<Vec<_>>());
            let found = search(&even);
            assert!(found.low < -0.9 && found.high > 2.7, "{found:?}");
        }
    }

    /// Behind ReLU6 half of the values are 0 and many are 6, both exact in int8: neither is a reason to clip.
    #[test]
    fn what_an_activation_function_clamps_is_not_clipped_further() {
        let values: Vec<f32> = (0..40_000).map(|i| (i as f32 / 2500.0 - 8.0).clamp(0.0, 6.0)).collect();
        let mut histogram = Histogram::new(Range::of(&values));
        histogram.count(&values);
        for search in [least_squares, least_divergence] {
            assert!(search(&histogram).high > 5.8, "{:?}", search(&histogram));
        }
    }

    #[test]
    fn a_constant_or_dead_activation_has_bounds() {
        for value in [0.0f32, 2.5, -1.0] {
            let mut histogram = Histogram::new(Range::of(&[value]));
            histogram.count(&[value; 50]);
            for search in [least_squares, least_divergence] {
                let found = search(&histogram);
                let back = Quantization::int8(found, 0.0).round(value);
                assert!((back - value).abs() <= value.abs() / 100.0, "{value} became {back} within {found:?}");
            }
        }
    }
}
