//! Adds nodes and their freshly initialized parameters to a growing graph.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Activation, Graph, Node, NodeId, Operator, Parameter, ParameterId, Role, Shape};

/// ε of every batch norm, PyTorch's default.
pub const EPSILON: f32 = 1e-5;

/// A graph under construction; weights are drawn from one seeded generator in the order in which they are added.
#[derive(Debug)]
pub struct Builder {
    nodes: Vec<Node>,
    parameters: Vec<Parameter>,
    random: ChaCha8Rng,
}

/// A square filter: extent, step, and zeros on every side.
#[derive(Debug, Clone, Copy)]
pub struct Filter {
    /// Extent.
    pub kernel: usize,
    /// Step.
    pub stride: usize,
    /// Zeros on every side.
    pub padding: usize,
}

impl Builder {
    /// A graph that holds only its input, `[height, width, 3]`.
    pub fn new(input: [usize; 2], seed: u64) -> Self {
        let shape = Shape::new(input[0], input[1], 3);
        let input = Node { name: "input".into(), operator: Operator::Input, inputs: vec![], shape };
        Self { nodes: vec![input], parameters: vec![], random: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// The picture.
    pub fn input(&self) -> NodeId {
        NodeId(0)
    }

    /// Shape of what `id` computes.
    pub fn shape(&self, id: NodeId) -> Shape {
        self.nodes[id.0].shape
    }

    /// A dense convolution without bias to `channels`, He-initialized.
    pub fn convolution(&mut self, name: &str, from: NodeId, channels: usize, filter: Filter) -> NodeId {
        let Filter { kernel, stride, padding } = filter;
        let fan_in = kernel * kernel * self.shape(from).channels;
        let shape = vec![kernel, kernel, self.shape(from).channels, channels];
        let weight = self.weight(name, shape, he(fan_in));
        let shape = self.filtered(from, filter, channels);
        self.node(name, Operator::Convolution { kernel, stride, padding, weight, bias: None }, &[from], shape)
    }

    /// One filter per channel without bias, He-initialized.
    pub fn depthwise(&mut self, name: &str, from: NodeId, filter: Filter) -> NodeId {
        let Filter { kernel, stride, padding } = filter;
        let channels = self.shape(from).channels;
        let weight = self.weight(name, vec![kernel, kernel, channels], he(kernel * kernel));
        let shape = self.filtered(from, filter, channels);
        self.node(name, Operator::Depthwise { kernel, stride, padding, weight, bias: None }, &[from], shape)
    }

    /// A 1×1 convolution without bias to `channels`, He-initialized.
    pub fn pointwise(&mut self, name: &str, from: NodeId, channels: usize) -> NodeId {
        let input = self.shape(from);
        let weight = self.weight(name, vec![input.channels, channels], he(input.channels));
        let shape = Shape { channels, ..input };
        self.node(name, Operator::Pointwise { weight, bias: None }, &[from], shape)
    }

    /// A matrix to `channels` with a bias of zeros, drawn with σ = 1/√in.
    pub fn fully_connected(&mut self, name: &str, from: NodeId, channels: usize) -> NodeId {
        let matrix = self.matrix(name, self.shape(from).channels, channels);
        self.fully_connected_with(name, from, matrix, channels)
    }

    /// The same with a [`Self::matrix`] to `channels` that others may share.
    pub fn fully_connected_with(
        &mut self,
        name: &str,
        from: NodeId,
        [weight, bias]: [ParameterId; 2],
        channels: usize,
    ) -> NodeId {
        let operator = Operator::FullyConnected { weight, bias: Some(bias) };
        self.node(name, operator, &[from], Shape::new(1, 1, channels))
    }

    /// Weight and bias of a fully connected layer.
    pub fn matrix(&mut self, name: &str, input: usize, channels: usize) -> [ParameterId; 2] {
        let weight = self.weight(name, vec![input, channels], (1.0 / input as f32).sqrt());
        [weight, self.constant(&format!("{name}.bias"), channels, 0.0, Role::Affine)]
    }

    /// Batch norm with γ = 1, β = 0; `shift` says how β is trained ([`Role::Statistic`]: it stays 0).
    pub fn batch_norm(&mut self, name: &str, from: NodeId, shift: Role) -> NodeId {
        let shape = self.shape(from);
        let channels = shape.channels;
        let operator = Operator::BatchNorm {
            gamma: self.constant(&format!("{name}.gamma"), channels, 1.0, Role::Affine),
            beta: self.constant(&format!("{name}.beta"), channels, 0.0, shift),
            mean: self.constant(&format!("{name}.mean"), channels, 0.0, Role::Statistic),
            variance: self.constant(&format!("{name}.variance"), channels, 1.0, Role::Statistic),
            epsilon: EPSILON,
        };
        self.node(name, operator, &[from], shape)
    }

    /// Batch norm and activation behind `from`, named `{name}.norm` and `{name}.activation`.
    pub fn norm_and_activation(&mut self, name: &str, from: NodeId, activation: Option<Activation>) -> NodeId {
        let normed = self.batch_norm(&format!("{name}.norm"), from, Role::Affine);
        match activation {
            Some(kind) => self.activation(&format!("{name}.activation"), normed, kind),
            None => normed,
        }
    }

    /// `kind`, element-wise.
    pub fn activation(&mut self, name: &str, from: NodeId, kind: Activation) -> NodeId {
        self.node(name, Operator::Activation(kind), &[from], self.shape(from))
    }

    /// Sets γ of the batch norm `id` to zero, so that what it normalizes is silent until training wakes it.
    pub fn silence(&mut self, id: NodeId) {
        if let Operator::BatchNorm { gamma, .. } = self.nodes[id.0].operator {
            self.parameters[gamma.0].values.fill(0.0);
        }
    }

    /// Sum of two nodes of one shape.
    pub fn add(&mut self, name: &str, left: NodeId, right: NodeId) -> NodeId {
        self.node(name, Operator::Add, &[left, right], self.shape(left))
    }

    /// Mean over height and width.
    pub fn global_average_pool(&mut self, name: &str, from: NodeId) -> NodeId {
        let shape = Shape::new(1, 1, self.shape(from).channels);
        self.node(name, Operator::GlobalAveragePool, &[from], shape)
    }

    /// The graph, with the two nodes that are its results.
    pub fn finish(self, name: String, raw_embedding: NodeId, embedding: NodeId) -> Graph {
        Graph { name, nodes: self.nodes, parameters: self.parameters, raw_embedding, embedding }
    }

    pub(super) fn node(&mut self, name: &str, operator: Operator, inputs: &[NodeId], shape: Shape) -> NodeId {
        self.nodes.push(Node { name: name.into(), operator, inputs: inputs.to_vec(), shape });
        NodeId(self.nodes.len() - 1)
    }

    pub(super) fn filtered(&self, from: NodeId, filter: Filter, channels: usize) -> Shape {
        let input = self.shape(from);
        let extent = |size: usize| (size + 2 * filter.padding - filter.kernel) / filter.stride + 1;
        Shape::new(extent(input.height), extent(input.width), channels)
    }

    fn weight(&mut self, name: &str, shape: Vec<usize>, deviation: f32) -> ParameterId {
        let values = (0..shape.iter().product()).map(|_| normal(&mut self.random) * deviation).collect();
        self.parameter(Parameter { name: format!("{name}.weight"), shape, values, role: Role::Weight })
    }

    pub(super) fn constant(&mut self, name: &str, len: usize, value: f32, role: Role) -> ParameterId {
        self.parameter(Parameter { name: name.into(), shape: vec![len], values: vec![value; len], role })
    }

    fn parameter(&mut self, parameter: Parameter) -> ParameterId {
        self.parameters.push(parameter);
        ParameterId(self.parameters.len() - 1)
    }
}

/// σ = √(2 / fan-in): keeps the variance through ReLU. He 2015, eq. 10.
fn he(fan_in: usize) -> f32 {
    (2.0 / fan_in as f32).sqrt()
}

/// One standard normal value by Box and Muller's transform.
fn normal(random: &mut ChaCha8Rng) -> f32 {
    let radius = (-2.0 * (1.0 - random.random::<f32>()).ln()).sqrt();
    radius * (std::f32::consts::TAU * random.random::<f32>()).cos()
}
