//! Metric losses of a batch against the embeddings of past batches (Wang et al. 2020).

use super::normalize::Normalized;
use super::{Batch, MetricLoss, TripletSettings, triplet};
use crate::mining::cross_batch::hardest_past;

/// Embeddings of a batch, and behind them those of past batches, as one batch.
struct Joined {
    embeddings: Vec<f32>,
    identities: Vec<u32>,
    dimension: usize,
}

impl Joined {
    fn new(batch: &Batch<'_>, past: &Batch<'_>) -> Self {
        let embeddings = [batch.embeddings, past.embeddings].concat();
        Self { embeddings, identities: [batch.identities, past.identities].concat(), dimension: batch.dimension }
    }

    /// The first `count` rows, and the others.
    fn split(&self, count: usize) -> (Batch<'_>, Batch<'_>) {
        let (a, b) = self.embeddings.split_at(count * self.dimension);
        let (c, d) = self.identities.split_at(count);
        let batch = |embeddings, identities| Batch { embeddings, dimension: self.dimension, identities };
        (batch(a, c), batch(b, d))
    }

    fn all(&self) -> Batch<'_> {
        Batch { embeddings: &self.embeddings, dimension: self.dimension, identities: &self.identities }
    }
}

/// The triplet loss of anchors in `batch` with positives and negatives in `past`, mined batch-hard or semi-hard; the
/// gradient, `[B, dimension]`, is that of the anchors.
pub fn triplet_against(settings: &TripletSettings, batch: &Batch<'_>, past: &Batch<'_>) -> MetricLoss {
    let mut joined = Joined::new(batch, past);
    let normalized = settings.normalizes().then(|| Normalized::new(&joined.embeddings, batch.dimension));
    if let Some(normalized) = &normalized {
        joined.embeddings.copy_from_slice(&normalized.rows);
    }
    let (present, earlier) = joined.split(batch.identities.len());
    let triplets = hardest_past(&present, &earlier);
    let mut loss = triplet(&joined.all(), &triplets, settings.distance, settings.charged());
    loss.gradient.truncate(batch.embeddings.len());
    if let Some(normalized) = normalized {
        normalized.backward(&mut loss.gradient);
    }
    loss
}

#[cfg(test)]
mod tests {
    use super::super::Margin;
    use super::super::check::{self, EdgeCase};
    use super::*;

    /// The definition in f64: per anchor the hardest of all triplets with the past.
    fn plain(x: &[f64], batch: &Batch<'_>, past: &Batch<'_>, settings: &TripletSettings) -> f64 {
        let unit = |row: Vec<f64>| {
            let length = if settings.normalize { row.iter().map(|x| x * x).sum::<f64>().sqrt() } else { 1.0 };
            row.into_iter().map(|x| x / length).collect::<Vec<f64>>()
        };
        let rows: Vec<Vec<f64>> = x.chunks_exact(batch.dimension).map(|row| unit(row.to_vec())).collect();
        let past_rows: Vec<Vec<f64>> = (0..past.identities.len())
            .map(|row| unit(past.row(row).iter().copied().map(f64::from).collect()))
            .collect();
        let d = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        let mut charges = Vec::new();
        for (row, identity) in rows.iter().zip(batch.identities) {
            let distances = |same: bool| {
                let past = past_rows.iter().zip(past.identities).filter(move |(_, other)| (*other == identity) == same);
                past.map(|(past, _)| d(row, past)).collect::<Vec<f64>>()
            };
            let (positives, negatives) = (distances(true), distances(false));
            let hardest = positives.into_iter().reduce(f64::max).zip(negatives.into_iter().reduce(f64::min));
            charges.extend(hardest.map(|(positive, negative)| match settings.charged() {
                Margin::Hinge(margin) => (positive - negative + f64::from(margin)).max(0.0),
                Margin::Soft => (positive - negative).exp().ln_1p(),
            }));
        }
        charges.iter().sum::<f64>() / charges.len().max(1) as f64
    }

    #[test]
    fn equals_its_plain_twin_and_its_central_differences() {
        let past = EdgeCase::random(21, &[0, 1, 2, 0, 1, 5, 5], 4);
        for case in [EdgeCase::random(22, &[0, 1, 1, 2, 7], 4), EdgeCase::random(23, &[9, 9], 4)] {
            for normalize in [false, true] {
                for soft_margin in [false, true] {
                    let settings = TripletSettings { normalize, soft_margin, margin: 1.5, ..Default::default() };
                    let loss = triplet_against(&settings, &case.batch(), &past.batch());
                    assert_eq!(loss.gradient.len(), case.embeddings.len());
                    let plain = |x: &[f64]| plain(x, &case.batch(), &past.batch(), &settings);
                    check::value_and_gradient(&case, loss.value, &loss.gradient, plain);
                }
            }
        }
    }

    #[test]
    fn without_a_past_there_is_nothing_to_compare() {
        let (case, none) = (EdgeCase::random(24, &[0, 0, 1], 3), EdgeCase::random(25, &[], 3));
        let loss = triplet_against(&TripletSettings::default(), &case.batch(), &none.batch());
        assert_eq!(loss, MetricLoss::nothing(9));
    }
}
