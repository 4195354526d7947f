//! Which layer hurts: what each costs the embedding when it alone is int8.

use super::compare::cosine;
use super::fake_quantize::{FakeQuantized, LinearLayer};
use super::lower::LoweredLayer;
use super::structure::Structure;
use super::{QuantizeError, Quantized, calibrate};
use crate::network::{Graph, NodeId, interpreter};
use crate::progress::Progress;
use rayon::prelude::*;
use serde::Serialize;

/// Most pictures that take part.
const PICTURES: usize = 16;

/// What one layer costs: the mean over pictures of 1 − cos between the float embedding and that of the network in which only
/// this layer rounds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerSensitivity {
    /// The layer's name.
    pub name: String,
    /// With its weights rounded.
    pub weights: f64,
    /// With its output rounded and clipped.
    pub activation: f64,
}

impl LayerSensitivity {
    /// Both together, nearly: small errors add up.
    pub fn total(&self) -> f64 {
        self.weights + self.activation
    }

    /// Which of the two is more.
    pub fn cause(&self) -> &'static str {
        if self.weights > self.activation { "weights" } else { "activation" }
    }
}

/// One entry for each layer of the int8 network, in order, from a few of `pictures` (`[n, height, width, 3]` RGB bytes).
///
/// # Errors
/// No picture, an activation that is not finite, an interruption.
pub fn sensitivity(
    quantized: &Quantized,
    pictures: &[u8],
    progress: &dyn Progress,
) -> Result<Vec<LayerSensitivity>, QuantizeError> {
    let picture = quantized.graph.input().len();
    let count = pictures.len() / picture;
    if count == 0 {
        return Err(QuantizeError::NoPictures);
    }
    let sample = count.min(PICTURES);
    let sweep = Sweep {
        float: &quantized.graph,
        int8: FakeQuantized::new(&quantized.corrected, &quantized.lowered),
        structure: Structure::of(&quantized.graph),
    };
    let layers = sweep.layers(quantized);
    progress.start("sensitivity of the layers", sample as u64);
    let costs = (0..sample)
        .into_par_iter()
        .map(|index| {
            let pixels = &pictures[index * count / sample * picture..][..picture];
            let results = calibrate::activations(sweep.float, pixels, progress)?;
            Ok(layers.iter().map(|layer| sweep.costs(*layer, &results)).collect::<Vec<_>>())
        })
        .try_reduce_with(|a: Vec<[f64; 2]>, b| Ok(a.iter().zip(&b).map(|(a, b)| [a[0] + b[0], a[1] + b[1]]).collect()));
    progress.finish();
    let costs = costs.unwrap_or(Err(QuantizeError::NoPictures))?;
    let entry = |(layer, [weights, activation]): (&LoweredLayer, [f64; 2])| LayerSensitivity {
        name: layer.name.clone(),
        weights: weights / sample as f64,
        activation: activation / sample as f64,
    };
    Ok(quantized.lowered.layers.iter().zip(costs).map(entry).collect())
}

struct Sweep<'a> {
    float: &'a Graph,
    int8: FakeQuantized,
    structure: Structure,
}

impl Sweep<'_> {
    /// The node with weights that each layer computes, if there is one, and the node whose values it stores.
    fn layers(&self, quantized: &Quantized) -> Vec<(Option<NodeId>, NodeId)> {
        let weighty = |stored: NodeId| {
            let makes = |layer: &Option<LinearLayer>| layer.as_ref().is_some_and(|layer| layer.stored == stored);
            self.int8.layers.iter().position(makes).map(NodeId)
        };
        quantized.lowered.tensors[1..].iter().map(|tensor| (weighty(tensor.node), tensor.node)).collect()
    }

    /// 1 − cos of the embedding with the layer's weights rounded, and with its output rounded.
    fn costs(&self, (linear, stored): (Option<NodeId>, NodeId), results: &[Vec<f32>]) -> [f64; 2] {
        let float = &results[self.float.embedding.0];
        let weights = linear.map_or(0.0, |id| {
            let own = interpreter::run_node(&self.int8.graph, id, results);
            1.0 - cosine(float, &self.embedding(id, own, results))
        });
        let mut own = results[stored.0].clone();
        self.int8.round(stored, &mut own);
        [weights, 1.0 - cosine(float, &self.embedding(stored, own, results))]
    }

    /// The float network's embedding when the node `id` gives `own`.
    fn embedding(&self, id: NodeId, own: Vec<f32>, results: &[Vec<f32>]) -> Vec<f32> {
        let mut changed = results.to_vec();
        changed[id.0] = own;
        let mut touched = vec![false; changed.len()];
        touched[id.0] = true;
        for next in (id.0 + 1..=self.float.embedding.0).map(NodeId).filter(|next| self.structure.live[next.0]) {
            if self.float.node(next).inputs.iter().any(|input| touched[input.0]) {
                changed[next.0] = interpreter::run_node(self.float, next, &changed);
                touched[next.0] = true;
            }
        }
        changed.swap_remove(self.float.embedding.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{pictures, shallow};
    use super::super::{Settings, quantize};
    use super::*;
    use crate::progress::Silent;

    #[test]
    fn the_layer_that_hurts_is_named_with_its_cause() {
        let pixels = pictures(16, 81);
        let settings = Settings::plain();
        let mut graph = shallow(81);
        let name = "blocks.0.project";
        let costs = |graph: &Graph| {
            let quantized = quantize(graph, &pixels, &settings, &Silent).unwrap();
            let all = sensitivity(&quantized, &pictures(4, 82), &Silent).unwrap();
            assert_eq!(all.len(), quantized.lowered.layers.len());
            assert!(all.iter().zip(&quantized.lowered.layers).all(|(a, b)| a.name == b.name));
            all
        };
        let own = |all: &[LayerSensitivity]| all.iter().find(|layer| layer.name == name).unwrap().clone();
        let outputs = graph.nodes.iter().find(|node| node.name == "blocks.1.expand").unwrap().shape.channels;
        let scale = |graph: &mut Graph, name: &str, values: std::ops::Range<usize>, factor: f32| {
            let parameter = graph.parameters.iter_mut().find(|parameter| parameter.name == name).unwrap();
            parameter.values[values].iter_mut().for_each(|value| *value *= factor);
        };
        // A channel that nobody reads takes the scale of all the others.
        scale(&mut graph, "blocks.1.expand.weight", 0..outputs, 0.0);
        let before = own(&costs(&graph));
        scale(&mut graph, "blocks.0.project.norm.gamma", 0..1, 100.0);
        scale(&mut graph, "blocks.0.project.norm.beta", 0..1, 100.0);
        let all = costs(&graph);
        let worst = all.iter().max_by(|a, b| a.total().total_cmp(&b.total())).unwrap();
        assert_eq!((worst.name.as_str(), worst.cause()), (name, "activation"), "{worst:?}");
        assert!(worst.activation > 3.0 * before.activation, "{before:?} → {worst:?}");
    }
}
