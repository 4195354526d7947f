//! Layers of several inputs: sums, gates and concatenations.

use deja_shared::model::{Layer, LayerKind};
use deja_shared::tensor::Width;

use super::{Lowering, misfit};
use crate::network::{Node, NodeId, Operator};
use crate::quantize::QuantizeError;
use crate::quantize::scale::{GREATEST_FACTOR, GREATEST_SUMMAND, Quantization, multiplier, summand_multiplier};
use crate::quantize::weights::Quantized;

/// Greatest ratio of an added input's scale to the output's: its 16-bit factor keeps 2 fractional bits, and the multiplier
/// 2³⁰ at most.
const GREATEST_ADD_FACTOR: f64 = 8191.0;

impl Lowering<'_> {
    pub(super) fn add(&mut self, id: NodeId, node: &Node) -> Result<(), QuantizeError> {
        let term = node.inputs.iter().position(|&input| self.joined.layer_of(input) == Some(id));
        match term.map(|term| (term, &self.graph.node(node.inputs[term]).operator)) {
            Some((term, Operator::ChannelScale)) => self.channel_scale_add(id, node, 1 - term),
            Some((term, _)) => self.pointwise_add(id, node, 1 - term),
            None => self.plain_add(id, node),
        }
    }

    /// Both inputs are scaled by 16-bit factors `round(scale · 2ˢ)` with the greatest s for which both fit; where something
    /// has 16 bits itself, by factors of 24 fractional bits.
    fn plain_add(&mut self, id: NodeId, node: &Node) -> Result<(), QuantizeError> {
        let mut inputs = [self.input(node, 0)?, self.input(node, 1)?];
        // The sum may take the first one's place, if nobody reads that afterwards.
        if self.is_kept(inputs[0].0, id) {
            inputs.reverse();
        }
        let [(tensor_a, a), (tensor_b, b)] = inputs;
        let (stored, range) = self.stored(id);
        let greatest = f64::from(a.scale.max(b.scale));
        let mut layer = Layer { input: tensor_a, second_input: tensor_b, ..Layer::new(LayerKind::Add) };
        if self.wide.contains_key(&node.name) || [a, b].iter().any(|input| input.width == Width::Sixteen) {
            let output = self.output(node, range, greatest / GREATEST_SUMMAND);
            (layer.multiplier, layer.second_multiplier) =
                (summand_multiplier(a, output), summand_multiplier(b, output));
            layer.output = self.tensor(id, stored, output)?;
            self.push(node, layer, Quantized::default(), output, stored);
            return Ok(());
        }
        let output = Quantization::int8(range, greatest / GREATEST_ADD_FACTOR);
        let ratio = |input: Quantization| f64::from(input.scale) / f64::from(output.scale);
        let shift = (f64::from(i16::MAX) / (greatest / f64::from(output.scale))).log2().floor().clamp(2.0, 30.0);
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

    /// Whether a tensor is read by nodes behind `id` too.
    fn is_kept(&self, tensor: u16, id: NodeId) -> bool {
        let node = self.lowered.tensors[usize::from(tensor)].node;
        self.joined.readers(node).iter().any(|reader| *reader > id)
    }

    pub(super) fn channel_scale(&mut self, id: NodeId, node: &Node) -> Result<(), QuantizeError> {
        if node.inputs.len() != 2 {
            return Err(misfit(node));
        }
        let ((tensor, map), (gate_tensor, gate)) = (self.input(node, 0)?, self.input(node, 1)?);
        let (stored, range) = self.stored(id);
        let scale = f64::from(map.scale) * f64::from(gate.scale);
        let output = self.output(node, range, scale / GREATEST_FACTOR);
        let mut layer = Layer { input: tensor, second_input: gate_tensor, ..Layer::new(LayerKind::ChannelScale) };
        layer.multiplier = multiplier(scale / f64::from(output.scale));
        layer.output = self.tensor(id, stored, output)?;
        self.push(node, layer, Quantized::default(), output, stored);
        Ok(())
    }

    /// `add` of its `summand`-th input and of a scaled map that is computed here.
    fn channel_scale_add(&mut self, id: NodeId, add: &Node, summand: usize) -> Result<(), QuantizeError> {
        let scaled = self.graph.node(add.inputs[1 - summand]);
        let (sum, a) = self.input(add, summand)?;
        let ((tensor, map), (gate_tensor, gate)) = (self.input(scaled, 0)?, self.input(scaled, 1)?);
        let (stored, range) = self.stored(id);
        let scale = f64::from(map.scale) * f64::from(gate.scale);
        let output = self.output(add, range, (scale / GREATEST_FACTOR).max(f64::from(a.scale) / GREATEST_SUMMAND));
        let mut layer = Layer::new(LayerKind::ChannelScaleAdd);
        (layer.input, layer.second_input, layer.third_input) = (sum, tensor, gate_tensor);
        layer.multiplier = multiplier(scale / f64::from(output.scale));
        layer.second_multiplier = summand_multiplier(a, output);
        layer.output = self.tensor(id, stored, output)?;
        self.push(add, layer, Quantized::default(), output, stored);
        Ok(())
    }

    /// A convolution in groups, or two inputs one behind the other.
    pub(super) fn concat(&mut self, id: NodeId, node: &Node) -> Result<(), QuantizeError> {
        if self.joined.layer_of(node.inputs[0]) == Some(id) {
            return self.grouped(id, node);
        }
        if node.inputs.len() != 2 {
            return Err(misfit(node));
        }
        let ((tensor_a, a), (tensor_b, b)) = (self.input(node, 0)?, self.input(node, 1)?);
        let (stored, range) = self.stored(id);
        let output = self.output(node, range, f64::from(a.scale.max(b.scale)) / GREATEST_SUMMAND);
        let mut layer = Layer { input: tensor_a, second_input: tensor_b, ..Layer::new(LayerKind::Concat) };
        layer.multiplier = summand_multiplier(a, output);
        layer.second_multiplier = summand_multiplier(b, output);
        layer.output = self.tensor(id, stored, output)?;
        self.push(node, layer, Quantized::default(), output, stored);
        Ok(())
    }

    /// What only a concatenation reads is quantized as its result is, so that nothing is rounded there once more.
    pub(super) fn share_ranges(&mut self) {
        for index in (0..self.graph.nodes.len()).rev().map(NodeId) {
            let node = self.graph.node(index);
            if !self.joined.is_live(index) || !matches!(node.operator, Operator::Concat) {
                continue;
            }
            let range = self.stored(index).1;
            for &input in node.inputs.iter().filter(|input| self.joined.readers(**input) == [index]) {
                self.ranges[input.0] = range;
            }
        }
    }
}
