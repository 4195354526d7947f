//! From a float graph to the bytes of a `.deja` file, in pipeline order:
//!
//! 0. [`shorten`]: a camera holds vectors of limited length; a longer embedding is turned into its main directions;
//! 1. [`fold_batch_norm`]: batch norms disappear into the layers before them;
//! 2. [`equalize`]: channels that share a scale get similar ranges;
//! 3. [`calibrate`]: training pictures show between which bounds each activation lies;
//! 4. `layerwise`: weights are rounded ([`rounding`]) and biases corrected ([`bias_correction`]) layer by layer, with
//!    float and int8 (`fake_quantize`) side by side;
//! 5. [`lower`]: bounds become scales, float weights become int8 (`scale` and `weights` hold the arithmetic), activation
//!    functions become clamps;
//! 6. [`plan_arena`]: every activation gets its place in the camera's memory; [`order`] tries 5 and 6 with the nodes in
//!    several orders and keeps what needs least;
//! 7. [`emit`]: the file, with pairs of pictures and embeddings computed by the camera's own code;
//! 8. [`gate`]: what int8 costs in retrieval on held-out identities, and whether that is too much. [`mod@compare`] says
//!    what it costs layer by layer, [`mod@sensitivity`] which layer is to blame;
//! 9. [`int16`]: where 8 bits lose too much, the layers whose results get 16, and 4 to 8 once more;
//! 10. [`threshold`]: from which cosine on a camera shall say that it knows somebody, from held-out identities, whose
//!     pictures are none of the calibration's ([`disjoint`]).
//!
//! After 4, [`qat`] can fine-tune the network for what rounding does to it.
//!
//! [`quantize`] runs 0 to 7, [`quantize_checkpoint`] runs all (`ship`) on what a training run left; `pictures` says whose
//! pictures serve for what. [`Int8Model`] runs the result as the camera will (through [`int8_engine`], with vector
//! instructions). The arithmetic itself is `deja_shared::quant`; the file is `deja_shared::model`.

pub mod aligned_bytes;
pub mod bench;
pub mod bias_correction;
pub mod calibrate;
pub mod compare;
pub mod disjoint;
pub mod emit;
pub mod equalize;
mod error;
mod fake_quantize;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod fold_batch_norm;
pub mod gate;
pub mod int16;
pub mod int8_engine;
pub mod int8_model;
mod judges;
mod layerwise;
pub mod lower;
pub mod order;
mod pictures;
pub mod plan_arena;
pub mod qat;
pub mod rounding;
pub mod scale;
pub mod sensitivity;
pub mod ship;
pub mod shorten;
mod structure;
pub mod threshold;
mod weights;

pub use aligned_bytes::AlignedBytes;
pub use calibrate::Method;
pub use compare::{Fidelity, compare};
pub use error::QuantizeError;
pub use gate::{BUDGET, Gate};
pub use int8_model::{Int8Error, Int8Model};
pub use int16::{Int16, Widening};
pub use sensitivity::{LayerSensitivity, sensitivity};
pub use ship::{Request, ShipError, Shipped, quantize_checkpoint};
pub use threshold::{Choice, HeldOut, Policy, Threshold, choose};

use calibrate::Range;
use layerwise::Corrections;
use lower::{Lowered, Residual, Wide};
use order::Placed;
use plan_arena::Plan;

use crate::network::Graph;
use crate::progress::Progress;

/// Calibration pictures below which little can be said of others.
pub const FEW: usize = 16;

/// What there is to choose.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// How bounds are chosen.
    pub method: Method,
    /// Whether channels are equalized across layers.
    pub equalize: bool,
    /// Whether weights are rounded by what their layer computes, or each to the nearest.
    pub adaptive_rounding: bool,
    /// Whether biases make up for shifted means.
    pub correct_biases: bool,
    /// How many calibration pictures go into the file as golden pairs, evenly spread over them.
    pub golden: usize,
    /// Passes over the training pictures to fine-tune a checkpoint with ([`qat`]); 0 leaves it as it is.
    pub qat_epochs: u64,
    /// [`qat::Settings::learning_rate`].
    pub qat_rate: f32,
    /// Bytes of activation memory to keep within; see [`plan_arena::plan`].
    pub arena_limit: Option<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        let qat_rate = qat::Settings::default().learning_rate;
        Self {
            method: Method::Best,
            equalize: true,
            adaptive_rounding: true,
            correct_biases: true,
            golden: 2,
            qat_epochs: 0,
            qat_rate,
            arena_limit: None,
        }
    }
}

impl Settings {
    /// The least that quantizes at all: bounds by percentile, every weight to the nearest.
    pub fn plain() -> Self {
        let method = Method::Percentile(99.99);
        Self { method, equalize: false, adaptive_rounding: false, correct_biases: false, ..Self::default() }
    }
}

/// A finished model and what it was made from.
#[derive(Debug, Clone)]
pub struct Quantized {
    /// The float network without batch norm, as it was before any fine-tuning; its nodes are what the tensors of `lowered`
    /// name.
    pub graph: Graph,
    /// The same with the weights and biases that were lowered, where the layers' outputs or fine-tuning chose them.
    pub corrected: Graph,
    /// The integer layers.
    pub lowered: Lowered,
    /// Where the activations lie.
    pub plan: Plan,
    /// The file. It knows nobody until [`Quantized::set_threshold`].
    pub bytes: AlignedBytes,
    /// What fine-tuning brought, where it was asked for.
    pub fine_tuning: Option<qat::Loss>,
    /// The bounds of the nodes of `graph`, with which it was lowered.
    ranges: Vec<Range>,
    /// How its residual layers are computed.
    residual: Residual,
    /// [`Settings::arena_limit`].
    arena_limit: Option<usize>,
}

impl Quantized {
    /// Puts a decision threshold into the file.
    ///
    /// # Errors
    /// Never for bytes that [`quantize`] made.
    pub fn set_threshold(&mut self, threshold: &Threshold) -> Result<(), QuantizeError> {
        emit::set_threshold(&mut self.bytes, threshold)
    }

    /// The least and the greatest value of every node over `pictures`, which [`Quantized::widened`] takes.
    ///
    /// # Errors
    /// As [`calibrate::calibrate`].
    pub fn bounds(&self, pictures: &[u8], progress: &dyn Progress) -> Result<Vec<Range>, QuantizeError> {
        calibrate::calibrate(&self.graph, pictures, Method::MinMax, progress)
    }

    /// The same network in the same order with the results of these layers in 16 bits, between these [`Quantized::bounds`].
    /// `pictures` are those that it was calibrated with; its weights are rounded and its biases corrected anew.
    ///
    /// # Errors
    /// [`QuantizeError::NotWide`] for a layer that cannot; what the steps from 3 on report.
    pub fn widened(
        &self,
        (layers, bounds): (&[String], &[Range]),
        pictures: &[u8],
        settings: &Settings,
        progress: &dyn Progress,
    ) -> Result<Self, QuantizeError> {
        finish(self.placed().widened(layers, bounds)?, pictures, (settings, None), progress)
    }

    fn placed(&self) -> Placed {
        let Self { graph, ranges, residual, lowered, plan, arena_limit, .. } = self.clone();
        Placed { graph, ranges, residual, wide: Wide::new(), lowered, plan, arena_limit }
    }
}

/// Quantizes `graph`, calibrated with `pictures` (`[n, height, width, 3]` RGB bytes of the training set, undistorted).
///
/// A few hundred pictures serve; with fewer than [`FEW`] the bounds are guesses, which is logged as a warning, and nothing is
/// corrected, for the means of so few say nothing about others.
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
    let mut graph = fold_batch_norm::fold_batch_norm(&graph)?;
    let picture = graph.input().len();
    let count = pictures.len() / picture.max(1);
    if count < FEW {
        tracing::warn!("calibrated with {count} pictures only: the int8 network may clip what others show");
    }
    if settings.equalize && pictures.len() == count * picture {
        equalize::equalize(&mut graph, pictures, progress)?;
    }
    let ranges = calibrate::calibrate(&graph, pictures, settings.method, progress)?;
    finish(order::lower_smallest(graph, &ranges, settings.arena_limit)?, pictures, (settings, tuning), progress)
}

/// From calibrated layers to the file.
fn finish(
    mut placed: Placed,
    pictures: &[u8],
    (settings, tuning): (&Settings, Option<(qat::Pictures<'_>, qat::Settings)>),
    progress: &dyn Progress,
) -> Result<Quantized, QuantizeError> {
    placed.keeps_limit()?;
    let picture = placed.graph.input().len();
    let count = pictures.len() / picture.max(1);
    let mut corrected = placed.graph.clone();
    let enough = count >= FEW;
    let corrections =
        Corrections { rounding: settings.adaptive_rounding && enough, biases: settings.correct_biases && enough };
    if corrections.rounding || corrections.biases {
        corrected = layerwise::correct(&placed.graph, &placed.lowered, pictures, corrections, progress)?;
        placed.lowered = placed.lower_again(&corrected)?;
    }
    let mut fine_tuning = None;
    if let Some((pictures, settings)) = tuning {
        let tuned = qat::fine_tune((&placed, &corrected), pictures, &settings, progress)?;
        (corrected, placed.lowered, fine_tuning) = (tuned.graph, tuned.lowered, Some(tuned.loss));
    }
    let Placed { graph, ranges, residual, lowered, plan, arena_limit, .. } = placed;
    let golden = settings.golden.min(count);
    let golden: Vec<&[u8]> =
        (0..golden).map(|index| &pictures[index * count / golden * picture..][..picture]).collect();
    let bytes = emit::emit(&lowered, &plan, &golden)?;
    Ok(Quantized { graph, corrected, lowered, plan, bytes, fine_tuning, ranges, residual, arena_limit })
}

#[cfg(test)]
mod operator_tests;
#[cfg(test)]
mod tests;
