//! The int8 network in float: weights and activations take only the values that the camera's integers stand for.

use super::fold_batch_norm::weight_and_bias;
use super::lower::Lowered;
use super::scale::Quantization;
use super::structure::Structure;
use super::weights::Filters;
use crate::network::{Graph, NodeId, Operator, ParameterId};

/// A float network and what rounds in its int8 version. Biases stay as they are: 32 bits hold them well.
#[derive(Debug, Clone)]
pub(super) struct FakeQuantized {
    /// The network with rounded weights.
    pub graph: Graph,
    /// How each node's values are stored; `None` for nodes that the camera does not store, and for the 16-bit embedding.
    pub stored: Vec<Option<Quantization>>,
    /// The layers with weights, by their node.
    pub layers: Vec<Option<LinearLayer>>,
}

/// A layer with weights.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LinearLayer {
    /// Its weights among the graph's parameters.
    pub weight: ParameterId,
    /// Its bias.
    pub bias: ParameterId,
    /// The node that it reads.
    pub input: NodeId,
    /// The node whose stored values it makes: its own, its activation function's, or the sum's that it is joined to.
    pub stored: NodeId,
    /// What a step of the weights is worth, one an output channel.
    pub steps: Vec<f64>,
}

impl FakeQuantized {
    /// Of `graph`, which was lowered to `lowered`.
    pub fn new(graph: &Graph, lowered: &Lowered) -> Self {
        let mut stored = vec![None; graph.nodes.len()];
        lowered.tensors.iter().for_each(|tensor| stored[tensor.node.0] = Some(tensor.quantization));
        let structure = Structure::of(graph);
        let mut fake = Self { graph: graph.clone(), layers: vec![None; graph.nodes.len()], stored };
        for id in (0..graph.nodes.len()).map(NodeId).filter(|id| structure.live[id.0]) {
            fake.layers[id.0] = fake.linear(id, &structure);
            if let Some(layer) = fake.layers[id.0].clone() {
                let values = &mut fake.graph.parameters[layer.weight.0].values;
                round_to_nearest(values, &layer.steps);
            }
        }
        // 14 bits and more: nothing is lost there.
        fake.stored[graph.embedding.0] = None;
        fake
    }

    /// `None` too for a layer whose input or output lies in no tensor of its own, such as a group of a convolution.
    fn linear(&self, id: NodeId, structure: &Structure) -> Option<LinearLayer> {
        let node = self.graph.node(id);
        let (weight, bias) = weight_and_bias(&node.operator)?;
        let (bias, input) = (bias?, *node.inputs.first()?);
        let own = structure.activation(&self.graph, id).unwrap_or(id);
        let stored = match structure.readers[id.0][..] {
            [sum] if self.stored[own.0].is_none() && matches!(self.graph.node(sum).operator, Operator::Add) => {
                structure.activation(&self.graph, sum).unwrap_or(sum)
            }
            _ => own,
        };
        let source = match self.graph.node(input).operator {
            Operator::Flatten => self.graph.node(input).inputs[0],
            _ => input,
        };
        let (weights, biases) = (&self.graph.parameter(weight).values, &self.graph.parameter(bias).values);
        let filters = Filters { weights, biases, transpose: false };
        let steps = filters.steps(self.stored[source.0]?, self.stored[stored.0]?);
        Some(LinearLayer { weight, bias, input, stored, steps })
    }

    /// Rounds what the node `id` computed, where the camera stores it in 8 bits.
    pub fn round(&self, id: NodeId, values: &mut [f32]) {
        if let Some(quantization) = self.stored[id.0] {
            values.iter_mut().for_each(|value| *value = quantization.round(*value));
        }
    }
}

/// `[…, channels]` weights to multiples of their channel's step.
fn round_to_nearest(weights: &mut [f32], steps: &[f64]) {
    for row in weights.chunks_exact_mut(steps.len()) {
        row.iter_mut()
            .zip(steps)
            .for_each(|(weight, step)| *weight = ((f64::from(*weight) / step).round() * step) as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{PICTURE, network, pictures};
    use super::super::int8_model::arena;
    use super::super::plan_arena::Plan;
    use super::super::{Settings, emit, quantize};
    use super::*;
    use crate::network::interpreter;
    use crate::progress::Silent;
    use deja_shared::model::Model;

    /// Given the camera's own inputs, each layer of the twin gives the camera's integers, but for values between two steps.
    #[test]
    fn the_twin_computes_what_the_camera_computes() {
        let quantized = quantize(&network(51), &pictures(16, 51), &Settings::default(), &Silent).unwrap();
        let fake = FakeQuantized::new(&quantized.corrected, &quantized.lowered);
        let whole = emit::emit(&quantized.lowered, &Plan::whole(&quantized.lowered), &[]).unwrap();
        let model = Model::parse(&whole).unwrap();
        let picture = &pictures(1, 52)[..PICTURE];
        let mut camera = vec![vec![]; fake.graph.nodes.len()];
        let tensors = &quantized.lowered.tensors;
        deja_firmware::embedder::embed_layers(&model, picture, &mut arena(&model), |number, view| {
            let tensor = tensors[usize::from(number)];
            camera[tensor.node.0] = view.data.iter().map(|&q| tensor.quantization.dequantize(q.into())).collect();
        })
        .unwrap();
        let mut results: Vec<Vec<f32>> = camera.clone();
        let (mut values, mut different) = (0, 0);
        for id in (1..fake.graph.embedding.0).map(NodeId) {
            results[id.0] = interpreter::run_node(&fake.graph, id, &results);
            let Some(quantization) = fake.stored[id.0] else { continue };
            fake.round(id, &mut results[id.0]);
            for (twin, camera) in results[id.0].iter().zip(&camera[id.0]) {
                let steps = ((twin - camera) / quantization.scale).round().abs();
                assert!(steps <= 1.0, "{}: {twin} and {camera}", fake.graph.node(id).name);
                different += u32::from(steps > 0.0);
                values += 1;
            }
            results[id.0].clone_from(&camera[id.0]);
        }
        assert!(values > 10_000 && different * 50 < values, "{different} of {values}");
    }
}
