//! From a finished run to the model that ships: calibrated on its training pictures, with a threshold chosen on the
//! identities that it held out, and compared with its float network.

use super::threshold::{Choice, Policy, choose};
use super::{Fidelity, Int8Error, Int8Model, QuantizeError, Quantized, Settings, compare, qat, quantize_tuned};
use crate::dataset::{Dataset, Images, Skipped};
use crate::progress::Progress;
use crate::training::{Checkpoint, Material, TrainingError};
use deja_shared::model::ModelError;

/// Most pictures that take part in calibration unless told otherwise: more hardly move the bounds.
pub const CALIBRATION: usize = 512;
/// Most pictures on which int8 and float are compared layer by layer.
const COMPARED: usize = 64;

/// A model with a threshold, and what is known about it.
#[derive(Debug)]
pub struct Shipped {
    /// The model.
    pub quantized: Quantized,
    /// How the threshold was chosen; `None` when the run held out too few identities to choose one.
    pub choice: Option<Choice>,
    /// How well int8 follows float.
    pub fidelity: Fidelity,
    /// Pictures that calibrated it.
    pub calibrated_with: usize,
    /// Training pictures that could not be read.
    pub skipped: Vec<Skipped>,
}

/// Why a run does not become a model.
#[derive(Debug, thiserror::Error)]
pub enum ShipError {
    /// The training pictures cannot be read again, or are no longer those of the run.
    #[error(transparent)]
    Data(#[from] TrainingError),
    /// A step of the quantizer failed.
    #[error(transparent)]
    Quantize(#[from] QuantizeError),
    /// The finished model does not run.
    #[error(transparent)]
    Run(#[from] Int8Error),
    /// The finished model is refused by its own reader.
    #[error("the model that was written is malformed")]
    Malformed(#[from] ModelError),
}

/// Quantizes a checkpoint. `data` is the set that it was trained on, of whose training pictures at most `calibration`
/// ([`CALIBRATION`] is enough) calibrate. With [`Settings::qat_epochs`] it is fine-tuned on all of them, changed as its recipe
/// changes them.
///
/// # Errors
/// [`ShipError`].
pub fn quantize_checkpoint(
    checkpoint: &Checkpoint,
    data: &Dataset,
    (settings, calibration): (&Settings, usize),
    policy: &Policy,
    progress: &dyn Progress,
) -> Result<Shipped, ShipError> {
    let material = Material::load(data, &checkpoint.state, progress)?;
    let pictures = sample(&material.train, calibration);
    let recipe = &checkpoint.state.recipe;
    let tuning = (settings.qat_epochs > 0).then(|| {
        let pictures = qat::Pictures { pixels: &material.train.pixels, augment: &recipe.augment };
        let Settings { qat_epochs: epochs, qat_rate: learning_rate, .. } = *settings;
        (pictures, qat::Settings { epochs, learning_rate, seed: recipe.seed, ..qat::Settings::default() })
    });
    let mut quantized = quantize_tuned(&checkpoint.model(), &pictures, (settings, tuning), progress)?;
    let choice = match choose_threshold(&quantized, &material.held_out, policy, progress) {
        Err(ShipError::Quantize(QuantizeError::HeldOut { .. })) => None,
        choice => Some(choice?),
    };
    if let Some(choice) = &choice {
        quantized.set_threshold(&choice.threshold)?;
    }
    let fidelity = compare(&quantized, &sample(&material.train, COMPARED), progress)?;
    let calibrated_with = material.train.len().min(calibration);
    Ok(Shipped { quantized, choice, fidelity, calibrated_with, skipped: material.skipped() })
}

fn choose_threshold(
    quantized: &Quantized,
    held_out: &Images,
    policy: &Policy,
    progress: &dyn Progress,
) -> Result<Choice, ShipError> {
    let embeddings = Int8Model::from_bytes(quantized.bytes.clone())?.embeddings(&held_out.pixels, progress)?;
    let identities = held_out.identities.iter().filter_map(|identity| u32::try_from(identity.known()?).ok());
    // A picture without embedding cannot be enrolled, and is nobody's match.
    let pairs: Vec<_> = embeddings.into_iter().zip(identities).filter_map(|(e, id)| Some((e?, id))).collect();
    Ok(choose(&pairs, policy)?)
}

/// At most `most` of the pictures, evenly spread, one after the other.
fn sample(images: &Images, most: usize) -> Vec<u8> {
    let picture = images.size[0] * images.size[1] * 3;
    let count = images.len().min(most);
    let index = |i: usize| i * images.len() / count;
    (0..count).flat_map(|i| &images.pixels[index(i) * picture..][..picture]).copied().collect()
}
