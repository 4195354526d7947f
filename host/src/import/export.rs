//! Our graph as an ONNX file.

use prost::Message;
use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto, NodeProto, StringStringEntryProto, TensorProto};

use super::proto::{float, floats, integer, integers, model, node, real, whole_numbers};
use crate::network::pooling::bounded_exponent;
use crate::network::{Activation, Graph, Node, Operator, ParameterId};

/// Key of the metadata entry that says how pixels are prepared.
pub const PREPROCESSING_KEY: &str = "deja.preprocessing";
/// Its value: x = (pixel − 128)/64, channels red, green, blue.
pub const PREPROCESSING_VALUE: &str = "(rgb-128)/64";

/// Version of the operators that are written.
const OPERATOR_SET: i64 = 13;

/// The bytes of an `.onnx` file that computes what `graph` computes in inference mode.
///
/// # Shapes
/// Input `picture` `[N, 3, height, width]`, already (pixel − 128)/64; output `embedding` `[N, dimension]`, not normalized.
/// Pointwise and fully connected layers are written as 1×1 convolutions.
pub fn export(graph: &Graph) -> Vec<u8> {
    let mut writer = Writer { graph, nodes: vec![], initializers: vec![] };
    for node in &graph.nodes {
        writer.node(node);
    }
    writer.push("Flatten", "embedding", &[&graph.node(graph.embedding).name], vec![integer("axis", 1)]);
    let input = graph.input();
    let picture = [3, input.height, input.width];
    let content = GraphProto {
        name: graph.name.clone(),
        input: vec![float(&graph.nodes[0].name, &picture)],
        output: vec![float("embedding", &[graph.dimension()])],
        node: writer.nodes,
        initializer: writer.initializers,
        ..GraphProto::default()
    };
    let preprocessing = StringStringEntryProto { key: PREPROCESSING_KEY.into(), value: PREPROCESSING_VALUE.into() };
    let model = ModelProto { metadata_props: vec![preprocessing], ..model(content, OPERATOR_SET) };
    model.encode_to_vec()
}

struct Writer<'a> {
    graph: &'a Graph,
    nodes: Vec<NodeProto>,
    initializers: Vec<TensorProto>,
}

impl Writer<'_> {
    fn node(&mut self, node: &Node) {
        let inputs: Vec<String> = node.inputs.iter().map(|id| self.graph.node(*id).name.clone()).collect();
        let mut inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        match node.operator {
            Operator::Input => {}
            Operator::Convolution { kernel, stride, padding, weight, bias } => {
                let channels = self.graph.node(node.inputs[0]).shape.channels;
                let weights = self.filters(weight, [kernel * kernel, channels, node.shape.channels]);
                self.convolution(node, weights, Filter { channels, kernel, stride, padding, groups: 1 }, bias);
            }
            Operator::Depthwise { kernel, stride, padding, weight, bias } => {
                let groups = node.shape.channels;
                let weights = self.filters(weight, [kernel * kernel, 1, groups]);
                self.convolution(node, weights, Filter { channels: 1, kernel, stride, padding, groups }, bias);
            }
            Operator::Pointwise { weight, bias } | Operator::FullyConnected { weight, bias } => {
                let channels = self.graph.node(node.inputs[0]).shape.channels;
                let weights = self.filters(weight, [1, channels, node.shape.channels]);
                let filter = Filter { channels, kernel: 1, stride: 1, padding: 0, groups: 1 };
                self.convolution(node, weights, filter, bias);
            }
            Operator::BatchNorm { gamma, beta, mean, variance, epsilon } => {
                let names = [gamma, beta, mean, variance].map(|id| self.vector(id));
                inputs.extend(names.iter().map(String::as_str));
                self.push("BatchNormalization", &node.name, &inputs, vec![real("epsilon", epsilon)]);
            }
            Operator::Activation(Activation::Relu) => self.push("Relu", &node.name, &inputs, vec![]),
            Operator::Activation(Activation::Relu6) => {
                let bounds = [("low", 0.0), ("high", 6.0)]
                    .map(|(bound, value)| self.initializer(format!("{}.{bound}", node.name), &[], &[value]));
                inputs.extend(bounds.iter().map(String::as_str));
                self.push("Clip", &node.name, &inputs, vec![]);
            }
            Operator::Add => self.push("Add", &node.name, &inputs, vec![]),
            Operator::GlobalAveragePool => self.push("GlobalAveragePool", &node.name, &inputs, vec![]),
            Operator::MaxPool { kernel, stride, padding } => {
                self.push("MaxPool", &node.name, &inputs, window(kernel, stride, padding));
            }
            Operator::AveragePool { kernel, stride } => {
                self.push("AveragePool", &node.name, &inputs, window(kernel, stride, 0));
            }
            Operator::GeneralizedMeanPool { exponent, floor } => {
                let exponent = bounded_exponent(self.graph.parameter(exponent).values[0]);
                self.generalized_mean(&node.name, inputs[0], exponent, floor);
            }
            Operator::Sigmoid => self.push("Sigmoid", &node.name, &inputs, vec![]),
            Operator::HardSigmoid => self.push("HardSigmoid", &node.name, &inputs, hard_sigmoid()),
            Operator::HardSwish => {
                let gate = format!("{}.gate", node.name);
                self.push("HardSigmoid", &gate, &inputs, hard_sigmoid());
                self.push("Mul", &node.name, &[inputs[0], &gate], vec![]);
            }
            Operator::PRelu { slope } => {
                let values = &self.graph.parameter(slope).values;
                let slope = self.initializer(format!("{}.slope", node.name), &[values.len(), 1, 1], values);
                self.push("PRelu", &node.name, &[inputs[0], &slope], vec![]);
            }
            Operator::Concat => self.push("Concat", &node.name, &inputs, vec![integer("axis", 1)]),
            Operator::Slice { start } => {
                let end = start + node.shape.channels;
                let places = [("start", start), ("end", end), ("axis", 1)]
                    .map(|(part, value)| self.integers(format!("{}.{part}", node.name), &[value as i64]));
                inputs.extend(places.iter().map(String::as_str));
                self.push("Slice", &node.name, &inputs, vec![]);
            }
            Operator::Flatten => {
                let moved = format!("{}.channels_last", node.name);
                let shape = self.integers(format!("{}.shape", node.name), &[0, -1, 1, 1]);
                self.push("Transpose", &moved, &inputs, vec![integers("perm", &[0, 2, 3, 1])]);
                self.push("Reshape", &node.name, &[&moved, &shape], vec![]);
            }
            Operator::ChannelScale => self.channel_scale(&node.name, &inputs),
        }
    }

    /// Clip, Pow, GlobalAveragePool, Pow.
    fn generalized_mean(&mut self, name: &str, input: &str, exponent: f32, floor: f32) {
        let part = |part: &str| format!("{name}.{part}");
        let [low, power, root] = [("floor", floor), ("exponent", exponent), ("root", 1.0 / exponent)]
            .map(|(constant, value)| self.initializer(part(constant), &[], &[value]));
        self.push("Max", &part("clipped"), &[input, &low], vec![]);
        self.push("Pow", &part("powers"), &[&part("clipped"), &power], vec![]);
        self.push("GlobalAveragePool", &part("mean"), &[&part("powers")], vec![]);
        self.push("Pow", name, &[&part("mean"), &root], vec![]);
    }

    /// A product for each pair of a map and its gate, and their sum.
    fn channel_scale(&mut self, name: &str, inputs: &[&str]) {
        if let [_, _] = inputs {
            return self.push("Mul", name, inputs, vec![]);
        }
        let products: Vec<String> = (0..inputs.len() / 2).map(|pair| format!("{name}.product.{pair}")).collect();
        for (pair, product) in inputs.chunks_exact(2).zip(&products) {
            self.push("Mul", product, pair, vec![]);
        }
        let products: Vec<&str> = products.iter().map(String::as_str).collect();
        self.push("Sum", name, &products, vec![]);
    }

    fn convolution(&mut self, node: &Node, weights: Vec<f32>, filter: Filter, bias: Option<ParameterId>) {
        let Filter { channels, kernel, stride, padding, groups } = filter;
        let shape = [node.shape.channels, channels, kernel, kernel];
        let weight = self.initializer(format!("{}.weight", node.name), &shape, &weights);
        let bias = bias.map(|bias| self.vector(bias));
        let input = self.graph.node(node.inputs[0]).name.clone();
        let inputs: Vec<&str> = [&input, &weight].into_iter().chain(&bias).map(String::as_str).collect();
        let mut attributes = window(kernel, stride, padding);
        attributes.push(integer("group", groups));
        self.push("Conv", &node.name, &inputs, attributes);
    }

    /// `[window, in, out]` → `[out, in, window]`
    fn filters(&self, weight: ParameterId, [window, inputs, outputs]: [usize; 3]) -> Vec<f32> {
        let values = &self.graph.parameter(weight).values;
        let mut filters = Vec::with_capacity(values.len());
        for output in 0..outputs {
            for input in 0..inputs {
                filters.extend((0..window).map(|place| values[(place * inputs + input) * outputs + output]));
            }
        }
        filters
    }

    fn vector(&mut self, id: ParameterId) -> String {
        let parameter = self.graph.parameter(id);
        self.initializer(parameter.name.clone(), &parameter.shape, &parameter.values)
    }

    /// An array that several nodes may share.
    fn initializer(&mut self, name: String, shape: &[usize], values: &[f32]) -> String {
        if self.initializers.iter().any(|other| other.name == name) {
            return name;
        }
        self.initializers.push(floats(&name, shape, values));
        name
    }

    /// A list of integers as an input.
    fn integers(&mut self, name: String, values: &[i64]) -> String {
        self.initializers.push(whole_numbers(&name, values));
        name
    }

    fn push(&mut self, kind: &str, name: &str, inputs: &[&str], attribute: Vec<AttributeProto>) {
        self.nodes.push(node(kind, name, inputs, attribute));
    }
}

/// One convolution; `channels` are those that one filter reads.
struct Filter {
    channels: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
    groups: usize,
}

/// The attributes of a square window.
fn window(kernel: usize, stride: usize, padding: usize) -> Vec<AttributeProto> {
    vec![integers("kernel_shape", &[kernel; 2]), integers("strides", &[stride; 2]), integers("pads", &[padding; 4])]
}

/// The attributes with which HardSigmoid is [`Operator::HardSigmoid`].
fn hard_sigmoid() -> Vec<AttributeProto> {
    vec![real("alpha", 1.0 / 6.0), real("beta", 0.5)]
}
