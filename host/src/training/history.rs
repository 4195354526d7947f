//! What is known about each epoch of a run, kept in the checkpoint and written as one JSON line an epoch.

use crate::mining::{Counts, TripletShares};
use serde::{Deserialize, Serialize};

/// One finished epoch. Losses are means over its batches.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// From 1.
    pub epoch: u64,
    /// What is minimized.
    pub loss: f32,
    /// Each loss of the recipe, unweighted, in its order.
    pub terms: Vec<f32>,
    /// The first metric loss, unweighted; 0 where there is none.
    pub metric_loss: f32,
    /// The first ID loss, unweighted; 0 where there is none.
    pub id_loss: f32,
    /// Share of the metric loss's terms that still taught something.
    pub active_fraction: f32,
    /// Mean d(a,p) over the mined triplets.
    pub positive_distance: f32,
    /// Mean d(a,n) over the mined triplets.
    pub negative_distance: f32,
    /// Share of pictures whose identity the classifier found.
    pub id_correct: f32,
    /// Classes of the triplets of its batches; of large batches those of some anchors.
    #[serde(default)]
    pub triplets: TripletShares,
    /// Learning rate of the last step.
    pub learning_rate: f32,
    /// Pictures trained on per second, of this session if the epoch was interrupted.
    pub images_per_second: f32,
    /// mAP over the held-out identities, in the epochs that look at them.
    pub validation_map: Option<f32>,
    /// Rank-1 over the held-out identities.
    pub validation_rank1: Option<f32>,
    /// The mined triplets that were learned from, where there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mined: Option<TripletRecord>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// Mined triplets, and how stale they were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TripletRecord {
    /// Fingerprint of the weights they were mined with.
    pub checkpoint: String,
    /// Epochs trained between mining (or the beginning, with a given file) and this epoch.
    pub mined_epochs_ago: u64,
    /// All triplets by class when they were mined.
    pub examined: Counts,
    /// Those chosen.
    pub chosen: Counts,
}

/// What one batch had to say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StepReport {
    /// What is minimized.
    pub loss: f32,
    /// Each loss of the recipe, unweighted.
    pub terms: Vec<f32>,
    /// The first metric loss, where there is one.
    pub metric_loss: Option<f32>,
    /// The first ID loss, where there is one.
    pub id_loss: Option<f32>,
    /// Share of active terms.
    pub active_fraction: f32,
    /// Mean d(a,p).
    pub positive_distance: f32,
    /// Mean d(a,n).
    pub negative_distance: f32,
    /// Share of identities found.
    pub id_correct: f32,
    /// Classes of its triplets; of a large batch those of some anchors.
    pub triplets: TripletShares,
}

/// Sums over the batches of an unfinished epoch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Batches so far.
    pub batches: u64,
    sums: [f64; 7],
    terms: Vec<f64>,
    #[serde(default)]
    triplets: [f64; 3],
    warnings: Vec<String>,
}

impl Totals {
    /// Adds a batch.
    pub fn add(&mut self, step: &StepReport) {
        self.batches += 1;
        let values = [
            step.loss,
            step.metric_loss.unwrap_or(0.0),
            step.id_loss.unwrap_or(0.0),
            step.active_fraction,
            step.positive_distance,
            step.negative_distance,
            step.id_correct,
        ];
        self.sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += f64::from(value));
        self.terms.resize(step.terms.len(), 0.0);
        let shares = step.triplets.to_array();
        self.triplets.iter_mut().zip(shares).for_each(|(sum, share)| *sum += f64::from(share));
        self.terms.iter_mut().zip(&step.terms).for_each(|(sum, &value)| *sum += f64::from(value));
    }

    /// Adds something a person should know about this epoch.
    pub fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// The means, as the record of `epoch`; what totals do not know stays at its default.
    pub fn record(&self, epoch: u64) -> EpochRecord {
        let per_batch = |sum: f64| (sum / self.batches.max(1) as f64) as f32;
        let mean = |index: usize| per_batch(self.sums[index]);
        EpochRecord {
            epoch,
            loss: mean(0),
            terms: self.terms.iter().map(|&sum| per_batch(sum)).collect(),
            metric_loss: mean(1),
            id_loss: mean(2),
            active_fraction: mean(3),
            positive_distance: mean(4),
            negative_distance: mean(5),
            id_correct: mean(6),
            triplets: TripletShares::from_array(self.triplets.map(per_batch)),
            warnings: self.warnings.clone(),
            ..EpochRecord::default()
        }
    }
}

/// One JSON object a line.
pub fn to_json_lines(history: &[EpochRecord]) -> Result<String, serde_json::Error> {
    history.iter().map(|record| Ok(serde_json::to_string(record)? + "\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_means() {
        let step = StepReport {
            loss: 3.0,
            terms: vec![1.0, 2.0],
            metric_loss: Some(1.0),
            id_loss: Some(2.0),
            active_fraction: 0.5,
            positive_distance: 4.0,
            negative_distance: 5.0,
            id_correct: 0.25,
            triplets: TripletShares { easy: 0.5, semi_hard: 0.25, hard: 0.25 },
        };
        let mut totals = Totals::default();
        totals.add(&step);
        totals.add(&StepReport {
            loss: 5.0,
            id_correct: 0.75,
            terms: vec![3.0, 6.0],
            triplets: TripletShares::default(),
            ..step
        });
        totals.warn("look here".into());
        let record = totals.record(7);
        assert_eq!((record.epoch, record.loss, record.negative_distance, record.id_correct), (7, 4.0, 5.0, 0.5));
        assert_eq!((record.metric_loss, record.terms.as_slice()), (1.0, &[2.0, 4.0][..]));
        assert_eq!(record.triplets, TripletShares { easy: 0.25, semi_hard: 0.125, hard: 0.125 });
        assert_eq!(record.warnings, ["look here"]);
        let lines = to_json_lines(&[record.clone(), record.clone()]).unwrap();
        assert_eq!(lines.lines().count(), 2);
        assert_eq!(serde_json::from_str::<EpochRecord>(lines.lines().next().unwrap()).unwrap(), record);
    }
}
