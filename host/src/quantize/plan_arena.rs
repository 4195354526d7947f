//! Step 4: where each activation lies in the camera's activation memory.

use std::ops::Range;

use deja_shared::model::ALIGNMENT;

use super::lower::{Lowered, LoweredTensor};

/// A block of memory that is needed for some steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Bytes.
    pub bytes: usize,
    /// The steps during which it holds something: from the layer that writes it to the last that reads it, exclusive end.
    pub steps: Range<usize>,
}

/// Places in the arena.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Where each block starts, in the order of the blocks.
    pub offsets: Vec<usize>,
    /// Length of the arena.
    pub bytes: usize,
    /// The most that is needed in any one step: no plan can be smaller.
    pub lower_bound: usize,
}

/// Places the activations of a lowered network; a result that may take its input's place does.
///
/// The last tensor, the raw embedding, does not lie in the arena and has no place.
pub fn place_activations(lowered: &Lowered) -> Plan {
    let mut blocks = liveness(lowered);
    let homes = homes(lowered, &blocks);
    // A home is needed as long as what lies in it last.
    for (tensor, &home) in homes.iter().enumerate() {
        let end = blocks[tensor].steps.end;
        blocks[home].steps.end = blocks[home].steps.end.max(end);
    }
    let is_home = |&tensor: &usize| homes[tensor] == tensor;
    let owners: Vec<usize> = (0..homes.len()).filter(is_home).collect();
    let plan = plan_arena(&owners.iter().map(|&owner| blocks[owner].clone()).collect::<Vec<_>>());
    let mut offsets = vec![0; homes.len()];
    owners.iter().zip(&plan.offsets).for_each(|(&owner, &offset)| offsets[owner] = offset);
    Plan { offsets: homes.iter().map(|&home| offsets[home]).collect(), ..plan }
}

/// When each activation of a lowered network is needed: layer `i` (step `i`) reads its inputs and writes tensor `i + 1`.
/// The picture is there from the start.
pub fn liveness(lowered: &Lowered) -> Vec<Block> {
    let block = |(index, tensor): (usize, &LoweredTensor)| Block {
        bytes: tensor.bytes(),
        steps: index.saturating_sub(1)..index.max(1),
    };
    let mut blocks: Vec<Block> = lowered.tensors.iter().take(lowered.layers.len()).enumerate().map(block).collect();
    for (step, layer) in lowered.layers.iter().enumerate() {
        for input in layer.layer.inputs() {
            let end = &mut blocks[usize::from(input)].steps.end;
            *end = (*end).max(step + 1);
        }
    }
    blocks
}

/// The tensor in whose place each one lies: its own, or that of a layer's first input which nobody needs afterwards.
fn homes(lowered: &Lowered, blocks: &[Block]) -> Vec<usize> {
    let mut homes: Vec<usize> = (0..blocks.len()).collect();
    for (step, layer) in lowered.layers.iter().enumerate() {
        let (layer, input) = (layer.layer, usize::from(layer.layer.input));
        let once = layer.inputs().filter(|&number| number == layer.input).count() == 1;
        let width = |tensor: usize| lowered.tensors[tensor].quantization.width;
        if layer.kind.is_in_place() && once && width(input) == width(step + 1) && blocks[input].steps.end == step + 1 {
            homes[step + 1] = homes[input];
        }
    }
    homes
}

/// Places blocks on [`ALIGNMENT`]-byte boundaries so that those needed at the same time do not overlap.
///
/// Greedy by size (Pisarchyk & Lee 2020, algorithm 3): the largest first, each into the smallest gap that it fits
/// between the blocks already placed whose steps it shares, else behind them. The same in order of time is tried too,
/// and the smaller plan wins.
pub fn plan_arena(blocks: &[Block]) -> Plan {
    let mut by_size: Vec<usize> = (0..blocks.len()).collect();
    let by_time = by_size.clone();
    by_size.sort_by_key(|&index| std::cmp::Reverse(blocks[index].bytes));
    let [by_size, by_time] = [by_size, by_time].map(|order| place(blocks, &order));
    if by_time.bytes < by_size.bytes { by_time } else { by_size }
}

fn place(blocks: &[Block], order: &[usize]) -> Plan {
    let mut offsets = vec![0; blocks.len()];
    for (done, &index) in order.iter().enumerate() {
        let conflicts = order[..done].iter().filter(|&&other| share_a_step(&blocks[index], &blocks[other]));
        let mut taken: Vec<_> =
            conflicts.map(|&other| offsets[other]..offsets[other] + padded(blocks[other].bytes)).collect();
        taken.sort_by_key(|range| range.start);
        offsets[index] = best_gap(&taken, padded(blocks[index].bytes));
    }
    let end = |(offset, block): (&usize, &Block)| offset + padded(block.bytes);
    let bytes = offsets.iter().zip(blocks).map(end).max().unwrap_or(0);
    Plan { offsets, bytes, lower_bound: lower_bound(blocks) }
}

/// Where `bytes` fit with the least room to spare, between ranges sorted by their starts.
fn best_gap(taken: &[Range<usize>], bytes: usize) -> usize {
    let mut end = 0;
    let mut best: Option<(usize, usize)> = None;
    for range in taken {
        let gap = range.start.saturating_sub(end);
        if gap >= bytes && best.is_none_or(|(least, _)| gap < least) {
            best = Some((gap, end));
        }
        end = end.max(range.end);
    }
    best.map_or(end, |(_, start)| start)
}

fn lower_bound(blocks: &[Block]) -> usize {
    let steps = blocks.iter().map(|block| block.steps.end).max().unwrap_or(0);
    let needed = |step| blocks.iter().filter(|b| b.steps.contains(&step)).map(|b| padded(b.bytes)).sum();
    (0..steps).map(needed).max().unwrap_or(0)
}

fn share_a_step(a: &Block, b: &Block) -> bool {
    a.steps.start < b.steps.end && b.steps.start < a.steps.end
}

fn padded(bytes: usize) -> usize {
    bytes.next_multiple_of(ALIGNMENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn blocks() -> impl Strategy<Value = Vec<Block>> {
        let block = (1..5000usize, 0..30usize, 1..8usize)
            .prop_map(|(bytes, start, steps)| Block { bytes, steps: start..start + steps });
        proptest::collection::vec(block, 1..40)
    }

    proptest! {
        #[test]
        fn blocks_needed_together_do_not_overlap(blocks in blocks()) {
            let plan = plan_arena(&blocks);
            for (i, a) in blocks.iter().enumerate() {
                prop_assert!(plan.offsets[i].is_multiple_of(ALIGNMENT));
                prop_assert!(plan.offsets[i] + a.bytes <= plan.bytes);
                for (j, b) in blocks.iter().enumerate().skip(i + 1) {
                    let together = a.steps.clone().any(|step| b.steps.contains(&step));
                    let (x, y) = (plan.offsets[i], plan.offsets[j]);
                    prop_assert!(!together || x + a.bytes <= y || y + b.bytes <= x, "{i} and {j} overlap");
                }
            }
            prop_assert!(plan.bytes <= blocks.iter().map(|block| padded(block.bytes)).sum());
            prop_assert!(plan.bytes >= plan.lower_bound);
        }
    }

    #[test]
    fn a_chain_of_equal_blocks_needs_two_of_them() {
        let blocks: Vec<Block> = (0..50).map(|step| Block { bytes: 640, steps: step..step + 2 }).collect();
        assert_eq!(plan_arena(&blocks).bytes, 1280);
    }

    #[test]
    fn a_residual_is_kept_until_it_is_added() {
        let needed = [(160, 0..1), (320, 0..3), (480, 1..3), (320, 2..4), (16, 3..4)];
        let blocks = needed.map(|(bytes, steps)| Block { bytes, steps });
        let plan = plan_arena(&blocks);
        assert_eq!((plan.bytes, plan.lower_bound), (1120, 1120));
    }
}
