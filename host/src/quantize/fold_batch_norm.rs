//! Step 1: batch norm into the layer before it, so that only layers with weights and biases remain; and what has many
//! inputs into steps that have two.

use super::QuantizeError;
use super::lower::is_grouped;
use crate::network::{Graph, Node, NodeId, Operator, Parameter, ParameterId, Role, Shape};

/// The same function of the picture without [`Operator::BatchNorm`]; every layer with weights has a bias.
///
/// With s = γ/√(σ² + ε): W′\[…, o\] = s\[o\]·W\[…, o\] and b′ = β + s·(b − μ) (Jacob 2018, eq. 14). A batch norm whose
/// input is no linear layer, or one that others read too, becomes a depthwise 1×1 layer. Behind a fully connected
/// layer the bottleneck-normalization neck folds the same way, so both embeddings become that one node.
///
/// A camera's layers have few inputs: a channel scale of several pairs becomes scales of one pair and additions, a
/// concatenation of many inputs (but a convolution in groups) one of two after the other.
///
/// # Errors
/// [`QuantizeError::NotFinite`] for a parameter that is not a finite number, before or after the fold.
pub fn fold_batch_norm(graph: &Graph) -> Result<Graph, QuantizeError> {
    all_finite(&graph.parameters)?;
    let mut fold = Fold { graph, nodes: vec![], parameters: vec![], new_id: vec![] };
    for (index, node) in graph.nodes.iter().enumerate() {
        let id = match node.operator {
            Operator::BatchNorm { .. } => fold.batch_norm(node),
            Operator::ChannelScale if node.inputs.len() > 2 => fold.scaled_sum(node),
            Operator::Concat if node.inputs.len() != 2 => fold.concat(node),
            _ => fold.copy(node),
        };
        debug_assert_eq!(fold.new_id.len(), index);
        fold.new_id.push(id);
    }
    all_finite(&fold.parameters)?;
    Ok(Graph {
        name: graph.name.clone(),
        raw_embedding: fold.new_id[graph.raw_embedding.0],
        embedding: fold.new_id[graph.embedding.0],
        nodes: fold.nodes,
        parameters: fold.parameters,
    })
}

/// A linear layer's weights and bias, whatever its operator.
pub(super) fn weight_and_bias(operator: &Operator) -> Option<(ParameterId, Option<ParameterId>)> {
    match *operator {
        Operator::Convolution { weight, bias, .. }
        | Operator::Depthwise { weight, bias, .. }
        | Operator::Pointwise { weight, bias }
        | Operator::FullyConnected { weight, bias } => Some((weight, bias)),
        _ => None,
    }
}

fn all_finite(parameters: &[Parameter]) -> Result<(), QuantizeError> {
    match parameters.iter().find(|parameter| parameter.values.iter().any(|v| !v.is_finite())) {
        Some(parameter) => Err(QuantizeError::NotFinite { name: parameter.name.clone() }),
        None => Ok(()),
    }
}

struct Fold<'a> {
    graph: &'a Graph,
    nodes: Vec<Node>,
    parameters: Vec<Parameter>,
    new_id: Vec<NodeId>,
}

/// y = scale·x + shift, one pair a channel.
struct Affine {
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl Fold<'_> {
    /// The node with its own copy of its parameters and a bias.
    fn copy(&mut self, node: &Node) -> NodeId {
        let mut operator = node.operator.clone();
        if let Operator::Convolution { weight, bias, .. }
        | Operator::Depthwise { weight, bias, .. }
        | Operator::Pointwise { weight, bias }
        | Operator::FullyConnected { weight, bias } = &mut operator
        {
            let values = bias.map(|bias| self.graph.parameter(bias).values.clone());
            let values = values.unwrap_or_else(|| vec![0.0; node.shape.channels]);
            *weight = self.parameter(self.graph.parameter(*weight).clone());
            *bias = Some(self.bias(&node.name, values));
        }
        if let Operator::GeneralizedMeanPool { exponent: own, .. } | Operator::PRelu { slope: own } = &mut operator {
            *own = self.parameter(self.graph.parameter(*own).clone());
        }
        let inputs = node.inputs.iter().map(|input| self.new_id[input.0]).collect();
        self.node(Node { name: node.name.clone(), operator, inputs, shape: node.shape })
    }

    fn batch_norm(&mut self, node: &Node) -> NodeId {
        let affine = self.affine(&node.operator);
        let source = node.inputs[0];
        let readers = self.readers(source);
        let producer = self.new_id[source.0];
        let linear = weight_and_bias(&self.graph.node(source).operator).is_some();
        match weight_and_bias(&self.nodes[producer.0].operator) {
            Some((weight, Some(bias))) if linear && readers == 1 => {
                self.scale(weight, bias, &affine);
                producer
            }
            _ if readers == 1 && self.is_grouped(self.graph.node(source)) => self.scale_groups(producer, &affine),
            _ => self.depthwise(node, producer, affine),
        }
    }

    fn readers(&self, id: NodeId) -> usize {
        self.graph.nodes.iter().flat_map(|other| &other.inputs).filter(|&&input| input == id).count()
    }

    fn is_grouped(&self, node: &Node) -> bool {
        matches!(node.operator, Operator::Concat) && is_grouped(self.graph, node, |part| self.readers(part))
    }

    /// Applies `affine` behind a convolution in groups: to each its own channels.
    fn scale_groups(&mut self, concat: NodeId, affine: &Affine) -> NodeId {
        let mut start = 0;
        for part in self.nodes[concat.0].inputs.clone() {
            let channels = start..start + self.nodes[part.0].shape.channels;
            start = channels.end;
            let [scale, shift] = [&affine.scale, &affine.shift].map(|values| values[channels.clone()].to_vec());
            if let Some((weight, Some(bias))) = weight_and_bias(&self.nodes[part.0].operator) {
                self.scale(weight, bias, &Affine { scale, shift });
            }
        }
        concat
    }

    /// Σ gate·x over pairs as scales of one pair each, added up in order.
    fn scaled_sum(&mut self, node: &Node) -> NodeId {
        let inputs: Vec<NodeId> = node.inputs.iter().map(|input| self.new_id[input.0]).collect();
        let mut sum = None;
        for (index, pair) in inputs.chunks(2).enumerate() {
            let last = (index + 1) * 2 >= inputs.len();
            let scaled = self.step(node, &format!(".{index}"), Operator::ChannelScale, pair.to_vec(), node.shape);
            sum = Some(match sum {
                None => scaled,
                Some(before) => {
                    let name = if last { String::new() } else { format!(".sum.{index}") };
                    self.step(node, &name, Operator::Add, vec![before, scaled], node.shape)
                }
            });
        }
        sum.unwrap_or(NodeId(0))
    }

    /// The parts one behind the other, two at a time.
    fn concat(&mut self, node: &Node) -> NodeId {
        if self.is_grouped(node) {
            return self.copy(node);
        }
        let inputs: Vec<NodeId> = node.inputs.iter().map(|input| self.new_id[input.0]).collect();
        let mut whole = inputs.first().copied().unwrap_or(NodeId(0));
        for (index, &part) in inputs.iter().enumerate().skip(1) {
            let channels = self.nodes[whole.0].shape.channels + self.nodes[part.0].shape.channels;
            let name = if index + 1 == inputs.len() { String::new() } else { format!(".{index}") };
            let shape = Shape { channels, ..node.shape };
            whole = self.step(node, &name, Operator::Concat, vec![whole, part], shape);
        }
        whole
    }

    /// A part of what `node` computes.
    fn step(&mut self, node: &Node, name: &str, operator: Operator, inputs: Vec<NodeId>, shape: Shape) -> NodeId {
        self.node(Node { name: format!("{}{name}", node.name), operator, inputs, shape })
    }

    fn affine(&self, operator: &Operator) -> Affine {
        let Operator::BatchNorm { gamma, beta, mean, variance, epsilon } = *operator else {
            return Affine { scale: vec![], shift: vec![] };
        };
        let [gamma, beta, mean, variance] = [gamma, beta, mean, variance].map(|id| &self.graph.parameter(id).values);
        let scale: Vec<f32> = gamma.iter().zip(variance).map(|(g, v)| g / (v + epsilon).sqrt()).collect();
        let shift = beta.iter().zip(mean).zip(&scale).map(|((b, m), s)| b - m * s).collect();
        Affine { scale, shift }
    }

    /// Applies `affine` behind a layer; the output channel is the last axis of every weight layout.
    fn scale(&mut self, weight: ParameterId, bias: ParameterId, affine: &Affine) {
        for weights in self.parameters[weight.0].values.chunks_exact_mut(affine.scale.len()) {
            weights.iter_mut().zip(&affine.scale).for_each(|(w, s)| *w *= s);
        }
        let biases = self.parameters[bias.0].values.iter_mut();
        biases.zip(affine.scale.iter().zip(&affine.shift)).for_each(|(b, (scale, shift))| *b = *b * scale + shift);
    }

    fn depthwise(&mut self, node: &Node, from: NodeId, affine: Affine) -> NodeId {
        let shape = vec![1, 1, affine.scale.len()];
        let name = format!("{}.weight", node.name);
        let weight = self.parameter(Parameter { name, shape, values: affine.scale, role: Role::Weight });
        let bias = Some(self.bias(&node.name, affine.shift));
        let operator = Operator::Depthwise { kernel: 1, stride: 1, padding: 0, weight, bias };
        self.node(Node { name: node.name.clone(), operator, inputs: vec![from], shape: node.shape })
    }

    fn bias(&mut self, node: &str, values: Vec<f32>) -> ParameterId {
        let name = format!("{node}.bias");
        self.parameter(Parameter { name, shape: vec![values.len()], values, role: Role::Affine })
    }

    fn parameter(&mut self, parameter: Parameter) -> ParameterId {
        self.parameters.push(parameter);
        ParameterId(self.parameters.len() - 1)
    }

    fn node(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId(self.nodes.len() - 1)
    }
}
