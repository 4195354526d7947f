//! Pseudo-triplets: each anchor's distances to all of its positives and negatives, weighted by how hard they are.

use super::super::Margin;
use super::super::pairs::{Pairs, Tally, partition};
use super::super::softmax::softmax;
use crate::mining::Distances;

/// L = mean over anchors of charge(Σ_p w_p·d(a,p) − Σ_n w_n·d(a,n)) with w_p = softmax(d(a,p)) over the positives and
/// w_n = softmax(−d(a,n)) over the negatives (Ristani, Tomasi 2018, §3.2; Ye et al. 2021, eq. 9).
///
/// Gradients pass through the weights. An anchor without a positive or without a negative is left out of the mean.
pub fn charge(distances: &Distances, identities: &[u32], margin: Margin) -> Pairs {
    Pairs::of(distances.anchors(), identities.len(), |anchor, slopes| {
        let Some((positives, negatives)) = partition(identities, anchor) else { return Tally::default() };
        let row = distances.row(anchor);
        let positive = weigh(row, &positives, 1.0);
        let negative = weigh(row, &negatives, -1.0);
        let z = positive.distance - negative.distance;
        let (charge, slope) = margin.charge(z);
        for (members, weighed, slope) in [(&positives, &positive, slope), (&negatives, &negative, -slope)] {
            members.iter().zip(&weighed.slopes).for_each(|(&member, by)| slopes[member] += slope * by);
        }
        let active = usize::from(margin.active(z));
        let mut tally = Tally { charge: f64::from(charge), counted: 1, terms: 1, active, ..Tally::default() };
        tally.positive.add(positive.distance, 1);
        tally.negative.add(negative.distance, 1);
        tally
    })
}

/// A weighted distance and its slope by each member's distance.
struct Weighed {
    distance: f32,
    slopes: Vec<f32>,
}

/// d = Σ wₖ·dₖ with w = softmax(sign·dₖ) over the members: ∂d/∂dₖ = wₖ·(1 + sign·(dₖ − d)).
fn weigh(row: &[f32], members: &[usize], sign: f32) -> Weighed {
    let mut weights: Vec<f32> = members.iter().map(|&member| sign * row[member]).collect();
    softmax(&mut weights);
    let distance = members.iter().zip(&weights).map(|(&member, weight)| weight * row[member]).sum();
    let slope = |(&member, weight): (&usize, &f32)| weight * (1.0 + sign * (row[member] - distance));
    Weighed { distance, slopes: members.iter().zip(&weights).map(slope).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Weights whose maximum is taken over masked zeros vanish as distances grow; these sum to 1 at any distance.
    #[test]
    fn negatives_keep_their_weight_however_far_they_are() {
        for far in [1.0, 10.0, 20.0, 1000.0] {
            let weighed = weigh(&[0.0, far, far + 0.5, far + 0.25], &[1, 2, 3], -1.0);
            assert!(weighed.distance >= far && weighed.distance <= far + 0.5, "{far}: {}", weighed.distance);
            assert!((weighed.slopes.iter().sum::<f32>() - 1.0).abs() < 1e-3);
        }
    }
}
