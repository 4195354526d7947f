//! Results that are computed again for each of their readers, so that they need not be kept in between.

use deja_shared::model::{LayerKind, MAX_LAYERS};

use super::Plan;
use super::network::Network;
use crate::quantize::lower::Lowered;

/// Computes again what stands where a plan needs most, as long as that brings it nearer to `limit`; then takes back what
/// is not needed for that. `plan` makes the plan of an order.
pub(super) fn within(limit: usize, lowered: &Lowered, once: Plan, plan: impl Fn(Vec<usize>) -> Plan) -> Plan {
    let mut best = once;
    while best.bytes > limit {
        let network = Network::new(lowered, best.order.clone());
        let tries = candidates(&network, best.peak).map(|number| copied(&network, number));
        let tries = tries.filter(|order| order.len() <= MAX_LAYERS).map(&plan);
        match tries.min_by_key(|plan| (plan.bytes, plan.overhead)) {
            Some(better) if better.bytes < best.bytes => best = better,
            _ => break,
        }
    }
    let most = best.bytes.max(limit);
    let mut at = 0;
    while at < best.order.len() {
        let mut fewer = best.order.clone();
        let source = fewer.remove(at);
        if best.order[..at].contains(&source) {
            let fewer = plan(fewer);
            if fewer.bytes <= most && fewer.overhead < best.overhead {
                best = fewer;
                continue;
            }
        }
        at += 1;
    }
    best
}

/// What is there while a layer runs, has several readers, and can be computed again from something that is there as long.
fn candidates(network: &Network, layer: usize) -> impl Iterator<Item = usize> {
    network.live(layer).filter(|&number| {
        let Some(writer) = number.checked_sub(1).map(|index| &network.layers[index]) else { return false };
        let lives = network.last_reader[usize::from(writer.input)] >= network.last_reader[number];
        writer.kind == LayerKind::Pointwise && lives && network.readers(number).count() > 1
    })
}

/// The order with the layer that writes an activation again in front of each reader but the first.
fn copied(network: &Network, number: usize) -> Vec<usize> {
    let again: Vec<usize> = network.readers(number).skip(1).collect();
    let source = network.order[number - 1];
    let steps = network.order.iter().enumerate();
    steps.flat_map(|(index, &layer)| again.contains(&index).then_some(source).into_iter().chain([layer])).collect()
}
