//! Step 4: which layers run together, and where each activation lies in the camera's activation memory.
//!
//! `network` is what the planner sees of a lowered network, `group` what it takes to run one layer or a few of them as a
//! chain, `chains` chooses the groups, `recompute` what is better computed again than kept, `blocks` places what they
//! need.

mod blocks;
mod chains;
mod group;
mod network;
mod recompute;

use deja_shared::model::{Layer, Span, Tensor};

use super::lower::Lowered;
use blocks::{Block, place};
use group::Group;
use network::Network;

/// How a camera runs a network, and where it keeps its activations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Which of the lowered layers each of the camera's layers is, in the order in which they run. One that stands there
    /// again is computed again, so that its result need not be kept meanwhile.
    pub order: Vec<usize>,
    /// Layers that run together, by the camera's numbers.
    pub chains: Vec<Span>,
    /// How many rows the camera keeps of each activation but the raw embedding; 0 for all of them.
    pub rows_kept: Vec<u16>,
    /// Where each of them lies.
    pub offsets: Vec<usize>,
    /// Length of the arena.
    pub bytes: usize,
    /// The most that is needed at any one time: these groups cannot do with less.
    pub lower_bound: usize,
    /// The first layer of the group that needs so much.
    pub peak: usize,
    /// What chains and layers that are computed again cost, in multiply-accumulates that take as long, about.
    pub overhead: u64,
}

impl Plan {
    /// Every layer once and by itself, every activation whole: for those who want to see them.
    pub fn whole(lowered: &Lowered) -> Self {
        let network = Network::new(lowered, (0..lowered.layers.len()).collect());
        Self::of(&network, &chains::apart(&network))
    }

    /// The camera's layers without the places of their constants.
    pub fn layers(&self, lowered: &Lowered) -> Vec<Layer> {
        let mut layers = Network::new(lowered, self.order.clone()).layers;
        for span in &self.chains {
            let first = &mut layers[usize::from(span.first)];
            (first.chain, first.band) = (span.layers, span.band);
        }
        layers
    }

    /// The camera's activations without the raw embedding.
    pub fn activations(&self, lowered: &Lowered) -> Vec<Tensor> {
        let mut activations = Network::new(lowered, self.order.clone()).activations;
        for ((tensor, &rows), &offset) in activations.iter_mut().zip(&self.rows_kept).zip(&self.offsets) {
            // The format's arenas have 32 bits.
            (tensor.rows_kept, tensor.arena_offset) = (rows, offset as u32);
        }
        activations
    }

    fn of(network: &Network, groups: &[Group]) -> Self {
        let count = network.activations.len();
        let (mut rows_kept, mut homes) = (vec![0; count], (0..count).collect::<Vec<usize>>());
        for group in groups {
            group.slabs.iter().for_each(|&(number, rows)| rows_kept[number] = rows);
            // What lies in a place is written before what comes to lie there next.
            group.homes.iter().for_each(|&(output, input)| homes[output] = homes[input]);
        }
        let blocks = blocks(network, groups, &homes);
        let owners: Vec<usize> = (0..count).filter(|&number| homes[number] == number).collect();
        let places = place(&owners.iter().map(|&owner| blocks[owner].clone()).collect::<Vec<_>>());
        let mut offsets = vec![0; count];
        owners.iter().zip(&places.offsets).for_each(|(&owner, &offset)| offsets[owner] = offset);
        Self {
            order: network.order.clone(),
            chains: groups.iter().filter(|group| group.is_chain()).map(|group| group.span).collect(),
            rows_kept,
            offsets: homes.iter().map(|&home| offsets[home]).collect(),
            bytes: places.bytes,
            lower_bound: places.lower_bound,
            peak: groups.iter().max_by_key(|group| group.bytes).map_or(0, |group| group.span.first.into()),
            overhead: network.repeated + groups.iter().map(|group| group.overhead).sum::<u64>(),
        }
    }
}

/// The memory of each activation and during which groups it is needed; that of a place's owner as long as anything in it is.
fn blocks(network: &Network, groups: &[Group], homes: &[usize]) -> Vec<Block> {
    let mut group_of = vec![0; network.layers.len()];
    for (number, group) in groups.iter().enumerate() {
        group.layers().for_each(|layer| group_of[layer] = number);
    }
    let block = |number: usize| {
        let writer = group_of[number.saturating_sub(1)];
        let rows_kept = groups[writer].slabs.iter().find(|slab| slab.0 == number).map_or(0, |slab| slab.1);
        let bytes = Tensor { rows_kept, ..network.activations[number] }.bytes() as usize;
        Block { bytes, steps: writer..group_of[network.last_reader[number]] + 1 }
    };
    let mut blocks: Vec<Block> = (0..homes.len()).map(block).collect();
    for (number, &home) in homes.iter().enumerate() {
        blocks[home].steps.end = blocks[home].steps.end.max(blocks[number].steps.end);
    }
    blocks
}

/// Groups of a lowered network's layers, and places for its activations: within `limit` bytes, at as little cost as that
/// takes; where nothing is within it, in as few bytes as there is a way to. Without a limit, in as few bytes as chains can do
/// that cost no more than a twenty-fifth of the network's multiply-accumulates.
///
/// The last tensor, the raw embedding, does not lie in the arena and has no place.
pub fn plan(lowered: &Lowered, limit: Option<usize>) -> Plan {
    let plan = |order: Vec<usize>| {
        let network = Network::new(lowered, order);
        Plan::of(&network, &chains::choose(&network, limit))
    };
    let whole = Plan::whole(lowered);
    if limit.is_some_and(|limit| whole.bytes <= limit) {
        return whole;
    }
    let once = plan(whole.order.clone());
    match limit {
        Some(limit) if once.bytes > limit => recompute::within(limit, lowered, once, plan),
        _ if once.bytes < whole.bytes => once,
        _ => whole,
    }
}

#[cfg(test)]
mod tests;
