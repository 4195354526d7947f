//! Triplet losses: positives nearer than negatives, by a margin.
//!
//! A file for each way of charging: `listed` triplets one by one, `batch_all` of them without listing any, `batch_weighted`
//! pseudo-triplets of all pictures of an anchor.

mod batch_all;
mod batch_weighted;
mod listed;

#[cfg(test)]
mod tests;

pub use listed::triplet;

use super::cross_batch::among_past;
use super::normalize::Normalized;
use super::pairs::Pairs;
use super::{Batch, Learned, Loss, LossError, Margin, MetricLoss, Outputs, TermValue};
use crate::mining::{Distances, Fallback, Metric, Triplet, batch_hard, semi_hard};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Where the triplets come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mining {
    /// The hardest triplet of each anchor.
    BatchHard,
    /// Every triplet of the batch; the hinge's mean is over those that are active.
    BatchAll,
    /// One pseudo-triplet an anchor, from softmax-weighted distances to all positives and to all negatives.
    BatchWeighted,
    /// For each anchor and positive the nearest negative that is farther, but not by the margin.
    SemiHard,
    /// Triplets that were mined before the batch was made; none where the sampler brings none.
    Offline,
}

/// The triplet loss in a recipe.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TripletSettings {
    /// Factor on the loss.
    pub weight: f32,
    /// Where the triplets come from.
    pub mining: Mining,
    /// m of the hinge.
    pub margin: f32,
    /// Softplus instead of the hinge; `margin` then has no part.
    pub soft_margin: bool,
    /// What is measured between embeddings.
    pub distance: Metric,
    /// Whether it is measured between L2-normalized embeddings; the cosine distance always is.
    pub normalize: bool,
    /// Of semi-hard mining: what stands for a negative where none is in the band.
    pub fallback: Fallback,
}

impl Default for TripletSettings {
    fn default() -> Self {
        Self {
            weight: 1.0,
            mining: Mining::BatchHard,
            margin: 0.3,
            soft_margin: false,
            distance: Metric::Euclidean,
            normalize: false,
            fallback: Fallback::Farthest,
        }
    }
}

impl TripletSettings {
    /// The loss of a batch of raw embeddings, and its gradient with respect to them; `offline` are rows mined before.
    ///
    /// A batch without a triplet costs 0, and so does one where none is active.
    pub fn on(&self, batch: &Batch<'_>, offline: &[Triplet]) -> MetricLoss {
        self.among(batch, batch.identities.len(), offline)
    }

    /// The same of the first `anchors` rows, with all rows as their positives and negatives.
    fn among(&self, batch: &Batch<'_>, anchors: usize, offline: &[Triplet]) -> MetricLoss {
        let measure = |batch: &Batch<'_>| self.measure(batch, anchors, offline);
        if self.normalizes() { Normalized::through(batch, measure) } else { measure(batch) }
    }

    /// How a violation is charged.
    pub fn charged(&self) -> Margin {
        if self.soft_margin { Margin::Soft } else { Margin::Hinge(self.margin) }
    }

    /// The embeddings between which distances are taken, `[B, dimension]`: those of the batch, or these normalized.
    pub fn measured<'a>(&self, batch: &Batch<'a>) -> Cow<'a, [f32]> {
        if self.normalizes() {
            Cow::Owned(Normalized::new(batch.embeddings, batch.dimension).rows)
        } else {
            Cow::Borrowed(batch.embeddings)
        }
    }

    /// Whether embeddings are brought to length 1 first.
    pub fn normalizes(&self) -> bool {
        self.normalize || self.distance == Metric::Cosine
    }

    fn measure(&self, batch: &Batch<'_>, anchors: usize, offline: &[Triplet]) -> MetricLoss {
        let margin = self.charged();
        let listed = |triplets: &[Triplet]| triplet(batch, triplets, self.distance, margin);
        let distances = || Distances::of_anchors(self.distance, batch.embeddings, batch.dimension, anchors);
        let whole = |charge: fn(&Distances, &[u32], Margin) -> Pairs| {
            let distances = distances();
            charge(&distances, batch.identities, margin).through_distances(&distances, batch)
        };
        match self.mining {
            Mining::BatchHard => listed(&batch_hard(&distances(), batch.identities)),
            Mining::SemiHard => listed(&semi_hard(&distances(), batch.identities, self.margin, self.fallback)),
            Mining::Offline => listed(offline),
            Mining::BatchAll => whole(batch_all::charge),
            Mining::BatchWeighted => whole(batch_weighted::charge),
        }
    }
}

impl Loss for TripletSettings {
    fn weight(&self) -> f32 {
        self.weight
    }

    fn check(&self) -> Result<(), LossError> {
        LossError::unless_within("margin", self.margin, (1e-6, 1e6), "a number above 0")?;
        if self.mining != Mining::SemiHard && self.fallback != Fallback::Farthest {
            let what = "fallback without mining = \"semi_hard\"";
            return Err(LossError::Contradiction { what, remedy: "only semi-hard mining falls back; leave it out" });
        }
        if self.mining == Mining::SemiHard && self.soft_margin {
            let what = "mining = \"semi_hard\" with soft_margin = true";
            let remedy = "its band is the margin, which the soft margin does not have; choose one of the two";
            return Err(LossError::Contradiction { what, remedy });
        }
        Ok(())
    }

    fn evaluate(&self, outputs: &Outputs<'_>, _learned: &Learned) -> TermValue {
        among_past(outputs, |batch, anchors| self.among(batch, anchors, outputs.triplets)).into()
    }

    fn remembers(&self) -> bool {
        self.mining != Mining::Offline
    }
}
