//! Step 3: the float graph becomes a list of int8 layers.
//!
//! `linear` makes the layers with weights, `combine` those of several inputs, `pool` and `table` what their names say;
//! `joined` knows which nodes share a layer, `trim` what of a filter is nothing but zeros, `wide` which
//! layers may write 16 bits. The scale of an output is widened
//! wherever a multiplier would not fit.

mod combine;
mod joined;
mod linear;
mod pool;
mod table;
mod trim;
mod wide;

use deja_shared::embedding::MAX_DIMENSION;
use deja_shared::model::{Layer, LayerKind, MAX_LAYERS, Tensor};
use deja_shared::quant::INT16;
use deja_shared::tensor::{Shape, Width};

pub use joined::Residual;
pub(super) use joined::{is_grouped, live};
pub use wide::{Wide, candidates, lower_wide};

use super::QuantizeError;
use super::calibrate::Range;
use super::scale::Quantization;
use super::weights::Quantized;
use crate::network::curve::Curve;
use crate::network::{Activation, Graph, Node, NodeId, Operator};
use joined::Joined;

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

/// One activation; the last is the raw embedding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoweredTensor {
    /// Extents.
    pub shape: Shape,
    /// What its integers stand for.
    pub quantization: Quantization,
    /// The node whose float values it holds (the activation function's, where one was joined).
    pub node: NodeId,
}

impl LoweredTensor {
    /// How many it takes in the arena.
    pub fn bytes(&self) -> usize {
        // The format's extents have 16 bits, and a layer's result fits in memory here before it is lowered.
        self.shape.len() as usize * self.quantization.width.bytes()
    }

    /// What the file says of it, whole and without a place.
    pub fn record(&self) -> Tensor {
        let Quantization { scale, zero_point, width } = self.quantization;
        Tensor { shape: self.shape, arena_offset: 0, width, zero_point, scale, rows_kept: 0 }
    }
}

/// One layer with its constants.
#[derive(Debug, Clone, PartialEq)]
pub struct LoweredLayer {
    /// The name of the node that it computes.
    pub name: String,
    /// Everything but the places of the arrays.
    pub layer: Layer,
    /// Weights or a table, in the order of [`LayerKind`]; empty where the kind has none, as are the next two.
    pub weights: Vec<i8>,
    /// One an output channel.
    pub biases: Vec<i32>,
    /// One an output channel.
    pub multipliers: Vec<i32>,
}

/// [`lower_with`] where sums are layers of their own.
///
/// # Errors
/// As [`lower_with`].
pub fn lower(graph: &Graph, ranges: &[Range]) -> Result<Lowered, QuantizeError> {
    lower_with(graph, ranges, Residual::Apart)
}

/// Lowers what the embedding depends on. `graph` has no batch norm; `ranges` holds one range a node.
///
/// A clamping activation function is joined to the layer before it, or becomes a table where others read that one too.
/// A network that does not end in a matrix (perhaps with ReLU) has its last activation widened.
///
/// # Errors
/// What the format cannot express; see [`QuantizeError`].
pub fn lower_with(graph: &Graph, ranges: &[Range], residual: Residual) -> Result<Lowered, QuantizeError> {
    lower_widths(graph, ranges, residual, &Wide::new())
}

/// [`lower_with`], with the results of the layers in `wide` in 16 bits; each is one of [`candidates`].
///
/// # Errors
/// As [`lower_with`].
pub fn lower_widths(
    graph: &Graph,
    ranges: &[Range],
    residual: Residual,
    wide: &Wide,
) -> Result<Lowered, QuantizeError> {
    check(graph)?;
    let mut lowering = Lowering::new(graph, ranges, residual, wide)?;
    for id in (1..graph.nodes.len()).map(NodeId) {
        if lowering.joined.is_live(id) {
            lowering.node(id)?;
        }
    }
    lowering.embedding()?;
    match lowering.lowered.layers.len() {
        0..=MAX_LAYERS => Ok(lowering.lowered),
        _ => Err(too_large(graph.node(graph.embedding))),
    }
}

/// What can be told about a graph without calibrating it.
///
/// # Errors
/// An embedding that is no vector, or longer than a camera can hold.
pub fn check(graph: &Graph) -> Result<(), QuantizeError> {
    let node = graph.node(graph.embedding);
    let shape = node.shape;
    if shape.height * shape.width == 1 && (1..=MAX_DIMENSION).contains(&shape.channels) {
        return Ok(());
    }
    let [height, width, channels] = [shape.height, shape.width, shape.channels];
    Err(QuantizeError::Embedding { node: node.name.clone(), height, width, channels })
}

struct Lowering<'a> {
    graph: &'a Graph,
    ranges: Vec<Range>,
    wide: &'a Wide,
    joined: Joined,
    /// The tensor that holds each node, once lowered.
    tensor_of: Vec<Option<u16>>,
    lowered: Lowered,
}

impl<'a> Lowering<'a> {
    fn new(graph: &'a Graph, ranges: &[Range], residual: Residual, wide: &'a Wide) -> Result<Self, QuantizeError> {
        let joined = Joined::new(graph, residual);
        let lowered = Lowered { name: graph.name.clone(), tensors: vec![], layers: vec![] };
        let tensor_of = vec![None; graph.nodes.len()];
        let mut lowering = Self { graph, ranges: ranges.to_vec(), wide, joined, tensor_of, lowered };
        lowering.share_ranges();
        lowering.tensor(NodeId(0), NodeId(0), Quantization::PICTURE)?;
        Ok(lowering)
    }

    fn node(&mut self, id: NodeId) -> Result<(), QuantizeError> {
        let node = self.graph.node(id);
        if self.tensor_of[id.0].is_some() || self.joined.layer_of(id).is_some() {
            return Ok(());
        }
        match node.operator {
            Operator::Activation(activation) => {
                let (low, high) = activation.clamp();
                self.lookup(id, node, |x| x.max(low).min(high))
            }
            Operator::Sigmoid => self.lookup(id, node, |x| Curve::Sigmoid.value(x)),
            Operator::HardSigmoid => self.lookup(id, node, |x| Curve::HardSigmoid.value(x)),
            Operator::HardSwish => self.lookup(id, node, |x| Curve::HardSwish.value(x)),
            Operator::PRelu { slope } => self.prelu(id, node, slope),
            Operator::Add => self.add(id, node),
            Operator::ChannelScale => self.channel_scale(id, node),
            Operator::Concat => self.concat(id, node),
            Operator::GlobalAveragePool => self.global_average_pool(id, node),
            Operator::GeneralizedMeanPool { exponent, floor } => {
                self.generalized_mean_pool(id, node, (self.graph.parameter(exponent).values[0], floor))
            }
            Operator::MaxPool { kernel, stride, padding } => self.max_pool(id, node, (kernel, stride, padding)),
            Operator::AveragePool { kernel, stride } => self.average_pool(id, node, (kernel, stride)),
            Operator::Slice { start } => self.slice(id, node, start),
            Operator::Flatten => self.flatten(id, node),
            Operator::Convolution { .. }
            | Operator::Depthwise { .. }
            | Operator::Pointwise { .. }
            | Operator::FullyConnected { .. } => self.linear(id, node),
            Operator::Input | Operator::BatchNorm { .. } => Err(QuantizeError::NotFolded { node: node.name.clone() }),
        }
    }

    /// The same values in the same order: the same tensor, which a fully connected layer reads whole.
    fn flatten(&mut self, id: NodeId, node: &Node) -> Result<(), QuantizeError> {
        self.tensor_of[id.0] = Some(self.any_input(node, 0)?.0);
        Ok(())
    }

    /// Widens the embedding where no fully connected layer has made it.
    fn embedding(&mut self) -> Result<(), QuantizeError> {
        let id = self.graph.embedding;
        let node = self.graph.node(id);
        let ends = self.lowered.layers.last().is_some_and(|layer| layer.layer.kind.is_last());
        if ends {
            return Ok(());
        }
        let input = self.tensor_of[id.0].ok_or_else(|| misfit(node))?;
        let scale = self.lowered.tensors[usize::from(input)].quantization.scale;
        let mut layer = Layer { input, ..Layer::new(LayerKind::Widen) };
        let output = Quantization::sixteen(scale);
        layer.output = self.tensor(id, id, output)?;
        self.push(node, layer, Quantized::default(), output, id);
        Ok(())
    }

    /// Whether a node, perhaps with ReLU behind it, is the embedding and can be made with 16 bits.
    fn is_last(&self, id: NodeId) -> bool {
        let (stored, _) = self.stored(id);
        let bounded = matches!(self.graph.node(stored).operator, Operator::Activation(Activation::Relu6));
        let matrix = matches!(self.graph.node(id).operator, Operator::FullyConnected { .. });
        stored == self.graph.embedding && matrix && !bounded
    }

    /// The node whose values are stored (the activation function's, if it is the only reader) and their range.
    fn stored(&self, id: NodeId) -> (NodeId, Range) {
        let stored = match self.joined.readers(id) {
            [reader] if matches!(self.graph.node(*reader).operator, Operator::Activation(_)) => *reader,
            _ => id,
        };
        (stored, self.ranges[stored.0])
    }

    /// The greatest integer of a layer's result of 16 bits.
    fn greatest(&self, node: &Node, layer: &Layer) -> i32 {
        match (layer.kind, usize::from(layer.input).checked_sub(1)) {
            (LayerKind::MaxPool, Some(writer)) => self.lowered.layers[writer].layer.wide_high.into(),
            _ => self.wide.get(&node.name).map_or(INT16.1, |&greatest| greatest.into()),
        }
    }

    /// The quantization over `range` of the result of a node's layer, with steps of at least `least_scale`.
    fn output(&self, node: &Node, range: Range, least_scale: f64) -> Quantization {
        match self.wide.get(&node.name) {
            Some(&greatest) => Quantization::int16(range, greatest, least_scale),
            None => Quantization::int8(range, least_scale),
        }
    }

    /// Number and quantization of an input of the shape that its node has.
    fn input(&self, node: &Node, index: usize) -> Result<(u16, Quantization), QuantizeError> {
        let (tensor, quantization) = self.any_input(node, index)?;
        let (shape, found) =
            (self.graph.node(node.inputs[index]).shape, self.lowered.tensors[usize::from(tensor)].shape);
        if [shape.height, shape.width, shape.channels] != [found.height, found.width, found.channels].map(usize::from) {
            return Err(QuantizeError::Flattened { node: node.name.clone() });
        }
        Ok((tensor, quantization))
    }

    /// The same, where its values may have been flattened.
    fn any_input(&self, node: &Node, index: usize) -> Result<(u16, Quantization), QuantizeError> {
        let tensor = node.inputs.get(index).and_then(|input| self.tensor_of[input.0]);
        let tensor = tensor.ok_or_else(|| misfit(node))?;
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
        if output.width == Width::Sixteen && !layer.kind.is_last() {
            let greatest = self.greatest(node, &layer);
            // Bounds have 16 bits, as integers of this width do.
            [layer.wide_low, layer.wide_high] =
                [low, high].map(|bound| output.integer(bound).clamp(-greatest, greatest) as i16);
        } else {
            (layer.low, layer.high) = (output.quantize(low), output.quantize(high));
        }
        let Quantized { weights, biases, multipliers } = constants;
        let shape = |number: u16| self.lowered.tensors[usize::from(number)].shape;
        let (input, result) = (shape(layer.input), shape(layer.output));
        let weights = trim::trim(&mut layer, weights, input, result);
        self.lowered.layers.push(LoweredLayer { name: node.name.clone(), layer, weights, biases, multipliers });
    }
}

fn too_large(node: &Node) -> QuantizeError {
    QuantizeError::TooLarge { node: node.name.clone() }
}

fn misfit(node: &Node) -> QuantizeError {
    QuantizeError::Operands { node: node.name.clone() }
}

/// An extent, step or padding of a window, which the format keeps in 8 bits.
fn small(node: &Node, extent: usize) -> Result<u8, QuantizeError> {
    u8::try_from(extent).map_err(|_| too_large(node))
}
