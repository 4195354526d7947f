//! Losses as functions of all pairs of a batch: a row of slopes for each anchor, and the way back to the embeddings.

use super::similarity::product;
use super::{Batch, MetricLoss};
use crate::mining::Distances;
use rayon::prelude::*;

/// Sums over the terms of a loss.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Tally {
    /// Sum of the charges.
    pub charge: f64,
    /// What it is divided by.
    pub counted: usize,
    /// Terms.
    pub terms: usize,
    /// Those that still teach something.
    pub active: usize,
    /// Distances between anchors and positives.
    pub positive: Mean,
    /// Distances between anchors and negatives.
    pub negative: Mean,
}

/// A mean in the making.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Mean {
    /// Sum of the values.
    pub sum: f64,
    /// How many.
    pub count: usize,
}

impl Mean {
    /// Adds `value`, `times` times.
    pub fn add(&mut self, value: f32, times: usize) {
        self.sum += f64::from(value) * times as f64;
        self.count += times;
    }

    /// 0 of nothing.
    fn value(self) -> f32 {
        (self.sum / self.count.max(1) as f64) as f32
    }

    fn plus(self, other: Self) -> Self {
        Self { sum: self.sum + other.sum, count: self.count + other.count }
    }
}

impl Tally {
    fn plus(self, other: Self) -> Self {
        Self {
            charge: self.charge + other.charge,
            counted: self.counted + other.counted,
            terms: self.terms + other.terms,
            active: self.active + other.active,
            positive: self.positive.plus(other.positive),
            negative: self.negative.plus(other.negative),
        }
    }

    /// Mean charge with this gradient; 0 where nothing was counted.
    pub fn with(self, gradient: Vec<f32>) -> MetricLoss {
        MetricLoss {
            value: (self.charge / self.counted.max(1) as f64) as f32,
            gradient,
            active_fraction: self.active as f32 / self.terms.max(1) as f32,
            positive_distance: self.positive.value(),
            negative_distance: self.negative.value(),
        }
    }
}

/// Slopes of a loss by all pairs of an anchor and an embedding, and its sums. Anchors are the first of the embeddings. The loss is the mean: charge / counted.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pairs {
    anchors: usize,
    count: usize,
    /// ∂charge/∂pair, `[anchors, B]`: row anchor, column other.
    pub slopes: Vec<f32>,
    /// Sums.
    pub tally: Tally,
}

impl Pairs {
    /// Of the first `anchors` of `count` embeddings, nothing charged.
    pub fn none(anchors: usize, count: usize) -> Self {
        Self { anchors, count, slopes: vec![0.0; anchors * count], tally: Tally::default() }
    }

    /// From a function that charges one anchor: it adds to the anchor's row of slopes and says what it counted.
    ///
    /// Anchors are charged in parallel and added in their order, so the result does not depend on the number of threads.
    pub fn of(anchors: usize, count: usize, charge: impl Fn(usize, &mut [f32]) -> Tally + Sync) -> Self {
        let mut pairs = Self::none(anchors, count);
        let rows = pairs.slopes.par_chunks_mut(count.max(1)).enumerate();
        let tallies: Vec<Tally> = rows.map(|(anchor, row)| charge(anchor, row)).collect();
        pairs.tally = tallies.into_iter().fold(Tally::default(), Tally::plus);
        pairs
    }

    /// Adds to the slope of a pair.
    pub fn add(&mut self, anchor: usize, other: usize, slope: f32) {
        self.slopes[anchor * self.count + other] += slope;
    }

    /// Slopes of distances: ∂L/∂xᵢ = Σⱼ (gᵢⱼ + gⱼᵢ)·∂dᵢⱼ/∂xᵢ of each anchor, `[anchors, dimension]`.
    ///
    /// # Shapes
    /// `batch`: the embeddings that `distances` were taken between.
    pub fn through_distances(&self, distances: &Distances, batch: &Batch<'_>) -> MetricLoss {
        let share = self.share();
        let mut gradient = vec![0.0; self.anchors * batch.dimension];
        gradient.par_chunks_mut(batch.dimension.max(1)).enumerate().for_each(|(i, out)| {
            for (j, &length) in distances.row(i).iter().enumerate() {
                let factor = share * self.both(i, j) * distances.metric().pull(length);
                if factor != 0.0 {
                    let rows = batch.row(i).iter().zip(batch.row(j));
                    out.iter_mut().zip(rows).for_each(|(out, (x, y))| *out += factor * (x - y));
                }
            }
        });
        self.tally.with(gradient)
    }

    /// Slopes of inner products: ∂L/∂X = (G + Gᵀ)·X of each anchor, `[anchors, dimension]`.
    pub fn through_similarities(&self, batch: &Batch<'_>) -> MetricLoss {
        let (count, share) = (self.count, self.share());
        let mut both = vec![0.0; self.anchors * count];
        both.par_chunks_mut(count.max(1)).enumerate().for_each(|(i, row)| {
            row.iter_mut().enumerate().for_each(|(j, both)| *both = share * self.both(i, j));
        });
        self.tally.with(product((&both, count), (batch.embeddings, batch.dimension)))
    }

    fn both(&self, i: usize, j: usize) -> f32 {
        let back = if j < self.anchors { self.slopes[j * self.count + i] } else { 0.0 };
        self.slopes[i * self.count + j] + back
    }

    /// What a charge of 1 adds to the mean.
    fn share(&self) -> f32 {
        1.0 / self.tally.counted.max(1) as f32
    }
}

/// Rows of the anchor's identity without itself, and rows of others; `None` where one of them is empty.
pub(super) fn partition(identities: &[u32], anchor: usize) -> Option<(Vec<usize>, Vec<usize>)> {
    let others = (0..identities.len()).filter(|&other| other != anchor);
    let (positives, negatives): (Vec<_>, Vec<_>) = others.partition(|&other| identities[other] == identities[anchor]);
    (!positives.is_empty() && !negatives.is_empty()).then_some((positives, negatives))
}
