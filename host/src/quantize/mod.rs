//! From a float graph to the bytes of a `.deja` file, in pipeline order:
//!
//! 0. [`shorten`]: a camera holds vectors of limited length; a longer embedding is turned into its main directions;
//! 1. [`fold_batch_norm`]: batch norms disappear into the layers before them;
//! 2. [`calibrate`]: training pictures show between which bounds each activation lies;
//! 3. [`lower`]: bounds become scales, float weights become int8 (`scale` and `weights` hold the arithmetic), activation
//!    functions become clamps;
//! 4. [`plan_arena`]: every activation gets its place in the camera's memory; [`order`] tries 3 and 4 with the nodes in
//!    several orders and keeps what needs least;
//! 5. [`emit`]: the file, with pairs of pictures and embeddings computed by the camera's own code;
//! 6. [`mod@compare`]: what quantization cost, layer by layer;
//! 7. [`threshold`]: from which cosine on a camera shall say that it knows somebody, from held-out identities.
//!
//! Between 2 and 3 [`qat`] can fine-tune the network for what rounding does to it.
//!
//! [`quantize`] runs 0 to 5, [`quantize_checkpoint`] runs 0 to 7 on what a training run left. [`Int8Model`] runs the result as the camera will
//! (through [`int8_engine`], with vector instructions). The arithmetic itself is
//! `deja_shared::quant`; the file is `deja_shared::model`.

pub mod aligned_bytes;
pub mod bench;
pub mod calibrate;
pub mod compare;
pub mod emit;
mod error;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod fold_batch_norm;
pub mod from_checkpoint;
pub mod int8_engine;
pub mod int8_model;
pub mod lower;
pub mod order;
pub mod plan_arena;
pub mod qat;
pub mod scale;
pub mod shorten;
pub mod threshold;
mod weights;

pub use aligned_bytes::AlignedBytes;
pub use calibrate::Method;
pub use compare::{Fidelity, compare};
pub use error::QuantizeError;
pub use from_checkpoint::{ShipError, Shipped, quantize_checkpoint};
pub use int8_model::{Int8Error, Int8Model};
pub use threshold::{Choice, Policy, Threshold, choose};

use lower::Lowered;
use order::Placed;
use plan_arena::Plan;

use crate::network::Graph;
use crate::progress::Progress;

/// What there is to choose.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// How bounds are chosen.
    pub method: Method,
    /// How many calibration pictures go into the file as golden pairs, evenly spread over them.
    pub golden: usize,
    /// Passes over the training pictures to fine-tune a checkpoint with ([`qat`]); 0 leaves it as it is.
    pub qat_epochs: u64,
    /// [`qat::Settings::learning_rate`].
    pub qat_rate: f32,
}

impl Default for Settings {
    fn default() -> Self {
        let qat_rate = qat::Settings::default().learning_rate;
        Self { method: Method::Percentile(99.99), golden: 2, qat_epochs: 0, qat_rate }
    }
}

/// A finished model and what it was made from.
#[derive(Debug, Clone)]
pub struct Quantized {
    /// The float network without batch norm, as it was before any fine-tuning; its nodes are what the tensors of `lowered`
    /// name.
    pub graph: Graph,
    /// The integer layers.
    pub lowered: Lowered,
    /// Where the activations lie.
    pub plan: Plan,
    /// The file. It knows nobody until [`Quantized::set_threshold`].
    pub bytes: AlignedBytes,
}

impl Quantized {
    /// Puts a decision threshold into the file.
    ///
    /// # Errors
    /// Never for bytes that [`quantize`] made.
    pub fn set_threshold(&mut self, threshold: &Threshold) -> Result<(), QuantizeError> {
        emit::set_threshold(&mut self.bytes, threshold)
    }
}

/// Quantizes `graph`, calibrated with `pictures` (`[n, height, width, 3]` RGB bytes of the training set, undistorted).
///
/// A few hundred pictures serve; with fewer than 16 the bounds are guesses, which is logged as a warning.
///
/// # Errors
/// The first [`QuantizeError`] of any step.
pub fn quantize(
    graph: &Graph,
    pictures: &[u8],
    settings: &Settings,
    progress: &dyn Progress,
) -> Result<Quantized, QuantizeError> {
    quantize_tuned(graph, pictures, (settings, None), progress)
}

/// [`quantize`], fine-tuned between calibration and lowering where `tuning` is given: on which pictures, and how.
///
/// # Errors
/// The first [`QuantizeError`] of any step.
pub fn quantize_tuned(
    graph: &Graph,
    pictures: &[u8],
    (settings, tuning): (&Settings, Option<(qat::Pictures<'_>, qat::Settings)>),
    progress: &dyn Progress,
) -> Result<Quantized, QuantizeError> {
    let graph = shorten::shorten(graph, pictures, progress)?;
    lower::check(&graph)?;
    let graph = fold_batch_norm::fold_batch_norm(&graph)?;
    let ranges = calibrate::calibrate(&graph, pictures, settings.method, progress)?;
    let picture = graph.input().len();
    let count = pictures.len() / picture;
    if count < 16 {
        tracing::warn!("calibrated with {count} pictures only: the int8 network may clip what others show");
    }
    let mut placed = order::lower_smallest(graph, &ranges)?;
    if let Some((pictures, settings)) = tuning {
        placed.lowered = qat::fine_tune(&placed, pictures, &settings, progress)?.lowered;
    }
    let Placed { graph, lowered, plan, .. } = placed;
    let golden = settings.golden.min(count);
    let golden: Vec<&[u8]> =
        (0..golden).map(|index| &pictures[index * count / golden * picture..][..picture]).collect();
    let bytes = emit::emit(&lowered, &plan, &golden)?;
    Ok(Quantized { graph, lowered, plan, bytes })
}

#[cfg(test)]
mod operator_tests;
#[cfg(test)]
mod tests;
