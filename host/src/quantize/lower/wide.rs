//! Which layers may write 16 bits, and how large their integers may become.

use std::collections::BTreeMap;

use deja_shared::model::LayerKind;
use deja_shared::quant::INT16;

use super::{Lowered, LoweredLayer, Residual, lower_widths};
use crate::network::Graph;
use crate::quantize::QuantizeError;
use crate::quantize::calibrate::Range;
use crate::quantize::weights::OWN_BIAS_LIMIT;

/// The layers that write 16 bits, by their names, and the greatest integer of each.
pub type Wide = BTreeMap<String, i16>;

/// For each layer, whether its result can be given 16 bits: it can write them, and all that read it can read them, directly or
/// behind a max pool, whose result has the bits of its input.
pub fn candidates(lowered: &Lowered) -> Vec<bool> {
    let mut readable = vec![true; lowered.tensors.len()];
    // From the last layer on, so that all who read a result have been seen before who wrote it.
    for (index, LoweredLayer { layer, .. }) in lowered.layers.iter().enumerate().rev() {
        let takes = layer.kind != LayerKind::MaxPool || readable[index + 1];
        for (place, input) in layer.inputs().enumerate() {
            readable[usize::from(input)] &= takes && layer.kind.reads_16_bits(place);
        }
    }
    // The greatest of what is read has as many bits as that.
    let writes = |kind: LayerKind| kind.writes_16_bits() && kind != LayerKind::MaxPool;
    lowered.layers.iter().zip(&readable[1..]).map(|(layer, readable)| *readable && writes(layer.layer.kind)).collect()
}

/// Lowers with the results of the layers `names`, all of them [`candidates`], in 16 bits: as many of those as the sums of the
/// layers that read them leave room for.
///
/// # Errors
/// As [`super::lower_with`].
pub fn lower_wide(
    graph: &Graph,
    ranges: &[Range],
    residual: Residual,
    names: &[String],
) -> Result<(Lowered, Wide), QuantizeError> {
    let mut wide: Wide = names.iter().map(|name| (name.clone(), INT16.1 as i16)).collect();
    let lowered = lower_widths(graph, ranges, residual, &wide)?;
    let room = lowered.layers.iter().enumerate().map(|(index, layer)| (layer.name.clone(), room(&lowered, index + 1)));
    for (name, room) in room {
        if let Some(greatest) = wide.get_mut(&name) {
            *greatest = (*greatest).min(room);
        }
    }
    // Weights do not depend on the scale of what they are applied to, but for channels that are nearly dead.
    Ok((lower_widths(graph, ranges, residual, &wide)?, wide))
}

/// The greatest integer of a tensor with which no accumulator of a reader can overflow, whichever way its weights are rounded.
fn room(lowered: &Lowered, tensor: usize) -> i16 {
    let reads = |layer: &LoweredLayer| layer.layer.inputs().any(|input| usize::from(input) == tensor);
    let readers = lowered.layers.iter().enumerate().filter(|(_, layer)| reads(layer));
    let room_for = |(index, layer): (usize, &LoweredLayer)| match layer.layer.kind {
        LayerKind::MaxPool => room(lowered, index + 1),
        // What the bias leaves.
        _ => {
            let room = (f64::from(i32::MAX) - OWN_BIAS_LIMIT - 1.0) / factors(lowered, layer).max(1) as f64;
            room.min(INT16.1.into()) as i16
        }
    };
    readers.map(room_for).min().unwrap_or(INT16.1 as i16)
}

/// The most that an accumulator can be per unit of input: max over the outputs of Σ |w|, one more for each weight.
fn factors(lowered: &Lowered, LoweredLayer { layer, weights, biases, .. }: &LoweredLayer) -> u64 {
    let outputs = biases.len().max(1);
    let fan_in = weights.len() / outputs;
    let magnitude = |weight: i8| u64::from(weight.unsigned_abs()) + 1;
    match layer.kind {
        LayerKind::GlobalAveragePool => lowered.tensors[usize::from(layer.input)].shape.positions().into(),
        LayerKind::Depthwise => {
            let of = |output: usize| weights.iter().skip(output).step_by(outputs).map(|&w| magnitude(w)).sum();
            (0..outputs).map(of).max().unwrap_or(0)
        }
        kind if kind.has_weights() => {
            let filters = weights.chunks(fan_in.max(1));
            filters.map(|filter| filter.iter().map(|&w| magnitude(w)).sum()).max().unwrap_or(0)
        }
        _ => 0,
    }
}
