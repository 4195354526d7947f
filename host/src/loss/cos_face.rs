//! CosFace: an identity classifier on angles, with an additive margin on the cosine to the own identity.

use super::margin_softmax::{MarginSoftmax, margin_softmax};
use super::{Classifier, Learned, Loss, LossError, Outputs, Sizes, TermValue};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// The settings of a recipe's `cos_face`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CosFaceSettings {
    /// Factor on the loss.
    pub weight: f32,
    /// s, by which cosines become logits. Wang et al. take 64.
    pub scale: f32,
    /// m, taken off the cosine to the own identity. Wang et al. take 0.35.
    pub margin: f32,
}

impl Default for CosFaceSettings {
    fn default() -> Self {
        Self { weight: 1.0, scale: 30.0, margin: 0.25 }
    }
}

/// [`margin_softmax`] with φ(cos θ) = cos θ − m (Wang et al. 2018, eq. 4).
///
/// # Shapes
/// `embeddings`: `[B, classifier.dimension]`, normalized here; `labels`: `[B]`, each below `classifier.identities`.
pub fn cos_face(
    embeddings: &[f32],
    labels: &[u32],
    classifier: &Classifier,
    settings: &CosFaceSettings,
) -> MarginSoftmax {
    margin_softmax(embeddings, labels, classifier, settings.scale, |cosine| (cosine - settings.margin, 1.0))
}

impl Loss for CosFaceSettings {
    fn weight(&self) -> f32 {
        self.weight
    }

    fn check(&self) -> Result<(), LossError> {
        LossError::unless_within("scale", self.scale, (1e-3, 1e3), "a number above 0, up to 1000")?;
        LossError::unless_within("margin", self.margin, (0.0, 1.0), "a number from 0 to 1")
    }

    fn needs_positives(&self) -> bool {
        false
    }

    fn untrained(&self, sizes: Sizes, rng: &mut ChaCha8Rng) -> Learned {
        Learned::Classifier(Classifier::new(sizes.dimension, sizes.identities, rng))
    }

    fn evaluate(&self, outputs: &Outputs<'_>, learned: &Learned) -> TermValue {
        let Some(classifier) = learned.classifier() else { return TermValue::default() };
        cos_face(outputs.neck.embeddings, outputs.neck.identities, classifier, self).into()
    }
}

#[cfg(test)]
mod tests {
    use super::super::margin_softmax::twin;
    use super::*;

    #[test]
    fn equals_its_plain_twin_and_its_central_differences() {
        for (scale, margin) in [(8.0, 0.35), (30.0, 0.25), (4.0, 0.0)] {
            let settings = CosFaceSettings { scale, margin, ..CosFaceSettings::default() };
            let phi = |cosine: f64| cosine - f64::from(margin);
            twin::check(|x, labels, classifier| cos_face(x, labels, classifier, &settings), scale, phi);
        }
    }

    #[test]
    fn edge_cases_are_finite() {
        twin::edges(|x, labels, classifier| cos_face(x, labels, classifier, &CosFaceSettings::default()));
    }
}
