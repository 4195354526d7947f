//! Triplets charged one by one, from their rows alone: what is not named costs nothing.

use super::super::pairs::Tally;
use super::super::{Batch, Margin, MetricLoss};
use crate::mining::{Metric, Triplet};

/// Mean charge of the triplets: L = (1/T) Σ charge(d(a,p) − d(a,n)).
///
/// The gradient of a Euclidean distance of zero is taken as zero, the middle of its subgradients. Without triplets: loss 0,
/// gradient 0. The cosine distance is that of embeddings of length 1; give those.
pub fn triplet(batch: &Batch<'_>, triplets: &[Triplet], metric: Metric, margin: Margin) -> MetricLoss {
    let mut gradient = vec![0.0; batch.embeddings.len()];
    let mut tally = Tally { terms: triplets.len(), counted: triplets.len(), ..Tally::default() };
    let share = 1.0 / triplets.len().max(1) as f32;
    for &Triplet { anchor, positive, negative } in triplets {
        let near = metric.between(batch.row(anchor), batch.row(positive));
        let far = metric.between(batch.row(anchor), batch.row(negative));
        let (charge, slope) = margin.charge(near - far);
        tally.charge += f64::from(charge);
        tally.active += usize::from(margin.active(near - far));
        tally.positive.add(near, 1);
        tally.negative.add(far, 1);
        add_pull(&mut gradient, batch, (anchor, positive), slope * share * metric.pull(near));
        add_pull(&mut gradient, batch, (anchor, negative), -slope * share * metric.pull(far));
    }
    tally.with(gradient)
}

/// Adds `factor`·(xᵢ − xⱼ) to row i and takes it off row j.
fn add_pull(gradient: &mut [f32], batch: &Batch<'_>, (i, j): (usize, usize), factor: f32) {
    if factor == 0.0 {
        return;
    }
    for (component, (x, y)) in batch.row(i).iter().zip(batch.row(j)).enumerate() {
        let pull = factor * (x - y);
        gradient[i * batch.dimension + component] += pull;
        gradient[j * batch.dimension + component] -= pull;
    }
}
