//! How the values of an activation are spread between its bounds.

use super::Range;

/// Resolution: a quarter of a percent of an int8 step where nothing is clipped.
const BINS: usize = 8192;

/// How many values lie in each of [`BINS`] equal parts of the bounds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Histogram {
    pub bounds: Range,
    counts: Vec<u64>,
}

impl Histogram {
    /// Nothing counted yet.
    pub fn new(bounds: Range) -> Self {
        Self { bounds, counts: vec![0; BINS] }
    }

    /// Counts values that lie within the bounds.
    pub fn count(&mut self, values: &[f32]) {
        let width = self.width();
        let factor = if width > 0.0 { BINS as f64 / width } else { 0.0 };
        for &value in values {
            let bin = ((f64::from(value) - f64::from(self.bounds.low)) * factor) as usize;
            self.counts[bin.min(BINS - 1)] += 1;
        }
    }

    /// Adds what another histogram with these bounds counted.
    pub fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(a, b)| *a += b);
    }

    /// The middle and the count of each part that holds anything, in ascending order.
    pub fn occupied(&self) -> Vec<(f64, f64)> {
        let step = self.width() / BINS as f64;
        let middle = |bin: usize| f64::from(self.bounds.low) + (bin as f64 + 0.5) * step;
        let parts = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        parts.map(|(bin, count)| (middle(bin), *count as f64)).collect()
    }

    /// The bounds within which all but 100 − p per cent of the values lie, at each end.
    pub fn percentile(&self, p: f64) -> Range {
        let total: u64 = self.counts.iter().sum();
        let clipped = (total as f64 * (100.0 - p) / 100.0) as u64;
        let step = self.width() / BINS as f64;
        let below = bins_within(self.counts.iter(), clipped) as f64;
        let above = bins_within(self.counts.iter().rev(), clipped) as f64;
        let Range { low, high } = self.bounds;
        Range { low: (f64::from(low) + below * step) as f32, high: (f64::from(high) - above * step) as f32 }
    }

    fn width(&self) -> f64 {
        f64::from(self.bounds.high) - f64::from(self.bounds.low)
    }
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

    fn histogram(values: &[f32]) -> Histogram {
        let mut histogram = Histogram::new(Range::of(values));
        histogram.count(values);
        histogram
    }

    #[test]
    fn percentile_clips_the_outliers_at_each_end() {
        let mut values: Vec<f32> = (0..10_000).map(|i| i as f32 / 10_000.0).collect();
        values.extend([-50.0, 50.0]);
        let histogram = histogram(&values);
        assert_eq!(histogram.percentile(100.0), histogram.bounds);
        let clipped = histogram.percentile(99.9);
        assert!(clipped.low > -0.1 && clipped.low < 0.05, "{clipped:?}");
        assert!(clipped.high > 0.95 && clipped.high < 1.1, "{clipped:?}");
    }

    #[test]
    fn a_constant_activation_keeps_its_value() {
        let histogram = histogram(&[2.5; 100]);
        assert_eq!(histogram.percentile(99.0), Range { low: 2.5, high: 2.5 });
        assert_eq!(histogram.occupied(), [(2.5, 100.0)]);
    }

    #[test]
    fn parts_come_in_order_and_hold_every_value() {
        let mut a = histogram(&[-1.0, 0.0, 0.0, 1.0]);
        let b = a.clone();
        a.merge(&b);
        let parts = a.occupied();
        assert!(parts.is_sorted_by(|a, b| a.0 < b.0) && parts.iter().map(|part| part.1).sum::<f64>() == 8.0);
        assert!(parts.iter().zip([-1.0, 0.0, 1.0]).all(|(part, value)| (part.0 - value).abs() < 2e-4), "{parts:?}");
    }
}
