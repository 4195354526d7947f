//! Ends a run whose held-out identities have stopped improving, with the weights that were best for them.

use super::history::EpochRecord;
use serde::{Deserialize, Serialize};

/// When a run has improved for the last time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EarlyStopping {
    /// Epochs without an improvement after which the run ends; its best weights become the model. 0 runs to the end and
    /// takes the last ones.
    pub patience: u64,
    /// What has to improve.
    pub metric: StoppingMetric,
}

/// A score over the held-out identities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoppingMetric {
    /// Mean average precision.
    Map,
    /// Rank-1.
    Rank1,
}

impl Default for EarlyStopping {
    fn default() -> Self {
        Self { patience: 0, metric: StoppingMetric::Map }
    }
}

/// The best epoch so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// From 1.
    pub epoch: u64,
    /// Its score, 0..1.
    pub value: f32,
}

impl EarlyStopping {
    /// Whether the best weights are kept, to become the model.
    pub fn is_on(&self) -> bool {
        self.patience > 0
    }

    /// The best of the epochs that looked at the held-out identities; of equal ones the first, which is the shortest run.
    pub fn best(&self, history: &[EpochRecord]) -> Option<Best> {
        history.iter().filter_map(|record| Some(Best { epoch: record.epoch, value: self.score(record)? })).reduce(
            |best, next| {
                if next.value > best.value { next } else { best }
            },
        )
    }

    /// Whether the last look at the held-out identities came at least `patience` epochs after the best one.
    pub fn is_over(&self, history: &[EpochRecord]) -> bool {
        let last = history.iter().rev().find(|record| self.score(record).is_some());
        match (self.best(history), last) {
            (Some(best), Some(last)) => self.is_on() && last.epoch - best.epoch >= self.patience,
            _ => false,
        }
    }

    fn score(&self, record: &EpochRecord) -> Option<f32> {
        match self.metric {
            StoppingMetric::Map => record.validation_map,
            StoppingMetric::Rank1 => record.validation_rank1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(scores: &[Option<f32>]) -> Vec<EpochRecord> {
        let record = |(epoch, &validation_map)| EpochRecord {
            epoch,
            validation_map,
            validation_rank1: validation_map.map(|map| 1.0 - map),
            ..EpochRecord::default()
        };
        (1..).zip(scores).map(record).collect()
    }

    #[test]
    fn it_ends_when_the_patience_is_over_and_only_after_a_look() {
        let stopping = EarlyStopping { patience: 2, metric: StoppingMetric::Map };
        let scores = [Some(0.1), Some(0.4), None, None, None, Some(0.3)];
        let ends: Vec<bool> = (0..=6).map(|epochs| stopping.is_over(&history(&scores[..epochs]))).collect();
        assert_eq!(ends, [false, false, false, false, false, false, true]);
        assert_eq!(stopping.best(&history(&scores)), Some(Best { epoch: 2, value: 0.4 }));
    }

    #[test]
    fn equal_is_no_improvement_and_the_first_of_equals_is_best() {
        let stopping = EarlyStopping { patience: 2, metric: StoppingMetric::Map };
        let equal = history(&[Some(0.4), Some(0.4), Some(0.4)]);
        assert!(stopping.is_over(&equal));
        assert_eq!(stopping.best(&equal).map(|best| best.epoch), Some(1));
    }

    #[test]
    fn the_metric_is_the_recipes_and_off_is_off() {
        let falling = history(&[Some(0.5), Some(0.4), Some(0.3), Some(0.2)]);
        assert!(EarlyStopping { patience: 3, metric: StoppingMetric::Map }.is_over(&falling));
        assert!(!EarlyStopping { patience: 3, metric: StoppingMetric::Rank1 }.is_over(&falling));
        assert!(!EarlyStopping::default().is_over(&falling));
        assert!(!EarlyStopping { patience: 1, metric: StoppingMetric::Map }.is_over(&[]));
    }
}
