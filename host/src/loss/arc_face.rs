//! ArcFace: an identity classifier on angles, with an additive margin on the angle to the own identity.

use super::margin_softmax::{MarginSoftmax, margin_softmax};
use super::{Classifier, Learned, Loss, LossError, Outputs, Sizes, TermValue};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// The settings of a recipe's `arc_face`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ArcFaceSettings {
    /// Factor on the loss.
    pub weight: f32,
    /// s, by which cosines become logits. Deng et al. take 64 for a hundred thousand identities.
    pub scale: f32,
    /// m in radians, 0..π/2. Deng et al. take 0.5.
    pub margin: f32,
}

impl Default for ArcFaceSettings {
    fn default() -> Self {
        Self { weight: 1.0, scale: 30.0, margin: 0.3 }
    }
}

/// How near to ±1 a cosine may come: d cos(θ + m)/d cos θ = sin(θ + m)/sin θ has a pole at both ends.
const NEAREST: f32 = 1.0 - 1e-6;

/// [`margin_softmax`] with φ(cos θ) = cos(θ + m) (Deng et al. 2019, eq. 3).
///
/// Past θ = π − m, where cos(θ + m) would rise again, φ = cos θ − (1 − cos m): it goes on falling from −1 without a jump.
/// (The authors' program goes on with cos θ − m·sin m, which jumps there.) Cosines are kept within ±(1 − 10⁻⁶).
///
/// # Shapes
/// `embeddings`: `[B, classifier.dimension]`, normalized here; `labels`: `[B]`, each below `classifier.identities`.
pub fn arc_face(
    embeddings: &[f32],
    labels: &[u32],
    classifier: &Classifier,
    settings: &ArcFaceSettings,
) -> MarginSoftmax {
    margin_softmax(embeddings, labels, classifier, settings.scale, |cosine| moved(cosine, settings.margin))
}

/// φ and dφ/dcos.
fn moved(cosine: f32, margin: f32) -> (f32, f32) {
    let (margin_sine, margin_cosine) = margin.sin_cos();
    let cosine = cosine.clamp(-NEAREST, NEAREST);
    if cosine <= -margin_cosine {
        return (cosine - (1.0 - margin_cosine), 1.0);
    }
    let sine = ((1.0 - cosine) * (1.0 + cosine)).sqrt();
    (cosine * margin_cosine - sine * margin_sine, margin_cosine + cosine * margin_sine / sine)
}

impl Loss for ArcFaceSettings {
    fn weight(&self) -> f32 {
        self.weight
    }

    fn check(&self) -> Result<(), LossError> {
        LossError::unless_within("scale", self.scale, (1e-3, 1e3), "a number above 0, up to 1000")?;
        LossError::unless_within("margin", self.margin, (0.0, 1.57), "an angle from 0 to 1.57")
    }

    fn needs_positives(&self) -> bool {
        false
    }

    fn untrained(&self, sizes: Sizes, rng: &mut ChaCha8Rng) -> Learned {
        Learned::Classifier(Classifier::new(sizes.dimension, sizes.identities, rng))
    }

    fn evaluate(&self, outputs: &Outputs<'_>, learned: &Learned) -> TermValue {
        let Some(classifier) = learned.classifier() else { return TermValue::default() };
        arc_face(outputs.neck.embeddings, outputs.neck.identities, classifier, self).into()
    }
}

#[cfg(test)]
mod tests {
    use super::super::margin_softmax::twin;
    use super::*;
    use std::f32::consts::PI;

    #[test]
    fn equals_its_plain_twin_and_its_central_differences() {
        for (scale, margin) in [(8.0, 0.5), (30.0, 0.3), (4.0, 0.0), (4.0, 1.4)] {
            let settings = ArcFaceSettings { scale, margin, ..ArcFaceSettings::default() };
            let phi = |cosine: f64| {
                let (angle, margin) = (cosine.clamp(-1.0, 1.0).acos(), f64::from(margin));
                if angle <= std::f64::consts::PI - margin {
                    (angle + margin).cos()
                } else {
                    cosine - 1.0 + margin.cos()
                }
            };
            twin::check(|x, labels, classifier| arc_face(x, labels, classifier, &settings), scale, phi);
        }
    }

    #[test]
    fn edge_cases_are_finite() {
        twin::edges(|x, labels, classifier| arc_face(x, labels, classifier, &ArcFaceSettings::default()));
    }

    /// The target logit falls with every step of the angle, across π − m as well, and never jumps.
    #[test]
    fn the_target_falls_over_the_whole_circle() {
        for margin in [0.0f32, 0.3, 0.5, 1.5] {
            let curve: Vec<f32> = (0..=1000).map(|step| moved((PI * step as f32 / 1000.0).cos(), margin).0).collect();
            assert!(curve.windows(2).all(|pair| pair[1] <= pair[0] + 1e-6 && pair[0] - pair[1] < 0.006), "{margin}");
        }
    }
}
