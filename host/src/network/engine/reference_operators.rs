//! The plain twin's operators that are neither linear nor clamps, and their gradients against central differences.

use super::reference::{around, check};
use crate::network::builder::{Builder, Filter};
use crate::network::channel_gate::ChannelGate;
use crate::network::curve::Curve;
use crate::network::{Activation, Graph, Node, NodeId, Operator};

/// The node's values for `n` pictures from those of its inputs.
pub(super) fn run(graph: &Graph, node: &Node, inputs: &[&[f64]], n: usize) -> Vec<f64> {
    let (x, channels) = (inputs[0], node.shape.channels);
    match node.operator {
        Operator::MaxPool { kernel, stride, padding } => windows(graph, node, x, n, (kernel, stride, padding))
            .map(|w| w.into_iter().fold(f64::MIN, f64::max))
            .collect(),
        Operator::AveragePool { kernel, stride } => {
            let mean = |window: Vec<f64>| window.iter().sum::<f64>() / window.len() as f64;
            windows(graph, node, x, n, (kernel, stride, 0)).map(mean).collect()
        }
        Operator::GeneralizedMeanPool { exponent, floor } => {
            let p = f64::from(graph.parameter(exponent).values[0]).max(1.0);
            let pictures = x.chunks_exact(x.len() / n);
            let mean = |picture: &[f64], c: usize| {
                let column = picture[c..].iter().step_by(channels);
                let sum: f64 = column.map(|x| x.max(f64::from(floor)).powf(p)).sum();
                (sum / (picture.len() / channels) as f64).powf(1.0 / p)
            };
            pictures.flat_map(|picture| (0..channels).map(move |c| mean(picture, c))).collect()
        }
        Operator::Sigmoid => x.iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect(),
        Operator::HardSigmoid => x.iter().map(|x| (x / 6.0 + 0.5).clamp(0.0, 1.0)).collect(),
        Operator::HardSwish => x.iter().map(|x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0)).collect(),
        Operator::PRelu { slope } => {
            let slope = |at: usize| f64::from(graph.parameter(slope).values[at % channels]);
            x.iter().enumerate().map(|(at, x)| if *x > 0.0 { *x } else { slope(at) * x }).collect()
        }
        Operator::Concat => {
            let widths = node.inputs.iter().map(|input| graph.node(*input).shape.channels);
            let sources: Vec<_> = inputs.iter().zip(widths).collect();
            let row = |row: usize| sources.iter().flat_map(move |(x, width)| &x[row * width..][..*width]);
            (0..n * node.shape.height * node.shape.width).flat_map(row).copied().collect()
        }
        Operator::Slice { start } => {
            let width = graph.node(node.inputs[0]).shape.channels;
            x.chunks_exact(width).flat_map(|row| &row[start..][..channels]).copied().collect()
        }
        Operator::Flatten => x.to_vec(),
        Operator::ChannelScale => {
            let len = node.shape.len();
            let scaled = |pair: &[&[f64]], at: usize| pair[0][at] * pair[1][at / len * channels + at % channels];
            (0..n * len).map(|at| inputs.chunks_exact(2).map(|pair| scaled(pair, at)).sum()).collect()
        }
        _ => unreachable!("the plain twin has `{}` itself", node.operator.name()),
    }
}

/// What each output value of a pool sees.
fn windows<'a>(
    graph: &Graph,
    node: &'a Node,
    x: &'a [f64],
    n: usize,
    (kernel, stride, padding): (usize, usize, usize),
) -> impl Iterator<Item = Vec<f64>> + 'a {
    let (input, output) = (graph.node(node.inputs[0]).shape, node.shape);
    (0..n * output.len()).map(move |index| {
        let c = index % output.channels;
        let (i, j) = (index / output.channels / output.width % output.height, index / output.channels % output.width);
        let picture = &x[index / output.len() * input.len()..][..input.len()];
        let mut seen = vec![];
        for (u, v) in (0..kernel * kernel).map(|tap| (tap / kernel, tap % kernel)) {
            let (row, column) = (i * stride + u, j * stride + v);
            let inside = row >= padding && column >= padding;
            if inside && row - padding < input.height && column - padding < input.width {
                seen.push(picture[((row - padding) * input.width + column - padding) * input.channels + c]);
            }
        }
        seen
    })
}

#[test]
fn max_pools_of_any_extent_and_step() {
    for (kernel, stride, padding) in [(3, 2, 1), (2, 2, 0), (3, 1, 1)] {
        let filter = Filter { kernel, stride, padding };
        check(around([13, 10], |b, x| b.max_pool("middle", x, filter)), 3, 50);
        let behind_relu = |b: &mut Builder, x: NodeId| {
            let x = b.norm_and_activation("norm", x, Some(Activation::Relu));
            let pooled = b.max_pool("middle", x, filter);
            let wide = b.convolution("wide", x, 5, Filter { kernel, stride, padding });
            b.add("sum", pooled, wide)
        };
        check(around([13, 10], behind_relu), 3, 50);
    }
}

#[test]
fn average_pools_of_any_extent_and_step() {
    for (kernel, stride) in [(2, 2), (3, 1), (3, 3)] {
        let twice = |b: &mut Builder, x: NodeId| {
            let x = b.norm_and_activation("norm", x, Some(Activation::Relu6));
            let pooled = b.average_pool("middle", x, kernel, stride);
            let other = b.max_pool("other", x, Filter { kernel, stride, padding: 0 });
            b.add("sum", pooled, other)
        };
        check(around([13, 14], twice), 3, 50);
    }
}

#[test]
fn generalized_mean_with_its_exponent() {
    for activation in [None, Some(Activation::Relu)] {
        let pool = |b: &mut Builder, x: NodeId| {
            let x = b.norm_and_activation("norm", x, activation);
            let (pooled, mean) = (b.generalized_mean_pool("middle", x), b.global_average_pool("mean", x));
            b.add("sum", pooled, mean)
        };
        check(around([9, 10], pool), 4, 50);
    }
}

#[test]
fn one_gate_weighs_several_maps() {
    let gated = |b: &mut Builder, x: NodeId| {
        let gate = ChannelGate::new(b, "gate", 5, 2);
        let left = b.norm_and_activation("left", x, Some(Activation::Relu));
        let right = b.depthwise("right", left, Filter { kernel: 3, stride: 1, padding: 1 });
        let pairs = [left, right].map(|map| [map, gate.add_to(b, &format!("gate.{}", map.0), map)]);
        let sum = b.channel_scale("scale", &pairs);
        let again = gate.add_to(b, "again", sum);
        let scaled = b.channel_scale("scale2", &[[sum, again]]);
        b.add("sum", scaled, left)
    };
    check(around([9, 10], gated), 4, 50);
}

#[test]
fn curves_and_slopes_behind_a_norm_and_beside_others() {
    for curve in [Curve::Sigmoid, Curve::HardSigmoid, Curve::HardSwish] {
        let curved = |b: &mut Builder, x: NodeId| {
            let x = b.norm_and_activation("norm", x, None);
            let left = b.curve("left", x, curve);
            let right = b.prelu("right", x);
            let right = b.depthwise("deep", right, Filter { kernel: 3, stride: 1, padding: 1 });
            let deeper = b.curve("deeper", right, curve);
            let sum = b.add("sum", left, deeper);
            b.add("sum2", sum, x)
        };
        check(around([9, 10], curved), 4, 50);
    }
}

#[test]
fn concatenated_and_sliced_channels() {
    let branches = |b: &mut Builder, x: NodeId| {
        let left = b.norm_and_activation("left", x, Some(Activation::Relu));
        let right = b.convolution("right", left, 3, Filter { kernel: 3, stride: 1, padding: 1 });
        let all = b.concat("all", &[left, right, left, x]);
        let parts =
            [(0, 7), (4, 7), (11, 7)].map(|(start, channels)| b.slice(&format!("part.{start}"), all, start, channels));
        let sum = b.add("sum", parts[0], parts[1]);
        let sum = b.add("sum2", sum, parts[2]);
        b.concat("again", &[sum, right])
    };
    check(around([9, 10], branches), 4, 50);
}

#[test]
fn a_flattened_map_under_a_matrix() {
    let flattened = |b: &mut Builder, x: NodeId| {
        let x = b.norm_and_activation("norm", x, Some(Activation::Relu6));
        let flat = b.flatten("flat", x);
        let from_flat = b.fully_connected("matrix", flat, 6);
        let mean = b.global_average_pool("mean", x);
        let from_mean = b.fully_connected("other", mean, 6);
        b.add("sum", from_flat, from_mean)
    };
    check(around([7, 9], flattened), 4, 50);
}
