//! Every triplet of a batch, anchor by anchor: none is ever listed, so memory stays at B² numbers.

use super::super::Margin;
use super::super::pairs::{Pairs, Tally, partition};
use crate::mining::Distances;

/// Of the hinge, the mean over the active triplets: L = Σ max(0, d(a,p) − d(a,n) + m) / #{> 0} (Hermans, Beyer, Leibe 2017,
/// eq. 6 with "BA≠0"). The soft margin leaves no triplet without a charge, so its mean is over all of them.
pub fn charge(distances: &Distances, identities: &[u32], margin: Margin) -> Pairs {
    Pairs::of(distances.anchors(), identities.len(), |anchor, slopes| {
        let Some((positives, negatives)) = partition(identities, anchor) else { return Tally::default() };
        let row = distances.row(anchor);
        let to_negatives: Vec<f32> = negatives.iter().map(|&negative| row[negative]).collect();
        let mut pulls = vec![0.0; negatives.len()];
        let mut tally = Tally { terms: positives.len() * negatives.len(), ..Tally::default() };
        for &positive in &positives {
            let pushed = charge_pair(row[positive], &to_negatives, &mut pulls, margin, &mut tally);
            slopes[positive] += pushed;
            tally.positive.add(row[positive], negatives.len());
        }
        for ((&negative, &pull), &length) in negatives.iter().zip(&pulls).zip(&to_negatives) {
            slopes[negative] -= pull;
            tally.negative.add(length, positives.len());
        }
        tally.counted = if margin == Margin::Soft { tally.terms } else { tally.active };
        tally
    })
}

/// Charges one positive against all negatives, adds each slope to `pulls`, and returns their sum.
fn charge_pair(to_positive: f32, to_negatives: &[f32], pulls: &mut [f32], margin: Margin, tally: &mut Tally) -> f32 {
    let (mut sum, mut charged, mut active) = (0.0, 0.0f64, 0);
    for (&to_negative, pull) in to_negatives.iter().zip(pulls) {
        let z = to_positive - to_negative;
        let (charge, slope) = margin.charge(z);
        charged += f64::from(charge);
        active += usize::from(margin.active(z));
        *pull += slope;
        sum += slope;
    }
    tally.charge += charged;
    tally.active += active;
    sum
}
