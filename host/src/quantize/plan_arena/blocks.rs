//! Where blocks of memory lie that are needed for a while each.

use std::ops::Range;

use deja_shared::model::ALIGNMENT;

/// How often an order is changed that does not reach the bound.
const TRIES: usize = 400;

/// A block of memory that is needed for some steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Bytes.
    pub bytes: usize,
    /// The steps during which it holds something: from the one that writes it to the last that reads it, exclusive end.
    pub steps: Range<usize>,
}

/// Places of blocks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// Where each block starts, in the order of the blocks.
    pub offsets: Vec<usize>,
    /// Length of the arena.
    pub bytes: usize,
    /// The most that is needed in any one step: no plan can be smaller.
    pub lower_bound: usize,
}

/// Places blocks on [`ALIGNMENT`]-byte boundaries so that those needed at the same time do not overlap.
///
/// Greedy (Pisarchyk & Lee 2020, algorithm 3): one after the other, each into the smallest gap that it fits between the
/// blocks already placed whose steps it shares, else behind them. The largest come first, or the earliest, or those with
/// most bytes times steps; where none of these orders reaches the bound, what ends highest is moved forward in the best
/// one, [`TRIES`] times. The smallest arena wins.
pub fn place(blocks: &[Block]) -> Places {
    let by_time: Vec<usize> = (0..blocks.len()).collect();
    let by = |key: fn(&Block) -> usize| {
        let mut order = by_time.clone();
        order.sort_by_key(|&index| std::cmp::Reverse(key(&blocks[index])));
        order
    };
    let orders = [by(|block| block.bytes), by_time.clone(), by(|block| block.bytes * block.steps.len())];
    let placed = orders.map(|order| (place_in(blocks, &order), order));
    let best = placed.into_iter().min_by_key(|(places, _)| places.bytes);
    best.map(|(places, order)| improve(blocks, places, order)).unwrap_or_default()
}

/// Moves the block that ends highest to another place in the order, as long as that is worth it.
fn improve(blocks: &[Block], mut best: Places, mut order: Vec<usize>) -> Places {
    let mut noise = 1_u64;
    let (mut current, mut least) = (best.clone(), best.bytes);
    for _ in 0..TRIES {
        if best.bytes == best.lower_bound {
            break;
        }
        let highest = (0..order.len()).max_by_key(|&at| current.offsets[order[at]] + padded(blocks[order[at]].bytes));
        let Some(from) = highest.filter(|&at| at > 0) else { break };
        // Knuth's generator: the same plan on every computer.
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let to = (noise >> 33) as usize % from;
        let mut other = order.clone();
        let moved = other.remove(from);
        other.insert(to, moved);
        let places = place_in(blocks, &other);
        if places.bytes <= least {
            (least, order, current) = (places.bytes, other, places);
            if least < best.bytes {
                best = current.clone();
            }
        }
    }
    best
}

fn place_in(blocks: &[Block], order: &[usize]) -> Places {
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
    Places { offsets, bytes, lower_bound: lower_bound(blocks) }
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

/// Up to the next boundary.
pub(super) fn padded(bytes: usize) -> usize {
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
            let plan = place(&blocks);
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
        assert_eq!(place(&blocks).bytes, 1280);
    }

    #[test]
    fn a_residual_is_kept_until_it_is_added() {
        let needed = [(160, 0..1), (320, 0..3), (480, 1..3), (320, 2..4), (16, 3..4)];
        let blocks = needed.map(|(bytes, steps)| Block { bytes, steps });
        let plan = place(&blocks);
        assert_eq!((plan.bytes, plan.lower_bound), (1120, 1120));
    }
}
