//! Step 4: float and int8 run side by side, and each layer makes up for what the layers before it lost.

use super::fake_quantize::{FakeQuantized, LinearLayer};
use super::lower::Lowered;
use super::rounding::Covariance;
use super::structure::Structure;
use super::{QuantizeError, bias_correction, rounding};
use crate::compute::{Window, patches};
use crate::network::{Graph, NodeId, Operator, interpreter};
use crate::progress::Progress;
use rayon::prelude::*;

/// Most pictures that take part.
pub(super) const PICTURES: usize = 64;
/// Most rows that the covariances of a layer are measured on.
const ROWS: usize = 4096;

/// Most products of an output whose covariances are measured; of more, weights are rounded to the nearest.
const PRODUCTS: usize = 2048;

/// What is made up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Corrections {
    /// By [`rounding`].
    pub rounding: bool,
    /// By [`bias_correction`].
    pub biases: bool,
}

/// `graph`, which was lowered to `lowered`, with weights and biases that give the int8 network the float one's outputs.
///
/// Layers are visited in order. Each sees what the int8 network, as corrected so far, makes of the pictures
/// (`[n, height, width, 3]` RGB bytes): its weights are rounded by the covariances of that input, then its bias takes the
/// difference of the means. Lowering the result with the same ranges gives these weights, for the greatest of each filter,
/// which makes its scale, does not change.
///
/// # Errors
/// No picture; an interruption.
pub(super) fn correct(
    graph: &Graph,
    lowered: &Lowered,
    pictures: &[u8],
    corrections: Corrections,
    progress: &dyn Progress,
) -> Result<Graph, QuantizeError> {
    let picture = graph.input().len();
    let count = pictures.len() / picture;
    if count == 0 {
        return Err(QuantizeError::NoPictures);
    }
    let sample = count.min(PICTURES);
    let pixels = |index: usize| &pictures[index * count / sample * picture..][..picture];
    let mut walk = Walk {
        float: graph,
        int8: FakeQuantized::new(graph, lowered),
        structure: Structure::of(graph),
        pairs: (0..sample).map(|index| Activations::new(graph, pixels(index))).collect(),
    };
    let mut corrected = graph.clone();
    progress.start("correct the layers", walk.structure.live.iter().filter(|live| **live).count() as u64 - 1);
    let live: Vec<NodeId> = (1..graph.nodes.len()).map(NodeId).filter(|id| walk.structure.live[id.0]).collect();
    let outcome = live.into_iter().try_for_each(|id| {
        if progress.interrupted() {
            return Err(QuantizeError::Interrupted);
        }
        walk.step(id, corrections, &mut corrected);
        progress.advance(1);
        Ok(())
    });
    progress.finish();
    outcome.map(|()| corrected)
}

/// What both networks computed from one picture so far, in the order of the nodes.
struct Activations {
    float: Vec<Vec<f32>>,
    int8: Vec<Vec<f32>>,
}

impl Activations {
    fn new(graph: &Graph, picture: &[u8]) -> Self {
        let mut float = vec![vec![]; graph.nodes.len()];
        float[0] = picture.iter().map(|&pixel| interpreter::pixel_value(pixel)).collect();
        Self { int8: float.clone(), float }
    }
}

struct Walk<'a> {
    float: &'a Graph,
    int8: FakeQuantized,
    structure: Structure,
    pairs: Vec<Activations>,
}

impl Walk<'_> {
    fn step(&mut self, id: NodeId, corrections: Corrections, corrected: &mut Graph) {
        let layer = self.int8.layers[id.0].clone();
        let few =
            |layer: &&LinearLayer| self.float.parameter(layer.weight).values.len() <= PRODUCTS * layer.steps.len();
        if let Some(layer) = layer.as_ref().filter(|_| corrections.rounding).filter(few) {
            let exact = &self.float.parameter(layer.weight).values;
            let weights = rounding::round(exact, &layer.steps, &self.covariance(id, layer));
            self.int8.graph.parameters[layer.weight.0].values.clone_from(&weights);
            corrected.parameters[layer.weight.0].values = weights;
        }
        let (float, int8) = (self.float, &self.int8.graph);
        self.pairs.par_iter_mut().for_each(|pair| {
            pair.float[id.0] = interpreter::run_node(float, id, &pair.float);
            pair.int8[id.0] = interpreter::run_node(int8, id, &pair.int8);
        });
        if let Some(layer) = layer.filter(|_| corrections.biases) {
            self.correct_bias(id, &layer, corrected);
        }
        let int8 = &self.int8;
        self.pairs.par_iter_mut().for_each(|pair| int8.round(id, &mut pair.int8[id.0]));
        self.forget(id);
    }

    fn correct_bias(&mut self, id: NodeId, layer: &LinearLayer, corrected: &mut Graph) {
        let channels = self.float.node(id).shape.channels;
        let outputs = self.pairs.iter().map(|pair| (&pair.float[id.0][..], &pair.int8[id.0][..]));
        let shift = bias_correction::shift(outputs, channels);
        let add = |values: &mut [f32]| {
            values.chunks_exact_mut(channels).for_each(|row| row.iter_mut().zip(&shift).for_each(|(x, s)| *x += s));
        };
        add(&mut corrected.parameters[layer.bias.0].values);
        add(&mut self.int8.graph.parameters[layer.bias.0].values);
        self.pairs.iter_mut().for_each(|pair| add(&mut pair.int8[id.0]));
    }

    /// Frees what nobody reads after the node `id`.
    fn forget(&mut self, id: NodeId) {
        let over = |input: &&NodeId| self.structure.readers[input.0].iter().all(|reader| *reader <= id);
        let over: Vec<NodeId> = self.float.node(id).inputs.iter().filter(over).copied().collect();
        for pair in &mut self.pairs {
            for input in &over {
                (pair.float[input.0], pair.int8[input.0]) = (vec![], vec![]);
            }
        }
    }

    fn covariance(&self, id: NodeId, layer: &LinearLayer) -> Covariance {
        let node = self.float.node(id);
        let inputs = self.float.node(layer.input).shape;
        let (kernel, depthwise) = match node.operator {
            Operator::Convolution { kernel, .. } => (kernel, false),
            Operator::Depthwise { kernel, .. } => (kernel, true),
            _ => (1, false),
        };
        let taps = kernel * kernel;
        let width = taps * inputs.channels;
        let positions = node.shape.height * node.shape.width;
        let step = (self.pairs.len() * positions).div_ceil(ROWS).max(1);
        let rows: Vec<Vec<f32>> = self
            .pairs
            .par_iter()
            .enumerate()
            .map(|(index, pair)| {
                let rows = self.rows(id, &pair.int8[layer.input.0]);
                // A start that moves from picture to picture, so that every position is seen.
                rows.chunks_exact(width).skip(index % step).step_by(step).flatten().copied().collect()
            })
            .collect();
        let mut rows = rows.concat();
        if !depthwise {
            return Covariance::of(&mut rows, width);
        }
        let channel = |channel: usize| {
            let mut own: Vec<f32> = rows.iter().skip(channel).step_by(inputs.channels).copied().collect();
            Covariance::of(&mut own, taps).values
        };
        let values = (0..inputs.channels).into_par_iter().flat_map_iter(channel).collect();
        Covariance { size: taps, values }
    }

    /// `[positions, kernel · kernel · channels]`: what each output of a layer is computed from.
    fn rows(&self, id: NodeId, input: &[f32]) -> Vec<f32> {
        let node = self.float.node(id);
        let (Operator::Convolution { kernel, stride, padding, .. }
        | Operator::Depthwise { kernel, stride, padding, .. }) = node.operator
        else {
            return input.to_vec();
        };
        let shape = self.float.node(node.inputs[0]).shape;
        let window =
            Window { height: shape.height, width: shape.width, channels: shape.channels, kernel, stride, padding };
        let mut rows = vec![0.0; window.output_len() * kernel * kernel];
        patches::gather(&window, input, &mut rows);
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{pictures, shallow};
    use super::super::fold_batch_norm::fold_batch_norm;
    use super::super::{Method, Settings, calibrate, compare, lower, quantize};
    use super::*;
    use crate::progress::Silent;

    #[test]
    fn what_is_corrected_is_what_is_lowered() {
        let graph = fold_batch_norm(&shallow(71)).unwrap();
        let pixels = pictures(16, 71);
        let ranges = calibrate::calibrate(&graph, &pixels, Method::MinMax, &Silent).unwrap();
        let before = lower::lower(&graph, &ranges).unwrap();
        let both = Corrections { rounding: true, biases: true };
        let corrected = correct(&graph, &before, &pixels, both, &Silent).unwrap();
        let after = lower::lower(&corrected, &ranges).unwrap();
        assert_eq!(before.tensors, after.tensors);
        let fake = FakeQuantized::new(&corrected, &after);
        let (mut moved, mut weights) = (0, 0);
        for (a, b) in before.layers.iter().zip(&after.layers) {
            moved += a.weights.iter().zip(&b.weights).filter(|(a, b)| a != b).count();
            weights += a.weights.len();
            assert!(a.weights.iter().zip(&b.weights).all(|(a, b)| a.abs_diff(*b) <= 1), "{}", a.name);
        }
        assert!(moved > weights / 50 && moved < weights / 2, "{moved} of {weights}");
        for layer in fake.layers.iter().flatten() {
            let (grid, given) = (&fake.graph.parameter(layer.weight).values, &corrected.parameter(layer.weight).values);
            assert!(grid.iter().zip(given).all(|(a, b)| (a - b).abs() <= 1e-5 * a.abs().max(1e-6)), "on the grid");
        }
    }

    #[test]
    fn corrections_bring_int8_nearer_to_float_on_fresh_pictures() {
        let (graph, pixels, fresh) = (shallow(72), pictures(48, 72), pictures(32, 73));
        let decibels = |adaptive_rounding, correct_biases| {
            let settings = Settings { adaptive_rounding, correct_biases, ..Settings::plain() };
            let quantized = quantize(&graph, &pixels, &settings, &Silent).unwrap();
            let layers = compare(&quantized, &fresh, &Silent).unwrap().layers;
            layers.last().and_then(|head| head.signal_to_noise_db).unwrap()
        };
        let plain = decibels(false, false);
        let (rounded, corrected, both) = (decibels(true, false), decibels(false, true), decibels(true, true));
        assert!(both > plain + 1.0, "{plain} dB, with rounding {rounded}, with biases {corrected}, with both {both}");
    }
}
