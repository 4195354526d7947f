//! A quantized network with random weights.

use super::ProfileError;
use crate::network::bench::pixels;
use crate::network::by_name;
use crate::progress::Progress;
use crate::quantize::{FEW, Int8Model, Settings, quantize};

/// Components of the embedding.
const EMBEDDING: usize = 128;

/// The network `name` for pictures of `input` = \[height, width\], with weights and calibration pictures drawn at random,
/// and one golden pair.
///
/// # Errors
/// [`ProfileError::Network`], [`ProfileError::Quantize`].
pub fn random_model(
    name: &str,
    input: [usize; 2],
    arena_limit: Option<usize>,
    progress: &dyn Progress,
) -> Result<Int8Model, ProfileError> {
    let mut graph = by_name(name, input, EMBEDDING, 1)?;
    // Branches that wait for training to wake them would be quantized to nothing.
    for gamma in graph.parameters.iter_mut().filter(|parameter| parameter.name.ends_with(".gamma")) {
        gamma.values.iter_mut().filter(|value| **value == 0.0).for_each(|value| *value = 1.0);
    }
    let pictures = pixels(FEW * graph.input().len());
    let settings = Settings { golden: 1, arena_limit, ..Settings::plain() };
    Ok(Int8Model::from_bytes(quantize(&graph, &pictures, &settings, progress)?.bytes)?)
}
