//! What `deja quantize` says about a model: as JSON, and to a person.

use crate::cmd::Context;
use crate::device::cosine;
use crate::hexadecimal::hexadecimal;
use crate::quantize::gate::Retrieval;
use crate::quantize::int16::{Reason, WideLayer};
use crate::quantize::qat::Loss;
use crate::quantize::{Choice, Fidelity, Gate, LayerSensitivity, Shipped, Widening};
use crate::ui::{Align, Table};
use deja_shared::model::Header;
use serde::Serialize;
use std::path::PathBuf;

/// Layers in the table of those that hurt most.
const WORST: usize = 5;

/// Everything about a model.
#[derive(Debug, Serialize)]
pub struct Outcome {
    model: PathBuf,
    fingerprint: String,
    bytes: u32,
    arena_bytes: u32,
    calibrated_with: usize,
    /// How far int8 is from float before and after fine-tuning; `null` without.
    fine_tuning: Option<Loss>,
    /// `null` where too few identities were held out to choose one.
    threshold: Option<Threshold>,
    /// Retrieval with float and with int8; `null` where no held-out picture can be found by another.
    gate: Option<Gate>,
    /// Int8 against float, layer by layer.
    fidelity: Fidelity,
    /// The layers whose results have 16 bits; `null` where all have 8.
    int16: Option<Widening>,
    /// Only where it was asked for.
    sensitivity: Option<Vec<LayerSensitivity>>,
}

#[derive(Debug, Serialize)]
struct Threshold {
    cosine: f32,
    /// Between which the thresholds of 95 % of the random galleries lie.
    cosine_interval: [f32; 2],
    held_out_identities: usize,
    gallery_identities: u16,
    /// Expected false positive identification rate in a gallery of that many, and its 95 % interval.
    fpir: f64,
    fpir_interval: [f64; 2],
    strangers_accepted: f64,
    known_recognised: f64,
}

impl Outcome {
    /// Of a model in the file `model`.
    pub fn of(model: PathBuf, header: Header, shipped: Shipped, sensitivity: Option<Vec<LayerSensitivity>>) -> Self {
        Self {
            model,
            fingerprint: hexadecimal(&header.fingerprint),
            bytes: header.total_bytes,
            arena_bytes: header.arena_bytes,
            calibrated_with: shipped.calibrated_with,
            fine_tuning: shipped.quantized.fine_tuning,
            threshold: shipped.choice.as_ref().map(Threshold::of),
            gate: shipped.gate,
            fidelity: shipped.fidelity,
            int16: shipped.widening,
            sensitivity,
        }
    }

    /// Prints it.
    ///
    /// # Errors
    /// Standard output is gone.
    pub fn show(&self, context: &Context) -> anyhow::Result<()> {
        let Fidelity { mean_cosine, least_cosine, .. } = self.fidelity;
        context.say(format_args!("{}: {} bytes", context.style.bold(self.model.display()), self.bytes))?;
        context.say(format_args!("fingerprint  {}", self.fingerprint))?;
        context.say(format_args!("arena        {} bytes", self.arena_bytes))?;
        context.say(format_args!("calibrated   with {} pictures", self.calibrated_with))?;
        if let Some(Loss { before, after }) = self.fine_tuning {
            context.say(format_args!("fine-tuned   distance from float {before:.2e} → {after:.2e}"))?;
        }
        context.say(format_args!("int8, float  cosine {mean_cosine:.4} on average, {least_cosine:.4} at least"))?;
        if let Some(noisiest) = self.noisiest() {
            context.say(format_args!("noisiest     {noisiest}"))?;
        }
        if let Some(widening) = &self.int16 {
            context.say(format_args!("16 bits      {}", wide_layers(widening, self.arena_bytes)))?;
        }
        if let Some(threshold) = &self.threshold {
            context.say(format_args!("threshold    {}", threshold.sentence()))?;
        }
        if let Some(gate) = &self.gate {
            context.say(format_args!("\n{}", table(gate)))?;
            context.say(sentence(gate))?;
        }
        match &self.sensitivity {
            Some(layers) => context.say(format_args!("\n{}", worst(layers))),
            None => Ok(()),
        }
    }

    /// The layer with the least signal-to-noise ratio.
    fn noisiest(&self) -> Option<String> {
        let heard = self.fidelity.layers.iter().filter_map(|layer| Some((layer.signal_to_noise_db?, layer)));
        let (decibels, layer) = heard.min_by(|a, b| a.0.total_cmp(&b.0))?;
        Some(format!("{} ({}): signal {decibels:.1} dB above the noise", layer.name, layer.kind))
    }
}

impl Threshold {
    fn of(choice: &Choice) -> Self {
        Self {
            cosine: cosine(choice.threshold.q15),
            cosine_interval: choice.q15_interval.map(cosine),
            held_out_identities: choice.identities,
            gallery_identities: choice.threshold.gallery_identities,
            fpir: choice.fpir,
            fpir_interval: choice.fpir_interval,
            strangers_accepted: choice.strangers_accepted,
            known_recognised: choice.known_recognised,
        }
    }

    fn sentence(&self) -> String {
        let percent = |fraction: f64| fraction * 100.0;
        let [low, high] = self.fpir_interval.map(percent);
        format!(
            "cosine {:.4}: of strangers' pictures {:.1} % are accepted ({low:.1} to {high:.1} %) with {} identities enrolled, \
             {:.1} % of known pictures are named rightly ({} held-out identities)",
            self.cosine,
            percent(self.fpir),
            self.gallery_identities,
            percent(self.known_recognised),
            self.held_out_identities
        )
    }
}

fn wide_layers(widening: &Widening, arena_bytes: u32) -> String {
    let name = |layer: &WideLayer| format!("{} (alone in 8 bits: {:.4})", layer.name, layer.int8_cost);
    let layers: Vec<String> = widening.layers.iter().map(name).collect();
    let lost = widening.int8_map_loss.map(|loss| format!(", mAP lost {:.2} points", loss * 100.0)).unwrap_or_default();
    let why = match widening.reason {
        Reason::Asked => "as asked",
        Reason::Budget => "int8 alone loses more than the budget",
        Reason::Cosine => "int8 alone is far from float",
    };
    format!(
        "{}; {why}: cosine {:.4}{lost}; the arena was {} bytes and is {arena_bytes}",
        layers.join(", "),
        widening.int8_mean_cosine,
        widening.int8_arena_bytes
    )
}

fn table(gate: &Gate) -> Table {
    let tar = format!("TAR at FAR {}", gate.far);
    let columns = [("", Align::Left), ("mAP", Align::Right), ("rank-1", Align::Right), (tar.as_str(), Align::Right)];
    let mut table = Table::new(&columns);
    let percent = |value: f64| format!("{:.2} %", value * 100.0);
    for (name, Retrieval { map, rank1, tar }) in [("float", gate.float), ("int8", gate.int8)] {
        table.row([name.into(), percent(map), percent(rank1), percent(tar)]);
    }
    let change = |float: f64, int8: f64| format!("{:+.2}", (int8 - float) * 100.0);
    let (float, int8) = (gate.float, gate.int8);
    table.row([
        "change".into(),
        change(float.map, int8.map),
        change(float.rank1, int8.rank1),
        change(float.tar, int8.tar),
    ]);
    table
}

fn sentence(gate: &Gate) -> String {
    let [low, high] = gate.map_loss_interval.map(|loss| loss * 100.0);
    format!(
        "{} pictures of {} held-out identities; mAP lost {low:.2} to {high:.2} points (90 %); {:.1} % of the ten nearest \
         agree; cosine drift {:.4}",
        gate.queries,
        gate.identities,
        gate.neighbour_agreement * 100.0,
        1.0 - gate.mean_cosine
    )
}

/// The layers that cost most.
fn worst(layers: &[LayerSensitivity]) -> Table {
    let mut table = Table::new(&[
        ("alone in int8", Align::Left),
        ("weights cost", Align::Right),
        ("activation costs", Align::Right),
    ]);
    let mut order: Vec<&LayerSensitivity> = layers.iter().collect();
    order.sort_by(|a, b| b.total().total_cmp(&a.total()));
    for layer in order.into_iter().take(WORST) {
        table.row([layer.name.clone(), format!("{:.6}", layer.weights), format!("{:.6}", layer.activation)]);
    }
    table
}
