//! The engine's plain twin for tests: a graph in training mode, node by node in f64, differentiated numerically.

use super::{Engine, Gradients, reference_operators};
use crate::compute::Kernels;
use crate::network::builder::{Builder, Filter};
use crate::network::interpreter::pixel_value;
use crate::network::{Activation, Graph, Node, NodeId, Operator, Parameter, ParameterId, Role, by_name};

/// All nodes' values for all pictures, batch norms with batch statistics.
pub(in crate::network) fn run(graph: &Graph, pixels: &[u8], n: usize) -> Vec<Vec<f64>> {
    let mut results: Vec<Vec<f64>> = Vec::new();
    for node in &graph.nodes {
        let input = |index: usize| &results[node.inputs[index].0];
        let channels = node.shape.channels;
        let result = match node.operator {
            Operator::Input => pixels.iter().map(|pixel| f64::from(pixel_value(*pixel))).collect(),
            Operator::Convolution { kernel, stride, padding, weight, bias } => {
                convolve(graph, node, input(0), n, (kernel, stride, padding, weight, bias, false))
            }
            Operator::Depthwise { kernel, stride, padding, weight, bias } => {
                convolve(graph, node, input(0), n, (kernel, stride, padding, weight, bias, true))
            }
            Operator::Pointwise { weight, bias } | Operator::FullyConnected { weight, bias } => {
                convolve(graph, node, input(0), n, (1, 1, 0, weight, bias, false))
            }
            Operator::BatchNorm { gamma, beta, epsilon, .. } => {
                normalize(input(0), graph.parameter(gamma), graph.parameter(beta), f64::from(epsilon))
            }
            Operator::Activation(Activation::Relu) => input(0).iter().map(|x| x.max(0.0)).collect(),
            Operator::Activation(Activation::Relu6) => input(0).iter().map(|x| x.clamp(0.0, 6.0)).collect(),
            Operator::Add => input(0).iter().zip(input(1)).map(|(a, b)| a + b).collect(),
            Operator::GlobalAveragePool => {
                let positions = input(0).len() / n / channels;
                let mut mean = vec![0.0; n * channels];
                for (index, x) in input(0).iter().enumerate() {
                    mean[index / (positions * channels) * channels + index % channels] += x / positions as f64;
                }
                mean
            }
            _ => {
                let inputs: Vec<&[f64]> = (0..node.inputs.len()).map(|index| input(index).as_slice()).collect();
                reference_operators::run(graph, node, &inputs, n)
            }
        };
        results.push(result);
    }
    results
}

type Convolution = (usize, usize, usize, ParameterId, Option<ParameterId>, bool);

fn convolve(graph: &Graph, node: &Node, x: &[f64], n: usize, convolution: Convolution) -> Vec<f64> {
    let (kernel, stride, padding, weight, bias, depthwise) = convolution;
    let (input, output) = (graph.node(node.inputs[0]).shape, node.shape);
    let weight = &graph.parameter(weight).values;
    let mut y = Vec::with_capacity(n * output.len());
    for index in 0..n * output.len() {
        let o = index % output.channels;
        let j = index / output.channels % output.width;
        let i = index / output.channels / output.width % output.height;
        let picture = &x[index / output.len() * input.len()..][..input.len()];
        let mut sum = bias.map_or(0.0, |bias| f64::from(graph.parameter(bias).values[o]));
        for (u, v) in (0..kernel * kernel).map(|tap| (tap / kernel, tap % kernel)) {
            let (row, column) = (i * stride + u, j * stride + v);
            if row < padding || column < padding || row - padding >= input.height || column - padding >= input.width {
                continue;
            }
            let at = ((row - padding) * input.width + column - padding) * input.channels;
            let tap = u * kernel + v;
            if depthwise {
                sum += picture[at + o] * f64::from(weight[tap * input.channels + o]);
            } else {
                for c in 0..input.channels {
                    sum += picture[at + c] * f64::from(weight[(tap * input.channels + c) * output.channels + o]);
                }
            }
        }
        y.push(sum);
    }
    y
}

fn normalize(x: &[f64], gamma: &Parameter, beta: &Parameter, epsilon: f64) -> Vec<f64> {
    let channels = gamma.values.len();
    let count = (x.len() / channels) as f64;
    let mut y = x.to_vec();
    for c in 0..channels {
        let mean = x[c..].iter().step_by(channels).sum::<f64>() / count;
        let variance = x[c..].iter().step_by(channels).map(|x| (x - mean) * (x - mean)).sum::<f64>() / count;
        for y in y[c..].iter_mut().step_by(channels) {
            *y = (*y - mean) / (variance + epsilon).sqrt() * f64::from(gamma.values[c]) + f64::from(beta.values[c]);
        }
    }
    y
}

/// Reproducible numbers in −1..1.
fn noise(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as f32 / u32::MAX as f32 * 2.0 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

fn pictures(graph: &Graph, n: usize) -> Vec<u8> {
    noise(n * graph.input().len(), 77).iter().map(|value| (value * 127.0 + 128.0) as u8).collect()
}

/// Σ d_raw·raw + Σ d_embedding·embedding
fn loss(graph: &Graph, pixels: &[u8], n: usize, seeds: &[Vec<f32>; 2]) -> f64 {
    let results = run(graph, pixels, n);
    let dot = |id: NodeId, seed: &[f32]| -> f64 {
        results[id.0].iter().zip(seed).map(|(value, seed)| value * f64::from(*seed)).sum()
    };
    dot(graph.raw_embedding, &seeds[0]) + dot(graph.embedding, &seeds[1])
}

/// Compares the engine's outputs and gradients with the f64 twin's, for every kernel table and several team sizes.
///
/// Each parameter is moved along a random direction and the central difference compared with the directional
/// derivative; parameters of up to `single` values are also moved one value at a time.
pub(super) fn check(mut graph: Graph, n: usize, single: usize) {
    for (index, parameter) in graph.parameters.iter_mut().enumerate().filter(|(_, p)| p.role == Role::Affine) {
        let noise = noise(parameter.values.len(), index as u32);
        parameter.values.iter_mut().zip(noise).for_each(|(value, noise)| *value += 0.3 * noise);
    }
    let pixels = pictures(&graph, n);
    let seeds = [noise(n * graph.dimension(), 5), noise(n * graph.dimension(), 6)];
    let results = run(&graph, &pixels, n);
    let differences = numeric_gradients(&graph, &pixels, n, &seeds, single);
    for kernels in Kernels::available() {
        for threads in [1, 3] {
            let mut engine = Engine::with_kernels(kernels, &graph, n + 1, threads);
            let outputs = engine.forward(&mut graph.clone(), &pixels, n);
            for (id, values) in [(graph.raw_embedding, outputs.raw), (graph.embedding, outputs.embedding)] {
                for (got, want) in values.iter().zip(&results[id.0]) {
                    assert!((f64::from(*got) - want).abs() < 2e-3 * want.abs().max(1.0), "{got} instead of {want}");
                }
            }
            let mut gradients = Gradients::zeros(&graph);
            engine.backward(&graph, &seeds[0], &seeds[1], &mut gradients);
            compare(&graph, &gradients, &differences, kernels.name);
        }
    }
}

/// A parameter, the direction it was moved in, and the loss's central difference.
pub(in crate::network) type Difference = (usize, Vec<f32>, f64);

pub(in crate::network) fn numeric_gradients(
    graph: &Graph,
    pixels: &[u8],
    n: usize,
    seeds: &[Vec<f32>; 2],
    single: usize,
) -> Vec<Difference> {
    let mut differences = Vec::new();
    for (index, parameter) in graph.parameters.iter().enumerate().filter(|(_, p)| p.role != Role::Statistic) {
        let len = parameter.values.len();
        let mut directions = vec![noise(len, 1000 + index as u32)];
        if len <= single {
            directions.extend((0..len).map(|at| (0..len).map(|other| f32::from(u8::from(other == at))).collect()));
        }
        for direction in directions {
            // Small, because many activations change side within a larger step.
            let step = 2.0_f32.powi(-21);
            let moved = |sign: f32| -> Vec<f32> {
                parameter.values.iter().zip(&direction).map(|(value, d)| value + sign * step * d).collect()
            };
            let [up, down] = [moved(1.0), moved(-1.0)];
            // What rounding left of the direction.
            let direction = up.iter().zip(&down).map(|(up, down)| (up - down) / (2.0 * step)).collect();
            let [up, down] = [up, down].map(|values| {
                let mut graph = graph.clone();
                graph.parameters[index].values = values;
                loss(&graph, pixels, n, seeds)
            });
            let difference = (up - down) / f64::from(2.0 * step);
            differences.push((index, direction, difference));
        }
    }
    differences
}

fn compare(graph: &Graph, gradients: &Gradients, differences: &[Difference], kernels: &str) {
    for (index, direction, difference) in differences {
        let gradient = &gradients.values[*index];
        let along: f64 = gradient.iter().zip(direction).map(|(g, d)| f64::from(g * d)).sum();
        let size = gradient.iter().map(|g| f64::from(g * g)).sum::<f64>().sqrt();
        let error = (along - difference).abs() / (size + 0.1);
        let name = &graph.parameters[*index].name;
        assert!(error < 0.01, "{kernels}: d/d{name} is {along}, by difference {difference}, of a gradient of {size}");
    }
}

const SAME: Filter = Filter { kernel: 3, stride: 1, padding: 1 };

/// A small network around `middle`, with parameters before and behind it.
pub(super) fn around(input: [usize; 2], middle: impl Fn(&mut Builder, NodeId) -> NodeId) -> Graph {
    let mut b = Builder::new(input, 3);
    let from = b.input();
    let from = b.convolution("before", from, 5, Filter { kernel: 3, stride: 2, padding: 1 });
    let middle = middle(&mut b, from);
    let pool = b.global_average_pool("pool", middle);
    let raw = b.fully_connected("head", pool, 4);
    let embedding = b.batch_norm("neck", raw, Role::Affine);
    b.finish("test".into(), raw, embedding)
}

#[test]
fn convolutions_of_any_extent_and_step() {
    for filter in [SAME, Filter { kernel: 2, stride: 2, padding: 0 }, Filter { kernel: 5, stride: 2, padding: 2 }] {
        check(around([13, 10], |b, x| b.convolution("middle", x, 6, filter)), 3, 50);
    }
}

#[test]
fn depthwise_filters_of_any_extent_and_step() {
    for filter in [SAME, Filter { stride: 2, ..SAME }, Filter { kernel: 5, stride: 1, padding: 2 }] {
        check(around([13, 10], |b, x| b.depthwise("middle", x, filter)), 3, 50);
    }
}

#[test]
fn batch_norm_and_both_activations() {
    for activation in [None, Some(Activation::Relu), Some(Activation::Relu6)] {
        check(around([9, 10], |b, x| b.norm_and_activation("middle", x, activation)), 4, 50);
    }
}

#[test]
fn a_view_on_a_view_is_stored_between() {
    let twice = |b: &mut Builder, x: NodeId| {
        let x = b.norm_and_activation("first", x, Some(Activation::Relu6));
        b.norm_and_activation("second", x, Some(Activation::Relu))
    };
    check(around([9, 10], twice), 4, 50);
}

#[test]
fn one_result_used_in_many_ways_gathers_every_gradient() {
    let fan_out = |b: &mut Builder, x: NodeId| {
        let normed = b.batch_norm("norm", x, Role::Affine);
        let other = b.norm_and_activation("other", x, Some(Activation::Relu));
        let deep = b.depthwise("deep", other, SAME);
        let sum = b.add("sum", normed, other);
        let sum = b.add("sum2", sum, deep);
        let sum = b.add("sum3", sum, x);
        let sum = b.add("double", sum, sum);
        let wide = b.convolution("wide", other, 5, SAME);
        b.add("sum4", sum, wide)
    };
    check(around([9, 10], fan_out), 3, 50);
}

#[test]
fn the_raw_embedding_may_be_the_embedding() {
    let mut graph = around([9, 10], |b, x| b.norm_and_activation("middle", x, None));
    graph.embedding = graph.raw_embedding;
    check(graph, 3, 50);
}

#[test]
fn a_whole_network() {
    check(by_name("mobilenet_v2_0.25", [24, 16], 6, 4).expect("a known name"), 6, 0);
}

#[test]
fn the_same_team_gives_the_same_bits_and_running_statistics_follow_the_batch() {
    let mut graph = around([9, 10], |b, x| b.norm_and_activation("middle", x, None));
    let pixels = pictures(&graph, 5);
    let results = run(&graph, &pixels, 5);
    let mut other = graph.clone();
    let seeds = [noise(20, 1), noise(20, 2)];
    let mut gradients = [Gradients::zeros(&graph), Gradients::zeros(&graph)];
    for (graph, gradients) in [&mut graph, &mut other].into_iter().zip(&mut gradients) {
        let mut engine = Engine::new(graph, 8, 2);
        engine.forward(graph, &pixels, 5);
        engine.backward(graph, &seeds[0], &seeds[1], gradients);
    }
    assert_eq!(graph, other);
    assert_eq!(gradients[0], gradients[1]);
    let column: Vec<f64> = results[1].iter().step_by(5).copied().collect();
    let mean = column.iter().sum::<f64>() / column.len() as f64;
    let variance = column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (column.len() - 1) as f64;
    let value = |name: &str| {
        let parameter = graph.parameters.iter().find(|parameter| parameter.name == name);
        f64::from(parameter.expect("a parameter of this name").values[0])
    };
    assert!((value("middle.norm.mean") - 0.1 * mean).abs() < 1e-5);
    assert!((value("middle.norm.variance") - (0.9 + 0.1 * variance)).abs() < 1e-5);
}

#[test]
fn embedding_in_chunks_is_the_interpreters_embedding() {
    let mut graph = by_name("mobilenet_v2_0.35", [24, 16], 6, 4).expect("a known name");
    let pixels = pictures(&graph, 7);
    let mut engine = Engine::new(&graph, 7, 2);
    engine.forward(&mut graph, &pixels, 7);
    assert!(engine.embed(&graph, &[], 0).is_empty());
    let embeddings = Engine::new(&graph, 3, 2).embed(&graph, &pixels, 7);
    for (picture, embedding) in pixels.chunks_exact(graph.input().len()).zip(embeddings.chunks_exact(6)) {
        let results = crate::network::interpreter::run(&graph, picture);
        for (got, want) in embedding.iter().zip(&results[graph.embedding.0]) {
            assert!((got - want).abs() < 1e-3 * want.abs().max(1.0), "{got} instead of {want}");
        }
    }
}
