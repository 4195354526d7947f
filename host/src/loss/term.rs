//! The losses by their name in a recipe: one `[[loss]]` table each.

use super::arc_face::ArcFaceSettings;
use super::center::CenterSettings;
use super::circle::CircleSettings;
use super::contrastive::ContrastiveSettings;
use super::cos_face::CosFaceSettings;
use super::cross_entropy::CrossEntropySettings;
use super::distillation::{DistillationSettings, Rows};
use super::multi_similarity::MultiSimilaritySettings;
use super::n_pair::NPairSettings;
use super::triplet::TripletSettings;
use super::{Batch, Learned, MetricLoss};
use crate::mining::Triplet;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// One term of what is minimized, with its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LossTerm {
    /// Positives nearer than negatives.
    Triplet(TripletSettings),
    /// Each anchor against its positive and those of all other identities at once.
    NPair(NPairSettings),
    /// Pairs of one identity together, others apart.
    Contrastive(ContrastiveSettings),
    /// Mined pairs, weighted by similarity.
    MultiSimilarity(MultiSimilaritySettings),
    /// Similarities pulled the stronger the farther they are from where they should be.
    Circle(CircleSettings),
    /// Which identity it is, among those trained on.
    CrossEntropy(CrossEntropySettings),
    /// The same on angles, with a margin on the angle to the own identity.
    ArcFace(ArcFaceSettings),
    /// The same on angles, with a margin on the cosine to the own identity.
    CosFace(CosFaceSettings),
    /// Pictures of an identity near its center.
    Center(CenterSettings),
    /// Embeddings that agree with a teacher's.
    Distillation(DistillationSettings),
}

/// What every loss can do; its settings implement it.
pub trait Loss {
    /// Factor on the loss in the sum that is minimized.
    fn weight(&self) -> f32;

    /// Checks the settings; the weight is checked for all.
    ///
    /// # Errors
    /// The first setting that makes no sense.
    fn check(&self) -> Result<(), LossError>;

    /// Whether it learns from pairs of pictures of one identity, so that a batch must have two of each.
    fn needs_positives(&self) -> bool {
        true
    }

    /// What the loss learns for itself, before the first step.
    fn untrained(&self, _sizes: Sizes, _rng: &mut ChaCha8Rng) -> Learned {
        Learned::Nothing
    }

    /// The loss of a batch, unweighted, and its gradients.
    fn evaluate(&self, outputs: &Outputs<'_>, learned: &Learned) -> TermValue;

    /// Moves what the loss learns by a rule of its own, after a batch that was minimized; most leave that to the optimizer.
    fn follow(&self, _outputs: &Outputs<'_>, _learned: &mut Learned) {}

    /// Whether it takes positives and negatives from past batches too, where there are any.
    fn remembers(&self) -> bool {
        false
    }
}

/// What decides how much a loss learns for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Components of an embedding.
    pub dimension: usize,
    /// Identities that are trained on.
    pub identities: usize,
    /// Components of the teacher's embeddings, in a run that has one.
    pub teacher: Option<usize>,
}

/// What the network says about a batch, and what is known of the batch.
#[derive(Debug, Clone, Copy)]
pub struct Outputs<'a> {
    /// Embeddings before the neck: what metric losses see.
    pub raw: Batch<'a>,
    /// Embeddings behind the neck: what ID losses see.
    pub neck: Batch<'a>,
    /// Which training picture stands in each row, `[B]`.
    pub pictures: &'a [usize],
    /// Rows that were mined before the batch was made; empty where nothing was.
    pub triplets: &'a [Triplet],
    /// What the teacher says about the pictures, in a run that has one.
    pub teacher: Option<Rows<'a>>,
    /// Raw embeddings of past batches, once the losses are to look at them.
    pub past: Option<Batch<'a>>,
}

/// What one loss says about a batch. A gradient is empty where the loss does not depend on its variable.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TermValue {
    /// The loss, unweighted.
    pub value: f32,
    /// ∂value/∂raw, `[B, dimension]`.
    pub raw: Vec<f32>,
    /// ∂value/∂neck, `[B, dimension]`.
    pub neck: Vec<f32>,
    /// ∂value/∂learned, as long as [`Learned::values`].
    pub learned: Vec<f32>,
    /// Of a metric loss: the share of its terms that still teach something, mean d(a,p) and mean d(a,n).
    pub pairs: Option<[f32; 3]>,
    /// Of an ID loss: share of rows whose identity was found, 0..1.
    pub correct: Option<f32>,
}

impl From<MetricLoss> for TermValue {
    fn from(loss: MetricLoss) -> Self {
        let pairs = Some([loss.active_fraction, loss.positive_distance, loss.negative_distance]);
        Self { value: loss.value, raw: loss.gradient, pairs, ..Self::default() }
    }
}

/// Why a loss cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LossError {
    /// A number outside of what makes sense.
    #[error("{key} = {value}: give {expected}")]
    Value {
        /// Key in the loss's table.
        key: &'static str,
        /// What it was.
        value: f32,
        /// What it may be.
        expected: &'static str,
    },
    /// Settings that cannot stand together.
    #[error("{what}: {remedy}")]
    Contradiction {
        /// Which settings.
        what: &'static str,
        /// What to change.
        remedy: &'static str,
    },
    /// No loss of that name.
    #[error("no loss is called `{name}`; there are {}, and distillation, which needs a teacher", LossTerm::NAMES.join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
    },
}

impl LossError {
    /// An error unless `low` ≤ `value` ≤ `high`; NaN is an error.
    ///
    /// # Errors
    /// [`Self::Value`].
    pub fn unless_within(
        key: &'static str,
        value: f32,
        (low, high): (f32, f32),
        expected: &'static str,
    ) -> Result<(), Self> {
        if (low..=high).contains(&value) { Ok(()) } else { Err(Self::Value { key, value, expected }) }
    }
}

impl LossTerm {
    /// The names that [`Self::named`] knows: kinds, and the ways of mining triplets. `distillation` is known too,
    /// but does nothing without a teacher.
    pub const NAMES: &'static [&'static str] = &[
        "triplet",
        "batch_hard",
        "batch_all",
        "batch_weighted",
        "semi_hard",
        "offline",
        "n_pair",
        "contrastive",
        "multi_similarity",
        "circle",
        "cross_entropy",
        "arc_face",
        "cos_face",
        "center",
    ];

    /// The loss of that kind, or the triplet loss with that mining, with default settings.
    ///
    /// # Errors
    /// [`LossError::Unknown`].
    pub fn named(name: &str) -> Result<Self, LossError> {
        let kind = serde_json::from_value(json!({ "kind": name }));
        let mining = || serde_json::from_value(json!({ "kind": "triplet", "mining": name }));
        kind.or_else(|_| mining()).map_err(|_| LossError::Unknown { name: name.into() })
    }

    /// What a recipe without `[[loss]]` minimizes: batch-hard triplets and the ID cross-entropy.
    pub fn defaults() -> Vec<Self> {
        vec![Self::Triplet(TripletSettings::default()), Self::CrossEntropy(CrossEntropySettings::default())]
    }

    /// Name of the kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Triplet(_) => "triplet",
            Self::NPair(_) => "n_pair",
            Self::Contrastive(_) => "contrastive",
            Self::MultiSimilarity(_) => "multi_similarity",
            Self::Circle(_) => "circle",
            Self::CrossEntropy(_) => "cross_entropy",
            Self::ArcFace(_) => "arc_face",
            Self::CosFace(_) => "cos_face",
            Self::Center(_) => "center",
            Self::Distillation(_) => "distillation",
        }
    }

    /// What it does.
    pub fn loss(&self) -> &dyn Loss {
        match self {
            Self::Triplet(settings) => settings,
            Self::NPair(settings) => settings,
            Self::Contrastive(settings) => settings,
            Self::MultiSimilarity(settings) => settings,
            Self::Circle(settings) => settings,
            Self::CrossEntropy(settings) => settings,
            Self::ArcFace(settings) => settings,
            Self::CosFace(settings) => settings,
            Self::Center(settings) => settings,
            Self::Distillation(settings) => settings,
        }
    }

    /// The settings of a distillation.
    pub fn distillation(&self) -> Option<&DistillationSettings> {
        if let Self::Distillation(settings) = self { Some(settings) } else { None }
    }

    /// Whether `other` is of the same kind and mines in the same way.
    pub fn resembles(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Triplet(a), Self::Triplet(b)) => a.mining == b.mining,
            _ => self.kind() == other.kind(),
        }
    }

    /// Checks weight and settings.
    ///
    /// # Errors
    /// The first that makes no sense.
    pub fn check(&self) -> Result<(), LossError> {
        LossError::unless_within("weight", self.loss().weight(), (0.0, 1e6), "a factor from 0")?;
        self.loss().check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_loss_whose_defaults_make_sense() {
        for name in LossTerm::NAMES {
            let term = LossTerm::named(name).unwrap();
            term.check().unwrap();
            let json = serde_json::to_value(&term).unwrap();
            assert_eq!(json["kind"], term.kind());
            assert!([json["kind"].as_str(), json["mining"].as_str()].contains(&Some(*name)), "{name}: {json}");
            assert_eq!(serde_json::from_value::<LossTerm>(json).unwrap(), term);
            assert!(term.resembles(&term));
        }
        let message = LossTerm::named("no_such").unwrap_err().to_string();
        assert!(message.contains("no_such") && message.contains("cross_entropy"), "{message}");
    }

    #[test]
    fn a_kind_and_a_mining_may_be_meant() {
        assert_eq!(LossTerm::named("batch_hard").unwrap(), LossTerm::named("triplet").unwrap());
        assert!(!LossTerm::named("triplet").unwrap().resembles(&LossTerm::named("cross_entropy").unwrap()));
    }
}
