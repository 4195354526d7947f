//! Which layers run together: the chains that need the smallest arena, and of those the ones with the least ado.

use std::collections::HashMap;

use deja_shared::model::{ALIGNMENT, MAX_CHAIN, Span};

use super::group::Group;
use super::network::Network;

/// Without a limit, chains may cost this part of the multiply-accumulates.
const CHEAP: u64 = 25;

/// Groups that cover a network from its first to its last layer, such that none needs more than `limit` bytes, or where
/// that cannot be, more than is unavoidable.
///
/// What a group needs does not depend on the others: activations that pass from one to another are whole. So the least
/// possible limit is found by bisection, and for a limit the best groups by dynamic programming over where they end.
pub(super) fn choose(network: &Network, limit: Option<usize>) -> Vec<Group> {
    let alone: Vec<usize> = (0..network.layers.len()).map(|index| network.bytes_alone(index)).collect();
    let whole = alone.iter().copied().max().unwrap_or(0);
    let mut search = Search { network, alone: &alone, known: HashMap::new() };
    let most = limit.map_or(network.macs() / CHEAP, |_| u64::MAX);
    let mut within = |sixteens: usize| search.cover(sixteens * ALIGNMENT).filter(|groups| overhead(groups) <= most);
    let (mut too_few, mut enough) = (limit.unwrap_or(0) / ALIGNMENT, whole / ALIGNMENT);
    if enough <= too_few {
        return apart(network);
    }
    if let Some(groups) = within(too_few) {
        return groups;
    }
    let mut best = apart(network);
    while enough - too_few > 1 {
        let middle = usize::midpoint(too_few, enough);
        match within(middle) {
            // What was found may need less than was allowed.
            Some(groups) => (enough, best) = (peak(&groups) / ALIGNMENT, groups),
            None => too_few = middle,
        }
    }
    best
}

fn overhead(groups: &[Group]) -> u64 {
    groups.iter().map(|group| group.overhead).sum()
}

/// Every layer by itself.
pub(super) fn apart(network: &Network) -> Vec<Group> {
    (0..network.layers.len()).map(|index| Group::alone(network, index)).collect()
}

/// Bytes of the group that needs most.
fn peak(groups: &[Group]) -> usize {
    groups.iter().map(|group| group.bytes).max().unwrap_or(0)
}

struct Search<'a> {
    network: &'a Network,
    /// What each layer needs by itself.
    alone: &'a [usize],
    /// Chains that were looked at: first layer, layers, band.
    known: HashMap<(u16, u16, u16), Option<Group>>,
}

impl Search<'_> {
    /// The groups within `limit` with the least overhead.
    fn cover(&mut self, limit: usize) -> Option<Vec<Group>> {
        let count = self.alone.len();
        // What it costs to come so far, and the last group of the way.
        let mut best: Vec<Option<(u64, Option<Group>)>> = vec![None; count + 1];
        best[0] = Some((0, None));
        for first in 0..count {
            let Some((cost, _)) = best[first] else { continue };
            let mut offer = |group: Group| {
                let end = first + usize::from(group.span.layers);
                let cost = cost + group.overhead;
                if best[end].as_ref().is_none_or(|(least, _)| cost < *least) {
                    best[end] = Some((cost, Some(group)));
                }
            };
            if self.alone[first] <= limit {
                offer(Group::alone(self.network, first));
            }
            for group in self.chains(first, limit) {
                offer(group);
            }
        }
        let mut groups = vec![];
        let mut end = count;
        while end > 0 {
            let (_, group) = best[end].take()?;
            let group = group?;
            end -= usize::from(group.span.layers);
            groups.push(group);
        }
        groups.reverse();
        Some(groups)
    }

    /// The chains within `limit` that begin with a layer. Layers that can all run by themselves need none.
    fn chains(&mut self, first: usize, limit: usize) -> Vec<Group> {
        let by_rows = |layer: usize| layer + 1 < self.alone.len() && self.network.layers[layer].kind.is_by_rows();
        let most = (first..self.alone.len()).take(MAX_CHAIN).take_while(|&layer| by_rows(layer)).count();
        let least = if first == 0 { 1 } else { 2 };
        let lengths = (least..=most).filter(|&len| self.alone[first..first + len].iter().any(|&bytes| bytes > limit));
        let lengths: Vec<usize> = lengths.collect();
        let chain = |len: usize| {
            let span = Span { first: first as u16, layers: len as u16, band: 1 };
            let group = self.chain(span, limit)?;
            Some(self.highest(group, limit))
        };
        lengths.into_iter().filter_map(chain).collect()
    }

    fn chain(&mut self, span: Span, limit: usize) -> Option<Group> {
        let key = (span.first, span.layers, span.band);
        let network = self.network;
        let known = self.known.entry(key).or_insert_with(|| Group::chain(network, span));
        known.as_ref().filter(|group| group.bytes <= limit).cloned()
    }

    /// The same chain in the highest bands that keep within `limit`.
    fn highest(&mut self, group: Group, limit: usize) -> Group {
        let last = usize::from(group.span.first + group.span.layers);
        let (mut fits, mut too_high) = (1, self.network.activations[last].shape.height + 1);
        let mut best = group;
        while too_high - fits > 1 {
            let band = u16::midpoint(fits, too_high);
            match self.chain(Span { band, ..best.span }, limit) {
                Some(group) => (best, fits) = (group, band),
                None => too_high = band,
            }
        }
        best
    }
}
