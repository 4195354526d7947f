//! Step 3: the float graph becomes a list of int8 layers.

use deja_shared::embedding::MAX_DIMENSION;
use deja_shared::model::{Layer, LayerKind};
use deja_shared::tensor::Shape;

use super::QuantizeError;
use super::calibrate::Range;
use super::fold_batch_norm::weight_and_bias;
use super::scale::{GREATEST_FACTOR, Quantization, multiplier};
use super::weights::{self, Filters, Quantized};
use crate::network::{Graph, Node, NodeId, Operator};

/// Greatest ratio of an added input's scale to the output's: its 16-bit factor keeps 2 fractional bits, and the multiplier
/// 2³⁰ at most.
const GREATEST_ADD_FACTOR: f64 = 8191.0;

/// Integer layers that are not yet placed in an arena and a file. Layer `i` writes tensor `i + 1`; tensor 0 is the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Lowered {
    /// The network's name.
    pub name: String,
    /// The activations.
    pub tensors: Vec<LoweredTensor>,
    /// The layers in the order in which they run.
    pub layers: Vec<LoweredLayer>,
}

/// One activation; the last is the raw embedding, which has 16 bits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoweredTensor {
    /// Extents.
    pub shape: Shape,
    /// What its integers stand for.
    pub quantization: Quantization,
    /// The node whose float values it holds (the activation function's, where one was joined).
    pub node: NodeId,
}

/// One layer with its constants.
#[derive(Debug, Clone, PartialEq)]
pub struct LoweredLayer {
    /// The name of the node that it computes.
    pub name: String,
    /// Everything but the places of the arrays.
    pub layer: Layer,
    /// In the order of [`LayerKind`]; empty without weights, as are the next two.
    pub weights: Vec<i8>,
    /// One an output channel.
    pub biases: Vec<i32>,
    /// One an output channel.
    pub multipliers: Vec<i32>,
}

/// Lowers what the embedding depends on. `graph` has no batch norm; `ranges` holds one range a node.
///
/// An activation function is joined to the layer before it as a clamp. The scale of an output is widened where a
/// multiplier would reach ½. A fully connected layer inside the network is a pointwise one on a single position.
///
/// # Errors
/// What the format cannot express; see [`QuantizeError`].
pub fn lower(graph: &Graph, ranges: &[Range]) -> Result<Lowered, QuantizeError> {
    check_operators(graph)?;
    let live = live(graph);
    let mut lowering = Lowering::new(graph, ranges, &live)?;
    for index in (1..graph.nodes.len()).filter(|&index| live[index]) {
        lowering.node(NodeId(index))?;
    }
    Ok(lowering.lowered)
}

/// Whether the format has a layer for every operator that the embedding depends on.
///
/// # Errors
/// [`QuantizeError::Operator`] for the first that it has none for.
pub fn check_operators(graph: &Graph) -> Result<(), QuantizeError> {
    let live = live(graph);
    let lacking = graph.nodes.iter().zip(live).find(|(node, live)| {
        let unknown = matches!(
            node.operator,
            Operator::MaxPool { .. }
                | Operator::AveragePool { .. }
                | Operator::GeneralizedMeanPool { .. }
                | Operator::Sigmoid
                | Operator::HardSigmoid
                | Operator::HardSwish
                | Operator::PRelu { .. }
                | Operator::Concat
                | Operator::Slice { .. }
                | Operator::Flatten
                | Operator::ChannelScale
        );
        *live && unknown
    });
    match lacking {
        Some((node, _)) => Err(QuantizeError::Operator { node: node.name.clone(), operator: node.operator.name() }),
        None => Ok(()),
    }
}

/// Which nodes the embedding depends on.
fn live(graph: &Graph) -> Vec<bool> {
    let mut live = vec![false; graph.nodes.len()];
    live[graph.embedding.0] = true;
    for index in (0..=graph.embedding.0).rev() {
        if live[index] {
            graph.nodes[index].inputs.iter().for_each(|input| live[input.0] = true);
        }
    }
    live
}

struct Lowering<'a> {
    graph: &'a Graph,
    ranges: &'a [Range],
    /// The live nodes that read each node.
    readers: Vec<Vec<NodeId>>,
    /// The tensor that holds each node, once lowered.
    tensor_of: Vec<Option<u16>>,
    lowered: Lowered,
}

impl<'a> Lowering<'a> {
    fn new(graph: &'a Graph, ranges: &'a [Range], live: &[bool]) -> Result<Self, QuantizeError> {
        let mut readers = vec![vec![]; graph.nodes.len()];
        for (index, node) in graph.nodes.iter().enumerate().filter(|(index, _)| live[*index]) {
            node.inputs.iter().for_each(|input| readers[input.0].push(NodeId(index)));
        }
        let lowered = Lowered { name: graph.name.clone(), tensors: vec![], layers: vec![] };
        let mut lowering = Self { graph, ranges, readers, tensor_of: vec![None; graph.nodes.len()], lowered };
        lowering.tensor(NodeId(0), NodeId(0), Quantization::PICTURE)?;
        Ok(lowering)
    }

    fn node(&mut self, id: NodeId) -> Result<(), QuantizeError> {
        let node = self.graph.node(id);
        match node.operator {
            Operator::Activation(_) if self.tensor_of[id.0].is_some() => Ok(()),
            Operator::Activation(_) => Err(QuantizeError::Activation { node: node.name.clone() }),
            Operator::Add => self.add(id, node),
            Operator::GlobalAveragePool => self.pool(id, node),
            _ => self.linear(id, node),
        }
    }

    fn linear(&mut self, id: NodeId, node: &Node) -> Result<(), QuantizeError> {
        let last = id == self.graph.embedding;
        let mut layer = self.window(node)?;
        if last && (layer.kind != LayerKind::FullyConnected || node.shape.channels > MAX_DIMENSION) {
            return Err(QuantizeError::Embedding { node: node.name.clone() });
        }
        if !last && layer.kind == LayerKind::FullyConnected {
            layer.kind = LayerKind::Pointwise;
        }
        let (stored, range) = self.stored(id);
        let filters = self.filters(node, layer.kind)?;
        let wide = |least| if last { Quantization::int16(range, least) } else { Quantization::int8(range, least) };
        let (constants, output) = weights::quantize(filters, &node.name, self.input(node, 0)?.1, wide)?;
        layer.input = self.input(node, 0)?.0;
        layer.output = self.tensor(id, stored, output)?;
        self.push(node, layer, constants, output, stored);
        Ok(())
    }

    /// out = Σ x / positions, of one input.
    fn pool(&mut self, id: NodeId, node: &Node) -> Result<(), QuantizeError> {
        let (tensor, input) = self.input(node, 0)?;
        let (stored, range) = self.stored(id);
        let shape = self.graph.node(node.inputs[0]).shape;
        let positions = i32::try_from(shape.height * shape.width).map_err(|_| too_large(node))?;
        let factor = f64::from(input.scale) / f64::from(positions);
        let output = Quantization::int8(range, factor / GREATEST_FACTOR);
        let mut layer = Layer::new(LayerKind::GlobalAveragePool);
        layer.input = tensor;
        layer.bias = -i32::from(input.zero_point) * positions;
        layer.multiplier = multiplier(factor / f64::from(output.scale));
        layer.output = self.tensor(id, stored, output)?;
        self.push(node, layer, Quantized::default(), output, stored);
        Ok(())
    }

    /// Both inputs are scaled by 16-bit factors `round(scale · 2ˢ)` with the greatest s for which both fit.
    fn add(&mut self, id: NodeId, node: &Node) -> Result<(), QuantizeError> {
        let ((tensor_a, a), (tensor_b, b)) = (self.input(node, 0)?, self.input(node, 1)?);
        let (stored, range) = self.stored(id);
        let greatest = f64::from(a.scale.max(b.scale));
        let output = Quantization::int8(range, greatest / GREATEST_ADD_FACTOR);
        let ratio = |input: Quantization| f64::from(input.scale) / f64::from(output.scale);
        let shift = (f64::from(i16::MAX) / (greatest / f64::from(output.scale))).log2().floor().clamp(2.0, 30.0);
        let mut layer = Layer::new(LayerKind::Add);
        (layer.input, layer.second_input) = (tensor_a, tensor_b);
        // At most 2¹⁵ − 1 by the choice of the shift.
        layer.multiplier_a = (ratio(a) * shift.exp2()).round() as i16;
        layer.multiplier_b = (ratio(b) * shift.exp2()).round() as i16;
        let zero = |input: Quantization, factor: i16| i32::from(input.zero_point) * i32::from(factor);
        layer.bias = -zero(a, layer.multiplier_a) - zero(b, layer.multiplier_b);
        layer.multiplier = multiplier((-shift).exp2());
        layer.output = self.tensor(id, stored, output)?;
        self.push(node, layer, Quantized::default(), output, stored);
        Ok(())
    }

    /// The node whose values are stored (the activation function's, if it is the only reader) and their range.
    fn stored(&self, id: NodeId) -> (NodeId, Range) {
        let stored = match self.readers[id.0][..] {
            [reader] if matches!(self.graph.node(reader).operator, Operator::Activation(_)) => reader,
            _ => id,
        };
        (stored, self.ranges[stored.0])
    }

    fn window(&self, node: &Node) -> Result<Layer, QuantizeError> {
        let small = |extent: usize| u8::try_from(extent).map_err(|_| too_large(node));
        let (kind, kernel, stride, padding) = match node.operator {
            Operator::Convolution { kernel, stride, padding, .. } => (LayerKind::Convolution, kernel, stride, padding),
            Operator::Depthwise { kernel, stride, padding, .. } => (LayerKind::Depthwise, kernel, stride, padding),
            Operator::Pointwise { .. } => return Ok(Layer::new(LayerKind::Pointwise)),
            _ => return Ok(Layer::new(LayerKind::FullyConnected)),
        };
        let mut layer = Layer::new(kind);
        (layer.kernel_height, layer.kernel_width) = (small(kernel)?, small(kernel)?);
        (layer.padding_top, layer.padding_left) = (small(padding)?, small(padding)?);
        layer.stride = small(stride)?;
        Ok(layer)
    }

    fn filters(&self, node: &Node, kind: LayerKind) -> Result<Filters<'a>, QuantizeError> {
        let Some((weight, Some(bias))) = weight_and_bias(&node.operator) else {
            return Err(QuantizeError::NotFolded { node: node.name.clone() });
        };
        let (weights, biases) = (&self.graph.parameter(weight).values, &self.graph.parameter(bias).values);
        Ok(Filters { weights, biases, transpose: kind != LayerKind::Depthwise })
    }

    /// Number and quantization of an input.
    fn input(&self, node: &Node, index: usize) -> Result<(u16, Quantization), QuantizeError> {
        let tensor = node.inputs.get(index).and_then(|input| self.tensor_of[input.0]);
        let tensor = tensor.ok_or_else(|| QuantizeError::Activation { node: node.name.clone() })?;
        Ok((tensor, self.lowered.tensors[usize::from(tensor)].quantization))
    }

    /// A new tensor that stands for `id` and for `stored`.
    fn tensor(&mut self, id: NodeId, stored: NodeId, quantization: Quantization) -> Result<u16, QuantizeError> {
        let node = self.graph.node(stored);
        let extent = |extent: usize| u16::try_from(extent).map_err(|_| too_large(node));
        let shape = Shape::new(extent(node.shape.height)?, extent(node.shape.width)?, extent(node.shape.channels)?);
        let number = extent(self.lowered.tensors.len())?;
        self.lowered.tensors.push(LoweredTensor { shape, quantization, node: stored });
        self.tensor_of[id.0] = Some(number);
        self.tensor_of[stored.0] = Some(number);
        Ok(number)
    }

    fn push(&mut self, node: &Node, mut layer: Layer, constants: Quantized, output: Quantization, stored: NodeId) {
        let (low, high) = match self.graph.node(stored).operator {
            Operator::Activation(activation) => activation.clamp(),
            _ => (f32::NEG_INFINITY, f32::INFINITY),
        };
        (layer.low, layer.high) = (output.quantize(low), output.quantize(high));
        let Quantized { weights, biases, multipliers } = constants;
        self.lowered.layers.push(LoweredLayer { name: node.name.clone(), layer, weights, biases, multipliers });
    }
}

fn too_large(node: &Node) -> QuantizeError {
    QuantizeError::TooLarge { node: node.name.clone() }
}
