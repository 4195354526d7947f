//! A graph turned into the steps the engine runs, and where every intermediate result lives.
//!
//! Only what linear operators, sums and pools compute is stored (a [`Tensor`]). A batch norm and an activation behind
//! it are a [`View`] of that tensor, evaluated again wherever they are needed.

use std::ops::Range;

use crate::compute::Window;
use crate::network::curve::Curve;
use crate::network::{Activation, Graph, Node, NodeId, Operator, ParameterId, Shape};

/// Everything the engine must know of a graph besides the values of its parameters.
#[derive(Debug)]
pub struct Plan {
    pub tensors: Vec<Tensor>,
    pub views: Vec<View>,
    pub norms: Vec<Norm>,
    pub steps: Vec<Step>,
    /// The views that are the graph's two results: raw and after the neck.
    pub outputs: [usize; 2],
    /// Length per picture of each buffer that gradients are kept in.
    pub slots: Vec<usize>,
    /// Per tensor, the buffer it shares with others while embedding, when no result outlives its last reader.
    pub places: Vec<usize>,
    /// How many pictures are embedded at once, so that all their results stay in the cache.
    pub embed_group: usize,
}

/// A stored result. Tensor 0 is the picture and is stored as bytes.
#[derive(Debug)]
pub struct Tensor {
    pub shape: Shape,
    /// Batch norms that take the statistics of this tensor.
    pub norms: Vec<usize>,
    /// Views through which a gradient arrives.
    pub views: Vec<usize>,
}

/// act(norm(tensor)), either part optional.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    pub tensor: usize,
    pub norm: Option<usize>,
    pub activation: Option<Activation>,
    /// The gradient buffer, for views through which a gradient arrives.
    pub slot: usize,
}

impl View {
    /// Whether the view is the tensor itself.
    pub fn is_plain(&self) -> bool {
        self.norm.is_none() && self.activation.is_none()
    }
}

/// A batch norm over `tensor`.
#[derive(Debug)]
pub struct Norm {
    pub tensor: usize,
    pub gamma: ParameterId,
    pub beta: ParameterId,
    pub mean: ParameterId,
    pub variance: ParameterId,
    pub epsilon: f32,
}

/// What a step computes; weights and biases stand in [`Step`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Convolution(Window),
    Depthwise(Window),
    /// Pointwise and fully connected: the same product over rows of channels.
    Matrix,
    /// The sum of all inputs (of one input: a copy, where a view cannot stand on a view, or a map flattened).
    Sum,
    GlobalAveragePool,
    MaxPool(Window),
    /// Without padding.
    AveragePool(Window),
    /// With the exponent as its weight.
    GeneralizedMean {
        floor: f32,
    },
    Curve(Curve),
    /// With the slopes as its weight.
    PRelu,
    /// The channels of all inputs side by side.
    Concat,
    /// Some channels.
    Slice {
        start: usize,
    },
    /// The inputs alternate between maps and their gates.
    ChannelScale,
}

/// Computes one tensor from views.
#[derive(Debug)]
pub struct Step {
    pub kind: Kind,
    pub inputs: Vec<Input>,
    pub output: usize,
    pub weight: Option<ParameterId>,
    pub bias: Option<ParameterId>,
    /// How many pictures are worked on at once, so that their activations stay in the cache.
    pub group: usize,
}

impl Step {
    /// The groups of `images` pictures, in order.
    pub fn groups(&self, images: usize) -> impl Iterator<Item = Range<usize>> {
        let group = self.group;
        (0..images).step_by(group).map(move |start| start..(start + group).min(images))
    }
}

/// One input of a step, and what the backward pass does with its gradient.
#[derive(Debug, Clone, Copy)]
pub struct Input {
    pub view: usize,
    /// Whether a gradient is wanted (not for the picture).
    pub differentiated: bool,
    /// Whether some consumer has already written the gradient, so that this one adds.
    pub accumulate: bool,
    /// Whether this consumer is the last to contribute, so that the gradient can pass the activation.
    pub finish: bool,
}

/// Pictures are grouped until their input and output reach this many values (of 4 bytes).
const GROUP_VALUES: usize = 1 << 14;

impl Plan {
    /// Lays out the part of `graph` that its results depend on.
    pub fn new(graph: &Graph) -> Self {
        let mut builder = Builder::new(graph);
        let live = live_nodes(graph);
        for (index, node) in graph.nodes.iter().enumerate() {
            if live[index] {
                let view = builder.add(node);
                builder.node_views[index] = view;
            }
        }
        let outputs = [graph.raw_embedding, graph.embedding].map(|id| builder.node_views[id.0]);
        let mut plan = builder.plan;
        plan.outputs = outputs;
        plan.mark_gradients();
        plan.assign_slots();
        plan.assign_places();
        plan
    }

    /// Whether `view` has been given a gradient by the caller when the backward pass begins.
    pub fn is_output(&self, view: usize) -> bool {
        self.outputs.contains(&view)
    }

    /// Values of one picture in `tensor`.
    pub fn len(&self, tensor: usize) -> usize {
        self.tensors[tensor].shape.len()
    }

    /// Whether no step contributes to the gradient of `view`, so that it is finished when the caller has given it.
    pub fn only_output(&self, view: usize) -> bool {
        !self.steps.iter().any(|step| step.inputs.iter().any(|input| input.view == view))
    }

    fn mark_gradients(&mut self) {
        let mut seen: Vec<bool> = (0..self.views.len()).map(|view| self.is_output(view)).collect();
        for step in self.steps.iter_mut().rev() {
            for input in &mut step.inputs {
                input.differentiated = self.views[input.view].tensor != 0;
                input.accumulate = std::mem::replace(&mut seen[input.view], true);
            }
        }
        let mut finished = vec![false; self.views.len()];
        for step in &mut self.steps {
            for input in step.inputs.iter_mut().rev() {
                input.finish = !std::mem::replace(&mut finished[input.view], true);
            }
        }
        for (index, view) in self.views.iter().enumerate().filter(|(index, _)| seen[*index]) {
            self.tensors[view.tensor].views.push(index);
        }
    }
}

fn live_nodes(graph: &Graph) -> Vec<bool> {
    let mut live = vec![false; graph.nodes.len()];
    live[0] = true;
    live[graph.raw_embedding.0] = true;
    live[graph.embedding.0] = true;
    for index in (0..graph.nodes.len()).rev() {
        if live[index] {
            graph.nodes[index].inputs.iter().for_each(|input| live[input.0] = true);
        }
    }
    live
}

struct Builder<'a> {
    graph: &'a Graph,
    plan: Plan,
    /// Per node of the graph, the view that is its value.
    node_views: Vec<usize>,
}

impl<'a> Builder<'a> {
    fn new(graph: &'a Graph) -> Self {
        let plan = Plan {
            tensors: vec![],
            views: vec![],
            norms: vec![],
            steps: vec![],
            outputs: [0; 2],
            slots: vec![],
            places: vec![],
            embed_group: 1,
        };
        Self { graph, plan, node_views: vec![usize::MAX; graph.nodes.len()] }
    }

    fn add(&mut self, node: &Node) -> usize {
        let input = |builder: &Self, index: usize| builder.node_views[node.inputs[index].0];
        match node.operator {
            Operator::Input => self.tensor(node.shape),
            Operator::Convolution { kernel, stride, padding, weight, bias } => {
                let window = self.window(node.inputs[0], kernel, stride, padding);
                self.step(Kind::Convolution(window), vec![input(self, 0)], node.shape, (Some(weight), bias))
            }
            Operator::Depthwise { kernel, stride, padding, weight, bias } => {
                let window = self.window(node.inputs[0], kernel, stride, padding);
                self.step(Kind::Depthwise(window), vec![input(self, 0)], node.shape, (Some(weight), bias))
            }
            Operator::Pointwise { weight, bias } | Operator::FullyConnected { weight, bias } => {
                self.step(Kind::Matrix, vec![input(self, 0)], node.shape, (Some(weight), bias))
            }
            Operator::Add => self.step(Kind::Sum, vec![input(self, 0), input(self, 1)], node.shape, (None, None)),
            Operator::GlobalAveragePool => {
                self.step(Kind::GlobalAveragePool, vec![input(self, 0)], node.shape, (None, None))
            }
            Operator::MaxPool { kernel, stride, padding } => {
                let window = self.window(node.inputs[0], kernel, stride, padding);
                self.step(Kind::MaxPool(window), vec![input(self, 0)], node.shape, (None, None))
            }
            Operator::AveragePool { kernel, stride } => {
                let window = self.window(node.inputs[0], kernel, stride, 0);
                self.step(Kind::AveragePool(window), vec![input(self, 0)], node.shape, (None, None))
            }
            Operator::GeneralizedMeanPool { exponent, floor } => {
                let kind = Kind::GeneralizedMean { floor };
                self.step(kind, vec![input(self, 0)], node.shape, (Some(exponent), None))
            }
            Operator::Sigmoid => self.element_wise(Kind::Curve(Curve::Sigmoid), node, None),
            Operator::HardSigmoid => self.element_wise(Kind::Curve(Curve::HardSigmoid), node, None),
            Operator::HardSwish => self.element_wise(Kind::Curve(Curve::HardSwish), node, None),
            Operator::PRelu { slope } => self.element_wise(Kind::PRelu, node, Some(slope)),
            Operator::Slice { start } => self.element_wise(Kind::Slice { start }, node, None),
            Operator::Flatten => self.element_wise(Kind::Sum, node, None),
            Operator::ChannelScale | Operator::Concat => {
                let inputs = (0..node.inputs.len()).map(|index| input(self, index)).collect();
                let is_scale = node.operator == Operator::ChannelScale;
                let kind = if is_scale { Kind::ChannelScale } else { Kind::Concat };
                self.step(kind, inputs, node.shape, (None, None))
            }
            Operator::BatchNorm { gamma, beta, mean, variance, epsilon } => {
                let source = self.plain(input(self, 0), node.shape, View::is_plain);
                let tensor = self.plan.views[source].tensor;
                self.plan.norms.push(Norm { tensor, gamma, beta, mean, variance, epsilon });
                let norm = self.plan.norms.len() - 1;
                self.plan.tensors[tensor].norms.push(norm);
                self.view(View { norm: Some(norm), ..self.plan.views[source] })
            }
            Operator::Activation(activation) => {
                let source = self.plain(input(self, 0), node.shape, |view| view.activation.is_none());
                self.view(View { activation: Some(activation), ..self.plan.views[source] })
            }
        }
    }

    /// A step of one input without bias.
    fn element_wise(&mut self, kind: Kind, node: &Node, weight: Option<ParameterId>) -> usize {
        self.step(kind, vec![self.node_views[node.inputs[0].0]], node.shape, (weight, None))
    }

    /// `view` itself if another view can stand on it, else a stored copy of its values.
    fn plain(&mut self, view: usize, shape: Shape, can_carry: impl Fn(&View) -> bool) -> usize {
        let is_picture = self.plan.views[view].tensor == 0;
        if can_carry(&self.plan.views[view]) && !is_picture {
            return view;
        }
        self.step(Kind::Sum, vec![view], shape, (None, None))
    }

    fn step(
        &mut self,
        kind: Kind,
        inputs: Vec<usize>,
        shape: Shape,
        (weight, bias): (Option<ParameterId>, Option<ParameterId>),
    ) -> usize {
        let largest = inputs.iter().map(|view| self.plan.len(self.plan.views[*view].tensor)).max();
        let group = (GROUP_VALUES / (largest.unwrap_or(0) + shape.len()).max(1)).max(1);
        let input = |view| Input { view, differentiated: false, accumulate: false, finish: false };
        let inputs = inputs.into_iter().map(input).collect();
        let output = self.plan.tensors.len();
        let view = self.tensor(shape);
        self.plan.steps.push(Step { kind, inputs, output, weight, bias, group });
        view
    }

    fn tensor(&mut self, shape: Shape) -> usize {
        self.plan.tensors.push(Tensor { shape, norms: vec![], views: vec![] });
        let tensor = self.plan.tensors.len() - 1;
        self.view(View { tensor, norm: None, activation: None, slot: usize::MAX })
    }

    fn view(&mut self, view: View) -> usize {
        self.plan.views.push(view);
        self.plan.views.len() - 1
    }

    fn window(&self, from: NodeId, kernel: usize, stride: usize, padding: usize) -> Window {
        let Shape { height, width, channels } = self.graph.node(from).shape;
        Window { height, width, channels, kernel, stride, padding }
    }
}
