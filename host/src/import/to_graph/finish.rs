//! The finished graph: what the embedding depends on, and nothing else.

use super::layout::Extents;
use super::walker::Walker;
use crate::network::{Graph, Node, NodeId, Operator, Parameter, ParameterId};

impl Walker<'_> {
    /// The graph whose embedding is the array `output`; what that is instead, if it is no vector.
    pub fn finish(mut self, name: String, output: &str) -> Result<Graph, String> {
        let Some(mut value) = self.values.get(output).cloned() else {
            return Err(format!("`{output}`, which does not depend on the picture,"));
        };
        let Extents { shape, .. } = self.extents(value.node);
        if value.part.is_some() || value.padding != [0; 4] || shape.height * shape.width != 1 {
            return Err(format!("a map of {}x{}x{}", shape.height, shape.width, shape.channels));
        }
        if value.direction {
            // Only a factor may have come after the length.
            value.affine = None;
        }
        let embedding = self.settle(value, output).node;
        Ok(live(name, self.nodes, &self.parameters, embedding))
    }
}

/// The nodes that `embedding` depends on, with their parameters.
fn live(name: String, nodes: Vec<Node>, parameters: &[Parameter], embedding: NodeId) -> Graph {
    let mut wanted = vec![false; nodes.len()];
    (wanted[0], wanted[embedding.0]) = (true, true);
    for index in (0..nodes.len()).rev().filter(|index| *index <= embedding.0) {
        if wanted[index] {
            nodes[index].inputs.iter().for_each(|input| wanted[input.0] = true);
        }
    }
    let mut graph = Graph { name, nodes: vec![], parameters: vec![], raw_embedding: embedding, embedding };
    let mut places = vec![NodeId(0); nodes.len()];
    for (index, mut node) in nodes.into_iter().enumerate().filter(|(index, _)| wanted[*index]) {
        node.inputs.iter_mut().for_each(|input| *input = places[input.0]);
        for id in parameters_of(&mut node.operator) {
            graph.parameters.push(parameters[id.0].clone());
            *id = ParameterId(graph.parameters.len() - 1);
        }
        places[index] = NodeId(graph.nodes.len());
        graph.nodes.push(node);
    }
    let embedding = places[embedding.0];
    Graph { raw_embedding: embedding, embedding, ..graph }
}

/// The parameters of the operators that are imported.
fn parameters_of(operator: &mut Operator) -> Vec<&mut ParameterId> {
    match operator {
        Operator::Convolution { weight, bias, .. }
        | Operator::Depthwise { weight, bias, .. }
        | Operator::Pointwise { weight, bias }
        | Operator::FullyConnected { weight, bias } => std::iter::once(weight).chain(bias).collect(),
        Operator::PRelu { slope } => vec![slope],
        Operator::GeneralizedMeanPool { exponent, .. } => vec![exponent],
        _ => vec![],
    }
}
