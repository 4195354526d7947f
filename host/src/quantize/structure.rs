//! Who reads what in a folded graph.

use super::lower::live;
use crate::network::{Graph, NodeId, Operator};

/// The nodes that read each node, among those that the embedding depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Structure {
    /// In the order of the nodes.
    pub live: Vec<bool>,
    /// In the order of the nodes, each in ascending order.
    pub readers: Vec<Vec<NodeId>>,
}

impl Structure {
    /// Of `graph`.
    pub fn of(graph: &Graph) -> Self {
        let live = live(graph);
        let mut readers = vec![vec![]; graph.nodes.len()];
        for (index, node) in graph.nodes.iter().enumerate().filter(|(index, _)| live[*index]) {
            node.inputs.iter().for_each(|input| readers[input.0].push(NodeId(index)));
        }
        Self { live, readers }
    }

    /// The activation function that `id` is joined to, if it has one for its only reader.
    pub fn activation(&self, graph: &Graph, id: NodeId) -> Option<NodeId> {
        match self.readers[id.0][..] {
            [reader] if matches!(graph.node(reader).operator, Operator::Activation(_)) => Some(reader),
            _ => None,
        }
    }

    /// Whether the camera never stores what `id` computes, only what its activation function makes of it.
    pub fn is_joined(&self, graph: &Graph, id: NodeId) -> bool {
        self.activation(graph, id).is_some()
    }
}
