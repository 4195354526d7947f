//! Step 2: channels of one activation get similar ranges, so that the scale they share suits them all.

use super::fold_batch_norm::weight_and_bias;
use super::structure::Structure;
use super::{QuantizeError, calibrate};
use crate::network::{Activation, Graph, NodeId, Operator};
use crate::progress::Progress;
use rayon::prelude::*;

/// Most pictures that show the ranges.
pub(super) const PICTURES: usize = 64;
/// Least and greatest scale of a channel: what hardly fires in these pictures may fire in others.
const LIMITS: (f32, f32) = (1.0 / 8.0, 8.0);
/// What a channel behind ReLU6 must be able to grow by before it is clipped where it was not before.
const ROOM: f32 = 1.1;
/// Where ReLU6 clips.
const SIX: f32 = 6.0;

/// A layer, and the only other one that reads what it computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pair {
    first: NodeId,
    second: NodeId,
    activation: Option<Activation>,
}

/// Cross-layer equalization (Nagel et al. 2019, §4.1): between two layers with only ReLU, ReLU6, a global average or nothing
/// in between, f(s·x) = s·f(x) for s > 0, so a channel can be divided by s in the first layer's filters and multiplied by s in
/// those of the second. The function of the network stays the same.
///
/// Nagel balances the ranges of both layers' weights. Here weights have a scale for each output channel, so dividing a filter
/// of the first layer costs nothing; what is balanced is the range a of the activation's channels, which share a scale,
/// and the largest share r of the channel in any of the second layer's filters, whose weights share one: s ∝ √(a/r), and s ∝ a
/// before a depthwise layer, each of whose channels has its own scale.
///
/// ReLU6 clips at 6 whatever the channel's scale. A channel that comes near 6 in the pictures keeps its scale; another grows
/// no nearer than that, so that nothing is clipped that was not.
///
/// Returns how many pairs of layers were equalized.
///
/// # Errors
/// An activation that is not finite; an interruption.
pub fn equalize(graph: &mut Graph, pictures: &[u8], progress: &dyn Progress) -> Result<usize, QuantizeError> {
    let pairs = pairs(graph);
    if pairs.is_empty() || pictures.is_empty() {
        return Ok(0);
    }
    let extents = extents(graph, &pairs, pictures, progress)?;
    for (pair, extents) in pairs.iter().zip(extents) {
        apply(graph, *pair, &scales(graph, *pair, &extents));
    }
    Ok(pairs.len())
}

fn pairs(graph: &Graph) -> Vec<Pair> {
    let structure = Structure::of(graph);
    let linear = |id: NodeId| weight_and_bias(&graph.node(id).operator).is_some_and(|(_, bias)| bias.is_some());
    let firsts = (0..graph.nodes.len()).map(NodeId).filter(|&id| structure.live[id.0] && linear(id));
    let pair = |first: NodeId| {
        let (mut at, mut activation) = (first, None);
        loop {
            let [reader] = structure.readers[at.0][..] else { return None };
            match graph.node(reader).operator {
                _ if at == graph.raw_embedding => return None,
                Operator::Activation(kind) if activation.is_none() => activation = Some(kind),
                Operator::GlobalAveragePool => {}
                _ if linear(reader) => return Some(Pair { first, second: reader, activation }),
                _ => return None,
            }
            at = reader;
        }
    };
    firsts.filter_map(pair).collect()
}

/// For each pair the extent of each channel behind its first layer: the greatest value before a ReLU, else the greatest
/// magnitude.
fn extents(
    graph: &Graph,
    pairs: &[Pair],
    pictures: &[u8],
    progress: &dyn Progress,
) -> Result<Vec<Vec<f32>>, QuantizeError> {
    let picture = graph.input().len();
    let count = pictures.len() / picture;
    let sample = count.min(PICTURES);
    progress.start("equalize", sample as u64);
    let zeros = || pairs.iter().map(|pair| vec![0.0f32; graph.node(pair.first).shape.channels]).collect::<Vec<_>>();
    let of_picture = |index: usize| {
        let pixels = &pictures[index * count / sample * picture..][..picture];
        let results = calibrate::activations(graph, pixels, progress)?;
        let mut extents = zeros();
        for (extents, pair) in extents.iter_mut().zip(pairs) {
            for row in results[pair.first.0].chunks_exact(extents.len()) {
                let signed = pair.activation.is_some();
                extents.iter_mut().zip(row).for_each(|(e, &x)| *e = e.max(if signed { x } else { x.abs() }));
            }
        }
        Ok(extents)
    };
    let extents = (0..sample).into_par_iter().map(of_picture).try_reduce(zeros, |mut a, b| {
        a.iter_mut().flatten().zip(b.iter().flatten()).for_each(|(a, b)| *a = a.max(*b));
        Ok(a)
    });
    progress.finish();
    extents
}

/// s of each channel.
fn scales(graph: &Graph, pair: Pair, extents: &[f32]) -> Vec<f32> {
    let cap = if pair.activation == Some(Activation::Relu6) { SIX } else { f32::INFINITY };
    let ranges: Vec<f32> = extents.iter().map(|e| e.min(cap)).collect();
    let range = ranges.iter().copied().fold(0.0, f32::max);
    let shares = shares(graph, pair.second, extents.len());
    let share = shares.iter().copied().fold(0.0, f32::max);
    let depthwise = matches!(graph.node(pair.second).operator, Operator::Depthwise { .. });
    let is_free = |channel: usize| ranges[channel] > 0.0 && shares[channel] > 0.0 && extents[channel] * ROOM < cap;
    let wanted = |channel: usize| {
        let a = ranges[channel] / range;
        if depthwise { a } else { (a * share / shares[channel]).sqrt() }
    };
    // No channel may become larger than the largest is now.
    let free = (0..extents.len()).filter(|&channel| is_free(channel));
    let largest = free.map(|channel| ranges[channel] / wanted(channel)).fold(0.0, f32::max);
    let scale = |channel: usize| {
        if !is_free(channel) {
            return 1.0;
        }
        let least = extents[channel] * ROOM / cap;
        (wanted(channel) * largest / range).clamp(LIMITS.0, LIMITS.1).max(least)
    };
    (0..extents.len()).map(scale).collect()
}

/// The largest share that each input channel's weights have in any filter of the layer: |w| / max |w of the filter|.
fn shares(graph: &Graph, layer: NodeId, inputs: usize) -> Vec<f32> {
    let Some((weight, _)) = weight_and_bias(&graph.node(layer).operator) else { return vec![1.0; inputs] };
    let weights = &graph.parameter(weight).values;
    let outputs = graph.node(layer).shape.channels;
    if matches!(graph.node(layer).operator, Operator::Depthwise { .. }) {
        return vec![1.0; inputs];
    }
    let mut greatest = vec![0.0f32; outputs];
    for row in weights.chunks_exact(outputs) {
        greatest.iter_mut().zip(row).for_each(|(g, w)| *g = g.max(w.abs()));
    }
    let mut shares = vec![0.0f32; inputs];
    for (index, row) in weights.chunks_exact(outputs).enumerate() {
        let share =
            row.iter().zip(&greatest).map(|(w, g)| if *g > 0.0 { w.abs() / g } else { 0.0 }).fold(0.0, f32::max);
        shares[index % inputs] = shares[index % inputs].max(share);
    }
    shares
}

fn apply(graph: &mut Graph, pair: Pair, scales: &[f32]) {
    let parameters = |graph: &Graph, id: NodeId| weight_and_bias(&graph.node(id).operator);
    if let Some((weight, Some(bias))) = parameters(graph, pair.first) {
        for id in [weight, bias] {
            for row in graph.parameters[id.0].values.chunks_exact_mut(scales.len()) {
                row.iter_mut().zip(scales).for_each(|(w, s)| *w /= s);
            }
        }
    }
    if let Some((weight, _)) = parameters(graph, pair.second) {
        let depthwise = matches!(graph.node(pair.second).operator, Operator::Depthwise { .. });
        let outputs = if depthwise { 1 } else { graph.node(pair.second).shape.channels };
        for (index, row) in graph.parameters[weight.0].values.chunks_exact_mut(outputs).enumerate() {
            row.iter_mut().for_each(|w| *w *= scales[index % scales.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{PICTURE, network, pictures, shallow};
    use super::super::fold_batch_norm::fold_batch_norm;
    use super::super::{Settings, compare, quantize};
    use super::*;
    use crate::network::interpreter;
    use crate::progress::Silent;

    /// `shallow` whose expanded channels are a thousand times as unlike as they were, for the same function.
    fn unbalanced(seed: u64) -> Graph {
        let mut graph = fold_batch_norm(&shallow(seed)).unwrap();
        for pair in pairs(&graph) {
            let channels = graph.node(pair.first).shape.channels;
            let scales: Vec<f32> = (0..channels).map(|c| if c % 4 == 0 { 1.0 } else { 40.0 }).collect();
            apply(&mut graph, pair, &scales);
        }
        graph
    }

    fn embeddings(graph: &Graph, pixels: &[u8]) -> Vec<Vec<f32>> {
        let embed = |picture: &[u8]| interpreter::run(graph, picture).swap_remove(graph.embedding.0);
        pixels.chunks_exact(PICTURE).map(embed).collect()
    }

    #[test]
    fn the_function_stays_the_same() {
        let mut graph = fold_batch_norm(&network(61)).unwrap();
        let before = graph.clone();
        let pixels = pictures(12, 61);
        // 17 blocks of which all but the first expand; the stem and the first block's filter; the last layer.
        assert!(equalize(&mut graph, &pixels, &Silent).unwrap() >= 34);
        assert!(graph != before);
        for (a, b) in embeddings(&before, &pixels).iter().zip(embeddings(&graph, &pixels)) {
            let largest = a.iter().fold(0.0f32, |m, v| m.max(v.abs()));
            assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-3 * largest));
        }
    }

    #[test]
    fn no_channel_is_clipped_that_was_not_and_the_range_does_not_grow() {
        let pixels = pictures(12, 62);
        let mut graph = unbalanced(62);
        let pairs = pairs(&graph);
        let before = extents(&graph, &pairs, &pixels, &Silent).unwrap();
        equalize(&mut graph, &pixels, &Silent).unwrap();
        let after = extents(&graph, &pairs, &pixels, &Silent).unwrap();
        for ((before, after), pair) in before.iter().zip(&after).zip(&pairs) {
            let largest = before.iter().copied().fold(0.0, f32::max);
            for (before, after) in before.iter().zip(after) {
                assert!(*after <= largest * 1.001 || *after <= before * 1.001, "{before} → {after} of {largest}");
                assert!(*before >= SIX || *after < SIX || pair.activation != Some(Activation::Relu6));
            }
        }
    }

    #[test]
    fn unlike_channels_lose_less_when_equalized() {
        let (graph, pixels) = (unbalanced(63), pictures(16, 63));
        let cosine = |equalize| {
            let settings = Settings { equalize, ..Settings::plain() };
            let quantized = quantize(&graph, &pixels, &settings, &Silent).unwrap();
            compare(&quantized, &pictures(8, 64), &Silent).unwrap().mean_cosine
        };
        let (plain, equalized) = (cosine(false), cosine(true));
        assert!(1.0 - equalized < 0.5 * (1.0 - plain), "{plain} → {equalized}");
    }

    #[test]
    fn dead_channels_keep_their_scale() {
        let mut graph = fold_batch_norm(&shallow(65)).unwrap();
        let pair = pairs(&graph)[1];
        let Some((weight, Some(bias))) = weight_and_bias(&graph.node(pair.first).operator) else { panic!() };
        graph.parameters[weight.0].values.fill(0.0);
        graph.parameters[bias.0].values.fill(-1.0);
        let extents = extents(&graph, &[pair], &pictures(2, 65), &Silent).unwrap();
        assert!(scales(&graph, pair, &extents[0]).iter().all(|&scale| scale == 1.0));
    }
}
