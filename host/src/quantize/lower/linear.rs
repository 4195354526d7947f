//! Layers with weights: convolutions of every kind, matrices, and what is computed as one of them.

use deja_shared::model::{Layer, LayerKind};
use deja_shared::quant::INT16;
use deja_shared::tensor::Shape;

use super::joined::window;
use super::{Lowering, small, too_large};
use crate::network::{Node, NodeId, Operator};
use crate::quantize::QuantizeError;
use crate::quantize::fold_batch_norm::weight_and_bias;
use crate::quantize::scale::{GREATEST_SUMMAND, Quantization, summand_multiplier};
use crate::quantize::weights::{self, Filters};

/// Greatest integer of a raw embedding.
const RAW: i16 = INT16.1 as i16;

impl Lowering<'_> {
    /// A fully connected layer inside the network is a pointwise one on a single position, or a convolution over all of
    /// them.
    pub(super) fn linear(&mut self, id: NodeId, node: &Node) -> Result<(), QuantizeError> {
        let last = self.is_last(id);
        let (tensor, input) = match node.operator {
            Operator::FullyConnected { .. } => self.any_input(node, 0)?,
            _ => self.input(node, 0)?,
        };
        let mut layer = layer_of(node, self.lowered.tensors[usize::from(tensor)].shape, last)?;
        let (stored, range) = self.stored(id);
        let filters = self.filters(node, layer.kind)?;
        let over = |least| if last { Quantization::int16(range, RAW, least) } else { self.output(node, range, least) };
        let (constants, output) = weights::quantize(filters, &node.name, input, over)?;
        layer.input = tensor;
        layer.output = self.tensor(id, stored, output)?;
        self.push(node, layer, constants, output, stored);
        Ok(())
    }

    /// `add` of its `summand`-th input and of a pointwise layer that is computed here.
    pub(super) fn pointwise_add(&mut self, id: NodeId, add: &Node, summand: usize) -> Result<(), QuantizeError> {
        let pointwise = self.graph.node(add.inputs[1 - summand]);
        let ((sum, a), (tensor, input)) = (self.input(add, summand)?, self.input(pointwise, 0)?);
        let (stored, range) = self.stored(id);
        let mut layer = Layer { input: sum, second_input: tensor, ..Layer::new(LayerKind::PointwiseAdd) };
        let filters = self.filters(pointwise, layer.kind)?;
        let least_for_sum = f64::from(a.scale) / GREATEST_SUMMAND;
        let over = |least: f64| self.output(add, range, least.max(least_for_sum));
        let (constants, output) = weights::quantize(filters, &pointwise.name, input, over)?;
        layer.second_multiplier = summand_multiplier(a, output);
        layer.output = self.tensor(id, stored, output)?;
        self.push(add, layer, constants, output, stored);
        Ok(())
    }

    /// Convolutions of slices, put together again: one convolution in groups.
    pub(super) fn grouped(&mut self, id: NodeId, node: &Node) -> Result<(), QuantizeError> {
        let slice = self.graph.node(self.graph.node(node.inputs[0]).inputs[0]);
        let (tensor, input) = self.input(slice, 0)?;
        let (stored, range) = self.stored(id);
        let mut layer = Layer::new(LayerKind::Convolution);
        set_window(node, &mut layer, window(&self.graph.node(node.inputs[0]).operator).unwrap_or_default())?;
        layer.groups = u16::try_from(node.inputs.len()).map_err(|_| too_large(node))?;
        let parts = node.inputs.iter().map(|&part| self.filters(self.graph.node(part), layer.kind));
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        let biases: Vec<f32> = parts.iter().flat_map(|part| part.biases).copied().collect();
        // The output channel is the last axis, so rows of the parts lie side by side.
        let rows = parts[0].weights.len() / parts[0].biases.len();
        let row = |row: usize| parts.iter().flat_map(move |part| part.weights.chunks(part.biases.len()).nth(row));
        let weights: Vec<f32> = (0..rows).flat_map(row).flatten().copied().collect();
        let filters = Filters { weights: &weights, biases: &biases, transpose: true };
        let over = |least| self.output(node, range, least);
        let (constants, output) = weights::quantize(filters, &node.name, input, over)?;
        layer.input = tensor;
        layer.output = self.tensor(id, stored, output)?;
        self.push(node, layer, constants, output, stored);
        Ok(())
    }

    /// A pointwise layer that picks channels.
    pub(super) fn slice(&mut self, id: NodeId, node: &Node, start: usize) -> Result<(), QuantizeError> {
        let channels = node.shape.channels;
        let rows = self.graph.node(node.inputs[0]).shape.channels;
        let pick = |index: usize| f32::from(index / channels == start + index % channels);
        let weights: Vec<f32> = (0..rows * channels).map(pick).collect();
        self.constant(id, node, Layer::new(LayerKind::Pointwise), &weights)
    }

    /// A layer with weights that are not the network's, and no bias.
    pub(super) fn constant(
        &mut self,
        id: NodeId,
        node: &Node,
        mut layer: Layer,
        weights: &[f32],
    ) -> Result<(), QuantizeError> {
        let (tensor, input) = self.input(node, 0)?;
        let (stored, range) = self.stored(id);
        let biases = vec![0.0; node.shape.channels];
        let filters = Filters { weights, biases: &biases, transpose: layer.kind != LayerKind::Depthwise };
        let over = |least| self.output(node, range, least);
        let (constants, output) = weights::quantize(filters, &node.name, input, over)?;
        layer.input = tensor;
        layer.output = self.tensor(id, stored, output)?;
        self.push(node, layer, constants, output, stored);
        Ok(())
    }

    fn filters(&self, node: &Node, kind: LayerKind) -> Result<Filters<'_>, QuantizeError> {
        let Some((weight, Some(bias))) = weight_and_bias(&node.operator) else {
            return Err(QuantizeError::NotFolded { node: node.name.clone() });
        };
        let (weights, biases) = (&self.graph.parameter(weight).values, &self.graph.parameter(bias).values);
        Ok(Filters { weights, biases, transpose: kind != LayerKind::Depthwise })
    }
}

/// The layer of a node with weights, whose input has the shape `input`.
fn layer_of(node: &Node, input: Shape, last: bool) -> Result<Layer, QuantizeError> {
    let mut layer = Layer::new(match node.operator {
        Operator::Convolution { .. } => LayerKind::Convolution,
        Operator::Depthwise { .. } => LayerKind::Depthwise,
        Operator::FullyConnected { .. } if last => LayerKind::FullyConnected,
        Operator::FullyConnected { .. } if input.positions() > 1 => LayerKind::Convolution,
        _ => LayerKind::Pointwise,
    });
    match node.operator {
        Operator::Convolution { kernel, stride, padding, .. } | Operator::Depthwise { kernel, stride, padding, .. } => {
            set_window(node, &mut layer, (kernel, stride, padding))?;
        }
        _ if layer.kind == LayerKind::Convolution => {
            layer.kernel_height = small(node, input.height.into())?;
            layer.kernel_width = small(node, input.width.into())?;
            layer.stride = 1;
        }
        _ => {}
    }
    Ok(layer)
}

/// Writes the extents of a square window.
pub(super) fn set_window(
    node: &Node,
    layer: &mut Layer,
    (kernel, stride, padding): (usize, usize, usize),
) -> Result<(), QuantizeError> {
    (layer.kernel_height, layer.kernel_width) = (small(node, kernel)?, small(node, kernel)?);
    (layer.padding_top, layer.padding_left) = (small(node, padding)?, small(node, padding)?);
    layer.stride = small(node, stride)?;
    Ok(())
}
