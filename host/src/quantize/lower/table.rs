//! Element-wise functions: tables, and slopes channel by channel.

use deja_shared::model::{Layer, LayerKind};

use super::Lowering;
use crate::network::{Node, NodeId, Operator, ParameterId};
use crate::quantize::QuantizeError;
use crate::quantize::scale::{GREATEST_SUMMAND, Quantization, summand_factor, summand_multiplier};
use crate::quantize::weights::Quantized;

impl Lowering<'_> {
    /// A table of `function`, with an activation function behind it.
    pub(super) fn lookup(
        &mut self,
        id: NodeId,
        node: &Node,
        function: impl Fn(f32) -> f32,
    ) -> Result<(), QuantizeError> {
        let (tensor, input) = self.input(node, 0)?;
        let (stored, range) = self.stored(id);
        let (low, high) = match self.graph.node(stored).operator {
            Operator::Activation(activation) if stored != id => activation.clamp(),
            _ => (f32::NEG_INFINITY, f32::INFINITY),
        };
        let output = Quantization::int8(range, 0.0);
        let value = |q| output.quantize(function(input.dequantize(q)).max(low).min(high));
        let weights = (-128..=127).map(value).collect();
        let mut layer = Layer { input: tensor, ..Layer::new(LayerKind::Lookup) };
        layer.output = self.tensor(id, stored, output)?;
        self.push(node, layer, Quantized { weights, ..Quantized::default() }, output, stored);
        Ok(())
    }

    pub(super) fn prelu(&mut self, id: NodeId, node: &Node, slope: ParameterId) -> Result<(), QuantizeError> {
        let (tensor, input) = self.input(node, 0)?;
        let (stored, range) = self.stored(id);
        let slopes = &self.graph.parameter(slope).values;
        let steepest = slopes.iter().fold(1.0f64, |steepest, &slope| steepest.max(f64::from(slope).abs()));
        let output = self.output(node, range, steepest * f64::from(input.scale) / GREATEST_SUMMAND);
        let factor = f64::from(input.scale) / f64::from(output.scale);
        let multipliers = slopes.iter().map(|&slope| summand_factor(f64::from(slope) * factor)).collect();
        let mut layer = Layer { input: tensor, ..Layer::new(LayerKind::PRelu) };
        layer.multiplier = summand_multiplier(input, output);
        layer.output = self.tensor(id, stored, output)?;
        self.push(node, layer, Quantized { multipliers, ..Quantized::default() }, output, stored);
        Ok(())
    }
}
