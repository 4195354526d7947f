//! Where a network comes from and how far its training is: the JSON in a checkpoint's header.

use super::Checkpoint;
use crate::mining::Counts;
use crate::training::history::{EpochRecord, Totals};
use crate::training::on_top::OnTop;
use crate::training::recipe::Recipe;
use crate::training::watchdog::Watchdog;
use serde::{Deserialize, Serialize};

/// Where a network comes from and how far its training is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunState {
    /// Version of the format, [`Checkpoint::VERSION`].
    pub version: u32,
    /// The recipe that is followed.
    pub recipe: Recipe,
    /// Name of the data set.
    pub dataset: String,
    /// Names of the identities trained on; position is the class.
    pub identities: Vec<String>,
    /// Names of the identities held out.
    pub held_out: Vec<String>,
    /// Components of the teacher's embeddings, in a run that distils.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<usize>,
    /// Epochs finished.
    pub epoch: u64,
    /// The epoch under way: its number of batches done and their sums.
    pub totals: Totals,
    /// What the watchdog has seen so far.
    #[serde(default)]
    pub watchdog: Watchdog,
    /// Finished epochs.
    pub history: Vec<EpochRecord>,
    /// The highest validation mAP so far.
    pub best_map: Option<f32>,
    /// What a metric on top changed, in a finished model that has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric_on_top: Option<OnTop>,
    /// The mined triplets in force.
    #[serde(default)]
    pub triplets: Option<TripletsInForce>,
}

impl RunState {
    /// Before the first step.
    pub fn new(recipe: Recipe, dataset: String, identities: Vec<String>, held_out: Vec<String>) -> Self {
        Self {
            version: Checkpoint::VERSION,
            recipe,
            dataset,
            identities,
            held_out,
            teacher: None,
            epoch: 0,
            totals: Totals::default(),
            watchdog: Watchdog::default(),
            history: Vec::new(),
            best_map: None,
            metric_on_top: None,
            triplets: None,
        }
    }
}

/// Which mined triplets a run learns from; they stand in the run's folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TripletsInForce {
    /// SHA-256 of the triplet file in hex.
    pub sha256: String,
    /// Fingerprint of the weights they were mined with.
    pub checkpoint: String,
    /// Epochs of this run that were finished then; 0 for a given file.
    pub mined_at: u64,
    /// All triplets by class.
    pub examined: Counts,
    /// Those chosen.
    pub chosen: Counts,
}
