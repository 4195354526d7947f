//! Runs a graph on one picture, node by node, in inference mode: the reference for the engine and the quantizer.

use super::channels::{Columns, copy_channels};
use super::curve::{self, Curve};
use super::{Activation, Graph, Node, NodeId, Operator, ParameterId, pooling};
use crate::compute::{Affine, Kernels, Matmul, Window, patches};

/// What every node computes from `picture` (`[height, width, 3]` RGB bytes), in the order of [`Graph::nodes`].
///
/// Batch norms use their running statistics; where convolutions carry biases and batch norms are gone (a folded
/// graph), they add them.
///
/// # Panics
/// If `picture` is not as long as the graph's input, or a node's shapes contradict its operator.
pub fn run(graph: &Graph, picture: &[u8]) -> Vec<Vec<f32>> {
    run_with(Kernels::best(), graph, picture)
}

/// [`run`] with chosen kernels.
///
/// # Panics
/// As [`run`].
pub fn run_with(kernels: &Kernels, graph: &Graph, picture: &[u8]) -> Vec<Vec<f32>> {
    assert_eq!(picture.len(), graph.input().len(), "the picture does not have the input's extents");
    let mut results: Vec<Vec<f32>> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        let result = match node.operator {
            Operator::Input => picture.iter().map(|pixel| pixel_value(*pixel)).collect(),
            _ => Evaluation { kernels, graph, node, results: &results }.compute(),
        };
        assert_eq!(result.len(), node.shape.len(), "`{}` does not have the shape it declares", node.name);
        results.push(result);
    }
    results
}

/// What the node `id` alone computes from `results`, which hold those of its inputs.
///
/// # Panics
/// If `id` is the input, or a result that it reads is not there.
pub fn run_node(graph: &Graph, id: NodeId, results: &[Vec<f32>]) -> Vec<f32> {
    Evaluation { kernels: Kernels::best(), graph, node: graph.node(id), results }.compute()
}

/// (pixel − 128) / 64
pub fn pixel_value(pixel: u8) -> f32 {
    (f32::from(pixel) - Graph::PIXEL_MEAN) / Graph::PIXEL_SCALE
}

struct Evaluation<'a> {
    kernels: &'a Kernels,
    graph: &'a Graph,
    node: &'a Node,
    results: &'a [Vec<f32>],
}

impl Evaluation<'_> {
    fn compute(&self) -> Vec<f32> {
        match self.node.operator {
            Operator::Input => unreachable!("the input is not computed"),
            Operator::Convolution { kernel, stride, padding, weight, bias } => {
                let window = self.window(kernel, stride, padding);
                let depth = kernel * kernel * window.channels;
                let mut rows = vec![0.0; window.out_height() * window.out_width() * depth];
                patches::gather(&window, self.input(0), &mut rows);
                self.product(&rows, depth, weight, bias)
            }
            Operator::Depthwise { kernel, stride, padding, weight, bias } => {
                let window = self.window(kernel, stride, padding);
                let mut output = vec![0.0; window.output_len()];
                (self.kernels.depthwise)(&window, self.input(0), self.values(weight), &mut output);
                self.add_bias(output, bias)
            }
            Operator::Pointwise { weight, bias } | Operator::FullyConnected { weight, bias } => {
                self.product(self.input(0), self.input_channels(), weight, bias)
            }
            Operator::BatchNorm { gamma, beta, mean, variance, epsilon } => {
                let [gamma, beta, mean, variance] = [gamma, beta, mean, variance].map(|id| self.values(id));
                let scale: Vec<f32> = gamma.iter().zip(variance).map(|(g, v)| g / (v + epsilon).sqrt()).collect();
                let shift: Vec<f32> = beta.iter().zip(mean).zip(&scale).map(|((b, m), s)| b - m * s).collect();
                let map = Affine { scale: &scale, shift: &shift, low: f32::NEG_INFINITY, high: f32::INFINITY };
                let mut output = vec![0.0; self.input(0).len()];
                (self.kernels.affine)(&map, self.input(0), &mut output);
                output
            }
            Operator::Activation(activation) => {
                let (low, high) = activation.clamp();
                self.input(0).iter().map(|x| x.max(low).min(high)).collect()
            }
            Operator::Add => self.input(0).iter().zip(self.input(1)).map(|(a, b)| a + b).collect(),
            Operator::MaxPool { kernel, stride, padding } => {
                let window = self.window(kernel, stride, padding);
                let mut output = vec![0.0; window.output_len()];
                (self.kernels.max_pool)(&window, self.input(0), &mut output);
                output
            }
            Operator::AveragePool { kernel, stride } => {
                let window = self.window(kernel, stride, 0);
                let weight = vec![1.0 / (kernel * kernel) as f32; kernel * kernel * window.channels];
                let mut output = vec![0.0; window.output_len()];
                (self.kernels.depthwise)(&window, self.input(0), &weight, &mut output);
                output
            }
            Operator::GlobalAveragePool => mean_rows(self.input(0), self.input_channels()),
            Operator::GeneralizedMeanPool { exponent, floor } => {
                let mut output = vec![0.0; self.input_channels()];
                let p = pooling::bounded_exponent(self.values(exponent)[0]);
                pooling::generalized_mean(self.input(0), p, floor, &mut output);
                output
            }
            Operator::Sigmoid => self.curve(Curve::Sigmoid),
            Operator::HardSigmoid => self.curve(Curve::HardSigmoid),
            Operator::HardSwish => self.curve(Curve::HardSwish),
            Operator::PRelu { slope } => {
                let mut output = vec![0.0; self.input(0).len()];
                curve::prelu(self.values(slope), self.input(0), &mut output);
                output
            }
            Operator::Concat => self.concat(),
            Operator::Slice { start } => {
                let (from, width) = (Columns { width: self.input_channels(), start }, self.node.shape.channels);
                let mut output = vec![0.0; self.node.shape.len()];
                copy_channels(width, (self.input(0), from), (&mut output, Columns { width, start: 0 }), false);
                output
            }
            Operator::Flatten => self.input(0).to_vec(),
            Operator::ChannelScale => {
                let mut output = vec![0.0; self.node.shape.len()];
                for pair in 0..self.node.inputs.len() / 2 {
                    (self.kernels.scale)(self.input(2 * pair + 1), self.input(2 * pair), &mut output, true);
                }
                output
            }
        }
    }

    fn curve(&self, curve: Curve) -> Vec<f32> {
        self.input(0).iter().map(|x| curve.value(*x)).collect()
    }

    fn concat(&self) -> Vec<f32> {
        let mut output = vec![0.0; self.node.shape.len()];
        let mut to = Columns { width: self.node.shape.channels, start: 0 };
        for (index, input) in self.node.inputs.iter().enumerate() {
            let width = self.graph.node(*input).shape.channels;
            copy_channels(width, (self.input(index), Columns { width, start: 0 }), (&mut output, to), false);
            to.start += width;
        }
        output
    }

    fn input(&self, index: usize) -> &[f32] {
        &self.results[self.node.inputs[index].0]
    }

    fn input_channels(&self) -> usize {
        self.graph.node(self.node.inputs[0]).shape.channels
    }

    fn values(&self, id: ParameterId) -> &[f32] {
        &self.graph.parameter(id).values
    }

    fn window(&self, kernel: usize, stride: usize, padding: usize) -> Window {
        let shape = self.graph.node(self.node.inputs[0]).shape;
        Window { height: shape.height, width: shape.width, channels: shape.channels, kernel, stride, padding }
    }

    /// `[rows, depth]` × weight (+ bias)
    fn product(&self, a: &[f32], depth: usize, weight: ParameterId, bias: Option<ParameterId>) -> Vec<f32> {
        let (rows, columns) = (a.len() / depth, self.node.shape.channels);
        let mut output = vec![0.0; rows * columns];
        let b = self.values(weight);
        let job = Matmul { rows, columns, depth, a, a_row: depth, a_step: 1, b, accumulate: false };
        (self.kernels.matmul)(&job, &mut output);
        self.add_bias(output, bias)
    }

    fn add_bias(&self, mut output: Vec<f32>, bias: Option<ParameterId>) -> Vec<f32> {
        if let Some(bias) = bias {
            add_rows(&mut output, self.values(bias));
        }
        output
    }
}

/// Adds `row` to every row of `values`.
pub(super) fn add_rows(values: &mut [f32], row: &[f32]) {
    for values in values.chunks_exact_mut(row.len()) {
        for (value, addend) in values.iter_mut().zip(row) {
            *value += addend;
        }
    }
}

/// The mean over all rows of `channels` values.
pub(super) fn mean_rows(values: &[f32], channels: usize) -> Vec<f32> {
    let mut mean = vec![0.0; channels];
    for row in values.chunks_exact(channels) {
        add_rows(&mut mean, row);
    }
    let factor = channels as f32 / values.len() as f32;
    mean.iter_mut().for_each(|value| *value *= factor);
    mean
}

impl Activation {
    /// The interval the activation clamps to.
    pub fn clamp(self) -> (f32, f32) {
        match self {
            Self::Relu => (0.0, f32::INFINITY),
            Self::Relu6 => (0.0, 6.0),
        }
    }
}
