//! In which order the nodes of a graph run, so that little memory is needed at once.

use super::QuantizeError;
use super::calibrate::Range;
use super::lower::{Lowered, Residual, Wide, candidates, lower_wide, lower_widths, lower_with};
use super::plan_arena::{Plan, plan};
use crate::network::{Graph, NodeId};

/// A graph in the order in which its layers run, its layers and their places.
#[derive(Debug, Clone)]
pub struct Placed {
    /// The same network with its nodes in another order.
    pub graph: Graph,
    /// The bounds of its nodes, in that order.
    pub ranges: Vec<Range>,
    /// How its residual layers are computed.
    pub residual: Residual,
    /// Which of its layers write 16 bits.
    pub wide: Wide,
    /// Its layers.
    pub lowered: Lowered,
    /// How a camera runs it, and where its activations lie.
    pub plan: Plan,
    /// Bytes of activation memory that it was to keep within.
    pub arena_limit: Option<usize>,
}

impl Placed {
    /// The layers of the same network with other weights and biases; they fit into the same places.
    ///
    /// # Errors
    /// As [`lower_with`].
    pub fn lower_again(&self, graph: &Graph) -> Result<Lowered, QuantizeError> {
        lower_widths(graph, &self.ranges, self.residual, &self.wide)
    }

    /// The same network, in the same order, with the results of these layers in 16 bits; `bounds` are the least and the greatest
    /// value of each node.
    ///
    /// # Errors
    /// [`QuantizeError::NotWide`] for a layer whose result cannot have 16 bits; as [`lower_with`].
    pub fn widened(&self, names: &[String], bounds: &[Range]) -> Result<Self, QuantizeError> {
        let mut ranges = self.ranges.clone();
        for name in names {
            let tensor = self.candidates().find(|(layer, _)| layer == name).map(|(_, tensor)| tensor);
            let Some(node) = tensor.map(|tensor| self.lowered.tensors[tensor].node.0) else {
                let candidates = self.candidates().map(|(layer, _)| layer).collect::<Vec<_>>().join(", ");
                return Err(QuantizeError::NotWide { layer: name.clone(), candidates });
            };
            // Nothing needs to be clipped.
            ranges[node] = bounds[node];
        }
        let (lowered, wide) = lower_wide(&self.graph, &ranges, self.residual, names)?;
        let plan = plan(&lowered, self.arena_limit);
        Ok(Self { ranges, wide, lowered, plan, ..self.clone() })
    }

    /// What is to be small: bytes above the limit, what the plan costs, bytes.
    fn cost(&self) -> (usize, u64, usize) {
        let Plan { bytes, overhead, .. } = self.plan;
        match self.arena_limit {
            Some(limit) => (bytes.saturating_sub(limit), overhead, bytes),
            None => (bytes, overhead, 0),
        }
    }

    /// Whether its activations keep within the limit, where there is one.
    ///
    /// # Errors
    /// [`QuantizeError::Arena`].
    pub fn keeps_limit(&self) -> Result<(), QuantizeError> {
        match self.arena_limit.filter(|&limit| self.plan.bytes > limit) {
            Some(limit) => {
                Err(QuantizeError::Arena { network: self.graph.name.clone(), needed: self.plan.bytes, limit })
            }
            None => Ok(()),
        }
    }

    /// The layers whose results can have 16 bits, and the tensors that they write.
    pub fn candidates(&self) -> impl Iterator<Item = (&str, usize)> {
        let layers = self.lowered.layers.iter().zip(candidates(&self.lowered)).enumerate();
        layers.filter(|(_, (_, can))| *can).map(|(index, (layer, _))| (layer.name.as_str(), index + 1))
    }
}

/// Lowers `graph` with its nodes as they stand, depth first, and depth first from the last input on, with residual
/// layers apart and joined, and keeps what needs the smallest arena, or of those within `limit` costs least;
/// of several, what comes first in this list. See [`plan`].
///
/// # Errors
/// As [`lower_with`].
pub fn lower_smallest(graph: Graph, ranges: &[Range], limit: Option<usize>) -> Result<Placed, QuantizeError> {
    let orders = [(0..graph.nodes.len()).map(NodeId).collect(), depth_first(&graph, false), depth_first(&graph, true)];
    let mut best = place(&graph, ranges, &orders[0], Residual::Apart, limit)?;
    for residual in [Residual::Apart, Residual::Joined] {
        for order in &orders {
            let placed = place(&graph, ranges, order, residual, limit)?;
            if placed.cost() < best.cost() {
                best = placed;
            }
        }
    }
    Ok(best)
}

fn place(
    graph: &Graph,
    ranges: &[Range],
    order: &[NodeId],
    residual: Residual,
    limit: Option<usize>,
) -> Result<Placed, QuantizeError> {
    let (graph, ranges) = (reorder(graph, order), order.iter().map(|id| ranges[id.0]).collect::<Vec<_>>());
    let lowered = lower_with(&graph, &ranges, residual)?;
    let plan = plan(&lowered, limit);
    Ok(Placed { graph, ranges, residual, wide: Wide::new(), lowered, plan, arena_limit: limit })
}

/// The nodes, each behind everything that it needs and as late as that allows: what a branch computes is used before
/// the next branch begins. What the embedding does not need stands at the end.
fn depth_first(graph: &Graph, from_the_last: bool) -> Vec<NodeId> {
    let mut order = vec![];
    let mut done = vec![false; graph.nodes.len()];
    // The picture first; whatever is never reached, as it stood.
    let targets = [NodeId(0), graph.embedding].into_iter().chain((0..graph.nodes.len()).map(NodeId));
    for target in targets {
        let mut waiting = vec![target];
        while let Some(&id) = waiting.last() {
            let next = |input: &&NodeId| !done[input.0];
            let inputs = &graph.node(id).inputs;
            let next = if from_the_last { inputs.iter().rfind(next) } else { inputs.iter().find(next) };
            match next {
                Some(&input) if !done[id.0] => waiting.push(input),
                _ => {
                    waiting.pop();
                    if !done[id.0] {
                        done[id.0] = true;
                        order.push(id);
                    }
                }
            }
        }
    }
    order
}

/// The same network with its nodes in `order`, which names each once and behind its inputs.
fn reorder(graph: &Graph, order: &[NodeId]) -> Graph {
    let mut new_id = vec![NodeId(0); graph.nodes.len()];
    order.iter().enumerate().for_each(|(index, id)| new_id[id.0] = NodeId(index));
    let node = |id: &NodeId| {
        let mut node = graph.node(*id).clone();
        node.inputs.iter_mut().for_each(|input| *input = new_id[input.0]);
        node
    };
    Graph {
        name: graph.name.clone(),
        nodes: order.iter().map(node).collect(),
        parameters: graph.parameters.clone(),
        raw_embedding: new_id[graph.raw_embedding.0],
        embedding: new_id[graph.embedding.0],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::by_name;
    use crate::network::interpreter;
    use crate::quantize::fixtures::{INPUT, pictures};
    use crate::quantize::fold_batch_norm::fold_batch_norm;

    #[test]
    fn every_order_computes_the_same() {
        let graph = fold_batch_norm(&by_name("osnet_x0.25", INPUT, 16, 3).unwrap()).unwrap();
        let picture = pictures(1, 2);
        let expected = &interpreter::run(&graph, &picture)[graph.embedding.0];
        for from_the_last in [false, true] {
            let order = depth_first(&graph, from_the_last);
            let other = reorder(&graph, &order);
            for (index, node) in other.nodes.iter().enumerate() {
                assert!(node.inputs.iter().all(|input| input.0 < index), "`{}` stands before its input", node.name);
            }
            assert_eq!(&interpreter::run(&other, &picture)[other.embedding.0], expected);
        }
    }
}
