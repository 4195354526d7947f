//! A camera's decision, for people and as JSON.

use crate::device::cosine;
use crate::ui::Style;
use deja_shared::protocol::messages::{Candidate, Decision, Identified};
use serde::Serialize;

/// What a camera decided about a picture.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sighting {
    /// `match` or `unknown`.
    decision: &'static str,
    /// Who it is; `null` when unknown.
    name: Option<String>,
    /// Who is nearest, believed or not.
    nearest: Option<String>,
    /// Cosine to the nearest.
    cosine: Option<f32>,
    /// How much nearer it is than the next identity.
    margin: Option<f32>,
    /// The cosine that was asked for.
    threshold: f32,
    /// Time from picture to decision.
    microseconds: u32,
}

impl Sighting {
    /// From the camera's words.
    pub fn new(identified: &Identified) -> Self {
        let cosine_of = |candidate: &Candidate| cosine(candidate.cosine);
        let best = identified.best.as_ref();
        let nearest = best.map(|best| best.name.to_string());
        let known = identified.decision == Decision::Match;
        Self {
            decision: if known { "match" } else { "unknown" },
            name: nearest.clone().filter(|_| known),
            cosine: best.map(cosine_of),
            margin: best.zip(identified.runner_up.as_ref()).map(|(best, next)| cosine_of(best) - cosine_of(next)),
            nearest,
            threshold: cosine(identified.threshold),
            microseconds: identified.microseconds,
        }
    }

    /// One line.
    pub fn describe(&self, style: Style) -> String {
        let who = match &self.name {
            Some(name) => style.good(style.bold(name)),
            None => style.warning("unknown"),
        };
        let mut line = who;
        if let Some(cosine) = self.cosine {
            line += &format!("  cosine {cosine:.3}");
        }
        if let Some(margin) = self.margin {
            line += &format!(", margin {margin:.3}");
        }
        if let (None, Some(nearest)) = (&self.name, &self.nearest) {
            line += &format!(" (nearest {nearest}, threshold {:.3})", self.threshold);
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identified(decision: Decision, runner_up: bool) -> Identified {
        let candidate = |name: &str, cosine| Candidate { identity: 1, name: name.try_into().unwrap(), cosine };
        Identified {
            decision,
            best: Some(candidate("ann", i16::MAX)),
            runner_up: runner_up.then(|| candidate("bo", 0)),
            threshold: 16_384,
            microseconds: 7,
        }
    }

    #[test]
    fn a_match_is_named_and_a_stranger_is_not() {
        let known = Sighting::new(&identified(Decision::Match, true));
        assert_eq!(known.describe(Style::PLAIN), "ann  cosine 1.000, margin 1.000");
        let unknown = Sighting::new(&identified(Decision::Unknown, false));
        assert_eq!(unknown.name, None);
        assert_eq!(unknown.describe(Style::PLAIN), "unknown  cosine 1.000 (nearest ann, threshold 0.500)");
        let nobody = Identified { best: None, runner_up: None, ..identified(Decision::Unknown, false) };
        assert_eq!(Sighting::new(&nobody).describe(Style::PLAIN), "unknown");
    }
}
