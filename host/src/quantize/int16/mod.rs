//! Step 9: which layers' results get 16 bits, where 8 lose too much.

use super::judges::{Judges, Verdict};
use super::lower::candidates;
use super::ship::{Request, ShipError};
use super::{LayerSensitivity, QuantizeError, Quantized, sensitivity};
use serde::Serialize;

/// Least mean cosine between the camera's embeddings and the float ones: below it something is destroyed, whatever held-out
/// identities say.
pub const LEAST_COSINE: f64 = 0.95;
/// What the result of a layer must cost the embedding (1 − cos) when it alone is rounded, to be worth twice the memory.
const LEAST_COST: f64 = 1e-4;

/// Which layers' results get 16 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Int16<'a> {
    /// None, unless int8 fails (see [`Reason`]); then those that cost most, as few as suffice.
    #[default]
    Auto,
    /// None.
    None,
    /// Those of these names.
    Layers(&'a [String]),
}

/// Why there are 16 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// They were asked for.
    Asked,
    /// Int8 alone loses more mAP than it may.
    Budget,
    /// The mean cosine of int8 alone is below [`LEAST_COSINE`].
    Cosine,
}

/// Layers with 16 bits, what they cost, and what int8 alone would.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Widening {
    /// Why.
    pub reason: Reason,
    /// Which, those that cost most with 8 bits first.
    pub layers: Vec<WideLayer>,
    /// Activation memory with 8 bits alone, in bytes.
    pub int8_arena_bytes: usize,
    /// mAP that 8 bits alone lose on held-out identities; `None` where that cannot be measured.
    pub int8_map_loss: Option<f64>,
    /// Mean cosine of 8 bits alone.
    pub int8_mean_cosine: f64,
}

/// A layer whose result has 16 bits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WideLayer {
    /// Its name.
    pub name: String,
    /// What its result costs when it alone is rounded to 8 bits: [`LayerSensitivity::activation`].
    pub int8_cost: f64,
    /// Bytes that its result takes.
    pub bytes: usize,
}

/// The network that ships.
pub(super) struct Chosen {
    pub quantized: Quantized,
    pub verdict: Verdict,
    pub widening: Option<Widening>,
}

/// Gives the layers that the request wants 16 bits. `int8` was calibrated with `pictures`.
///
/// For [`Int16::Auto`] the sensitivity sweep ranks the layers whose rounded results hurt more than their rounded weights, and
/// 1, 2, 4, … of them are tried until int8 no longer fails. Where nothing suffices, the memory is spent only on what makes up
/// for half of the failure; int8 alone is taken if nothing does.
///
/// # Errors
/// [`super::QuantizeError::NotWide`] for a layer that cannot; what quantizing and judging report.
pub(super) fn choose(
    int8: Quantized,
    pictures: &[u8],
    judges: &Judges<'_>,
    request: &Request<'_>,
) -> Result<Chosen, ShipError> {
    let verdict = judges.judge(&int8)?;
    let wanted = match request.int16 {
        _ if request.settings.qat_epochs > 0 => None,
        Int16::None => None,
        Int16::Layers(_) => Some(Reason::Asked),
        Int16::Auto => verdict.failure(request.budget),
    };
    let Some(reason) = wanted else { return Ok(Chosen { quantized: int8, verdict, widening: None }) };
    let costs = sensitivity(&int8, judges.compared, judges.progress)?;
    let bounds = int8.bounds(pictures, judges.progress)?;
    let (names, mut count) = match request.int16 {
        Int16::Layers(names) => (names.to_vec(), names.len()),
        _ => (ranked(&int8, &costs), 1),
    };
    let alone = (int8.plan.bytes, verdict.gate.as_ref().map(|gate| gate.map_loss), verdict.fidelity.mean_cosine);
    let mut best = Chosen { quantized: int8.clone(), verdict, widening: None };
    while (1..=names.len()).contains(&count) {
        let wide = (&names[..count], &bounds[..]);
        let quantized = match int8.widened(wide, pictures, &request.settings, judges.progress) {
            Err(QuantizeError::Arena { .. }) if reason != Reason::Asked => break,
            quantized => quantized?,
        };
        let verdict = judges.judge(&quantized)?;
        let failure = verdict.shortfall(request.budget);
        if reason == Reason::Asked || failure <= best.verdict.shortfall(request.budget) / 2.0 {
            let layers = names[..count].iter().map(|name| WideLayer::new(name, &quantized, &costs)).collect();
            let (int8_arena_bytes, int8_map_loss, int8_mean_cosine) = alone;
            let widening = Some(Widening { reason, layers, int8_arena_bytes, int8_map_loss, int8_mean_cosine });
            best = Chosen { quantized, verdict, widening };
        }
        if count == names.len() || failure == 0.0 {
            break;
        }
        count = (2 * count).min(names.len());
    }
    Ok(best)
}

/// The layers that 16 bits can help, those that cost most first.
fn ranked(int8: &Quantized, costs: &[LayerSensitivity]) -> Vec<String> {
    let can = costs.iter().zip(candidates(&int8.lowered)).filter(|(_, can)| *can).map(|(layer, _)| layer);
    let mut worth: Vec<&LayerSensitivity> =
        can.filter(|layer| layer.activation > layer.weights && layer.activation >= LEAST_COST).collect();
    worth.sort_by(|a, b| b.activation.total_cmp(&a.activation));
    worth.into_iter().map(|layer| layer.name.clone()).collect()
}

impl WideLayer {
    fn new(name: &str, quantized: &Quantized, costs: &[LayerSensitivity]) -> Self {
        let layer = quantized.lowered.layers.iter().position(|layer| layer.name == name);
        let tensor = layer.map(|layer| quantized.lowered.tensors[layer + 1]);
        let bytes = tensor.map_or(0, |tensor| tensor.bytes());
        let cost = costs.iter().find(|layer| layer.name == name).map_or(0.0, |layer| layer.activation);
        Self { name: name.into(), int8_cost: cost, bytes }
    }
}

impl Verdict {
    /// Why the network will not do, if so.
    fn failure(&self, budget: f64) -> Option<Reason> {
        if self.gate.as_ref().is_some_and(|gate| gate.exceeds(budget)) {
            return Some(Reason::Budget);
        }
        (self.fidelity.mean_cosine < LEAST_COSINE).then_some(Reason::Cosine)
    }

    /// By how much: mAP beyond the budget and cosine below the least one; 0 where it will do.
    fn shortfall(&self, budget: f64) -> f64 {
        let gate = self.gate.as_ref().filter(|gate| gate.exceeds(budget));
        gate.map_or(0.0, |gate| gate.map_loss - budget) + (LEAST_COSINE - self.fidelity.mean_cosine).max(0.0)
    }
}

#[cfg(test)]
mod tests;
