//! From a float network and a data set to the model that ships: calibrated on some of its pictures, compared with float and
//! given a threshold on pictures of identities that the network was not trained on.

use super::disjoint::{Named, check_disjoint};
use super::gate::{BUDGET, Gate};
use super::int16::{self, Chosen};
use super::judges::Judges;
use super::pictures::Pictures;
use super::threshold::{Choice, HeldOut, Policy, choose};
use super::{Fidelity, Int8Error, Int16, LayerSensitivity, QuantizeError, Quantized, Settings, Widening};
use super::{qat, quantize_tuned, sensitivity};
use crate::dataset::{Dataset, DatasetError, Images, Skipped};
use crate::evaluation::EvaluationError;
use crate::progress::Progress;
use crate::training::{Checkpoint, TrainingError};
use deja_shared::embedding::Embedding;
use deja_shared::model::ModelError;

/// Most pictures that take part in calibration unless told otherwise: more hardly move the bounds.
pub const CALIBRATION: usize = 512;
/// Most pictures on which int8 and float are compared layer by layer.
const COMPARED: usize = 64;

/// How a network is quantized.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What there is to choose in the pipeline.
    pub settings: Settings,
    /// At most so many pictures calibrate; [`CALIBRATION`] is enough.
    pub calibration: usize,
    /// How the threshold is chosen.
    pub policy: Policy,
    /// Pictures of identities that the network was not trained on; `None`: some of the data set's own.
    pub held_out: Option<&'a Dataset>,
    /// Whose results get 16 bits. With [`Settings::qat_epochs`], which trains for 8, nobody's.
    pub int16: Int16<'a>,
    /// What int8 may lose in mAP before [`Int16::Auto`] tries 16 bits.
    pub budget: f64,
}

/// A model with a threshold, and what is known about it.
#[derive(Debug)]
pub struct Shipped {
    /// The model.
    pub quantized: Quantized,
    /// How the threshold was chosen; `None` when there are too few held-out identities to choose one.
    pub choice: Option<Choice>,
    /// What int8 costs in retrieval; `None` when no held-out picture can be found by another.
    pub gate: Option<Gate>,
    /// How well int8 follows float.
    pub fidelity: Fidelity,
    /// The layers with 16 bits; `None` where there are none.
    pub widening: Option<Widening>,
    /// Pictures that calibrated it.
    pub calibrated_with: usize,
    /// Pictures that could not be read.
    pub skipped: Vec<Skipped>,
    /// Those on which the layers were compared, `[n, height, width, 3]` RGB bytes.
    compared: Vec<u8>,
}

/// Why a network does not become a model that ships.
#[derive(Debug, thiserror::Error)]
pub enum ShipError {
    /// The data set is no longer that of the run.
    #[error(transparent)]
    Data(#[from] TrainingError),
    /// Pictures cannot be read.
    #[error(transparent)]
    Pictures(#[from] DatasetError),
    /// A step of the quantizer failed.
    #[error(transparent)]
    Quantize(#[from] QuantizeError),
    /// The finished model does not run.
    #[error(transparent)]
    Run(#[from] Int8Error),
    /// Its embeddings, or those of the float network, cannot be compared.
    #[error("float and int8 cannot be compared on held-out identities")]
    Evaluate(#[from] EvaluationError),
    /// The finished model is refused by its own reader.
    #[error("the model that was written is malformed")]
    Malformed(#[from] ModelError),
}

impl Default for Request<'_> {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            calibration: CALIBRATION,
            policy: Policy::default(),
            held_out: None,
            int16: Int16::Auto,
            budget: BUDGET,
        }
    }
}

impl Shipped {
    /// Refuses a model that loses more than `budget` of mAP (see [`Gate::exceeds`]), and names the layer that hurts most.
    ///
    /// # Errors
    /// [`QuantizeError::Budget`]; what [`sensitivity()`] reports.
    pub fn check_budget(&self, budget: f64, progress: &dyn Progress) -> Result<(), QuantizeError> {
        let Some(gate) = self.gate.as_ref().filter(|gate| gate.exceeds(budget)) else { return Ok(()) };
        let layers = self.sensitivity(progress)?;
        let worst = layers.iter().max_by(|a, b| a.total().total_cmp(&b.total()));
        let layer = worst.map_or_else(String::new, |worst| format!("{} (its {})", worst.name, worst.cause()));
        Err(gate.refusal(budget, layer))
    }

    /// What each layer costs when it alone is int8.
    ///
    /// # Errors
    /// What [`sensitivity()`] reports.
    pub fn sensitivity(&self, progress: &dyn Progress) -> Result<Vec<LayerSensitivity>, QuantizeError> {
        sensitivity(&self.quantized, &self.compared, progress)
    }
}

/// Quantizes a checkpoint. `data` is the set that it was trained on: the identities that the run trained on calibrate, and
/// unless the request names others, those that it held out are held out here too. With [`Settings::qat_epochs`] it is fine-tuned
/// on all pictures of the former, changed as its recipe changes them.
///
/// # Errors
/// [`ShipError`]; [`QuantizeError::SharedPicture`] when a picture is both among those that calibrate and among those of
/// held-out identities.
pub fn quantize_checkpoint(
    checkpoint: &Checkpoint,
    data: &Dataset,
    request: &Request<'_>,
    progress: &dyn Progress,
) -> Result<Shipped, ShipError> {
    let (graph, state) = (&checkpoint.model(), &checkpoint.state);
    let size = [graph.input().height, graph.input().width];
    let calibrate = Pictures::of(data, &state.identities, size, progress)?;
    let held_out = match request.held_out {
        Some(others) => Pictures::of_strangers(others, size, progress)?,
        None => Pictures::of(data, &state.held_out, size, progress)?,
    };
    let chosen = spread(calibrate.images.len(), request.calibration);
    let names: Vec<String> = chosen.iter().map(|&index| calibrate.names[index].clone()).collect();
    let pixels = pick(&calibrate.images, &chosen);
    let evaluation = Named { pixels: &held_out.images.pixels, names: &held_out.names };
    check_disjoint(Named { pixels: &pixels, names: &names }, evaluation)?;
    let tuning = (request.settings.qat_epochs > 0).then(|| {
        let pictures = qat::Pictures { pixels: &calibrate.images.pixels, augment: &state.recipe.augment };
        let Settings { qat_epochs: epochs, qat_rate: learning_rate, .. } = request.settings;
        (pictures, qat::Settings { epochs, learning_rate, seed: state.recipe.seed, ..qat::Settings::default() })
    });
    let quantized = quantize_tuned(graph, &pixels, (&request.settings, tuning), progress)?;
    let images = if held_out.images.is_empty() { &calibrate.images } else { &held_out.images };
    let compared = pick(images, &spread(images.len(), COMPARED));
    let judges = Judges::new((graph, &quantized.graph), &held_out.images, &compared, progress)?;
    let Chosen { mut quantized, verdict, widening } = int16::choose(quantized, &pixels, &judges, request)?;
    let choice = match choose_threshold(&held_out.images, verdict.embeddings, &request.policy) {
        Err(QuantizeError::HeldOut { .. }) => None,
        choice => Some(choice?),
    };
    if let Some(choice) = &choice {
        quantized.set_threshold(&choice.threshold)?;
    }
    let skipped = [calibrate.images.skipped, held_out.images.skipped].concat();
    let (gate, fidelity, calibrated_with) = (verdict.gate, verdict.fidelity, chosen.len());
    Ok(Shipped { quantized, choice, gate, fidelity, widening, calibrated_with, skipped, compared })
}

fn choose_threshold(
    images: &Images,
    embeddings: Vec<Option<Embedding>>,
    policy: &Policy,
) -> Result<Choice, QuantizeError> {
    // A picture without embedding cannot be enrolled, and is nobody's match.
    let held_out = embeddings.into_iter().zip(&images.identities).filter_map(|(embedding, identity)| {
        let (probe, identity) = (embedding?, u32::try_from(identity.known()?).ok()?);
        Some(HeldOut { template: probe.clone(), probe, identity })
    });
    choose(&held_out.collect::<Vec<_>>(), policy)
}

/// At most `most` of the numbers 0..count, evenly spread.
fn spread(count: usize, most: usize) -> Vec<usize> {
    let kept = count.min(most);
    (0..kept).map(|index| index * count / kept).collect()
}

/// The pixels of these pictures, one after the other.
fn pick(images: &Images, chosen: &[usize]) -> Vec<u8> {
    let picture = images.size[0] * images.size[1] * 3;
    chosen.iter().flat_map(|&index| &images.pixels[index * picture..][..picture]).copied().collect()
}
