//! Which nodes of a graph are computed together by one layer.

use crate::network::{Graph, Node, NodeId, Operator};

/// How a sum of a pointwise layer and something else is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Residual {
    /// By two layers, each of the simplest kind.
    Apart,
    /// By one that adds in place: what the pointwise layer computes needs no memory, and is rounded once.
    Joined,
}

/// Who reads a node, and whose layer computes it.
#[derive(Debug)]
pub(super) struct Joined {
    live: Vec<bool>,
    readers: Vec<Vec<NodeId>>,
    layer_of: Vec<Option<NodeId>>,
}

impl Joined {
    pub fn new(graph: &Graph, residual: Residual) -> Self {
        let live = live(graph);
        let mut readers = vec![vec![]; graph.nodes.len()];
        for (index, node) in graph.nodes.iter().enumerate().filter(|(index, _)| live[*index]) {
            node.inputs.iter().for_each(|input| readers[input.0].push(NodeId(index)));
        }
        let mut joined = Self { live, readers, layer_of: vec![None; graph.nodes.len()] };
        for index in 0..graph.nodes.len() {
            joined.join(graph, NodeId(index), residual);
        }
        joined
    }

    /// Whether the embedding depends on a node.
    pub fn is_live(&self, id: NodeId) -> bool {
        self.live[id.0]
    }

    /// The live nodes that read a node, in order.
    pub fn readers(&self, id: NodeId) -> &[NodeId] {
        &self.readers[id.0]
    }

    /// The other node whose layer computes this one too.
    pub fn layer_of(&self, id: NodeId) -> Option<NodeId> {
        self.layer_of[id.0]
    }

    fn join(&mut self, graph: &Graph, id: NodeId, residual: Residual) {
        let node = graph.node(id);
        match node.operator {
            _ if !self.live[id.0] => {}
            Operator::Add => {
                let joins = |input: &&NodeId| match graph.node(**input).operator {
                    Operator::ChannelScale => graph.node(**input).inputs.len() == 2,
                    Operator::Pointwise { .. } => residual == Residual::Joined,
                    _ => false,
                };
                // The later one: what it is added to exists by then.
                let term = node.inputs.iter().filter(|input| self.readers[input.0] == [id]).filter(joins).max();
                if let Some(term) = term {
                    self.layer_of[term.0] = Some(id);
                }
            }
            Operator::Concat if is_grouped(graph, node, |part| self.readers[part.0].len()) => {
                for &part in &node.inputs {
                    self.layer_of[part.0] = Some(id);
                    self.layer_of[graph.node(part).inputs[0].0] = Some(id);
                }
            }
            _ => {}
        }
    }
}

/// Whether a concatenation is a convolution in groups: all its parts are convolutions alike (or pointwise), of slices of
/// one node that follow one another over all its channels, and nobody else reads these or the slices.
pub(in crate::quantize) fn is_grouped(graph: &Graph, concat: &Node, readers: impl Fn(NodeId) -> usize) -> bool {
    let group = |part: NodeId| {
        let slice = *graph.node(part).inputs.first()?;
        let Operator::Slice { start } = graph.node(slice).operator else { return None };
        let [channels, outputs] = [slice, part].map(|id| graph.node(id).shape.channels);
        let (window, source) = (window(&graph.node(part).operator)?, graph.node(slice).inputs[0]);
        (readers(part) == 1 && readers(slice) == 1).then_some(Group { window, source, start, channels, outputs })
    };
    let Some(groups) = concat.inputs.iter().map(|&part| group(part)).collect::<Option<Vec<_>>>() else { return false };
    let Some(&first) = groups.first() else { return false };
    let alike = |(k, group): (usize, &Group)| *group == Group { start: k * first.channels, ..first };
    let covered = groups.len() * first.channels == graph.node(first.source).shape.channels;
    covered && groups.iter().enumerate().all(alike)
}

/// A convolution of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Group {
    window: (usize, usize, usize),
    source: NodeId,
    start: usize,
    channels: usize,
    outputs: usize,
}

/// Kernel, stride and padding of what may be a group.
pub(super) fn window(operator: &Operator) -> Option<(usize, usize, usize)> {
    match *operator {
        Operator::Convolution { kernel, stride, padding, .. } => Some((kernel, stride, padding)),
        Operator::Pointwise { .. } => Some((1, 1, 0)),
        _ => None,
    }
}

/// Which nodes the embedding depends on.
pub(in crate::quantize) fn live(graph: &Graph) -> Vec<bool> {
    let mut live = vec![false; graph.nodes.len()];
    live[graph.embedding.0] = true;
    for index in (0..=graph.embedding.0).rev() {
        if live[index] {
            graph.nodes[index].inputs.iter().for_each(|input| live[input.0] = true);
        }
    }
    live
}
