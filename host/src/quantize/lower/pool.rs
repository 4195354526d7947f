//! Pools: means, generalized means and maxima.

use deja_shared::model::{Layer, LayerKind, MAX_FAN_IN, greatest_power};

use super::linear::set_window;
use super::{Lowering, too_large};
use crate::network::pooling::bounded_exponent;
use crate::network::{Node, NodeId};
use crate::quantize::QuantizeError;
use crate::quantize::scale::{GREATEST_FACTOR, Quantization, multiplier};
use crate::quantize::weights::Quantized;

/// Greatest exponent of a generalized mean whose table still tells small values apart.
const GREATEST_EXPONENT: f32 = 10.0;

impl Lowering<'_> {
    /// out = Σ x / positions, of one input.
    pub(super) fn global_average_pool(&mut self, id: NodeId, node: &Node) -> Result<(), QuantizeError> {
        let (tensor, input) = self.input(node, 0)?;
        let (stored, range) = self.stored(id);
        let positions = self.positions(node)?;
        let factor = f64::from(input.scale) / f64::from(positions);
        let output = self.output(node, range, factor / GREATEST_FACTOR);
        let mut layer = Layer { input: tensor, ..Layer::new(LayerKind::GlobalAveragePool) };
        layer.bias = -i32::from(input.zero_point) * positions;
        layer.multiplier = multiplier(factor / f64::from(output.scale));
        layer.output = self.tensor(id, stored, output)?;
        self.push(node, layer, Quantized::default(), output, stored);
        Ok(())
    }

    /// A depthwise layer whose weights are all alike, so that they are exact; over the whole picture, a global pool.
    pub(super) fn average_pool(
        &mut self,
        id: NodeId,
        node: &Node,
        (kernel, stride): (usize, usize),
    ) -> Result<(), QuantizeError> {
        let input = self.graph.node(node.inputs[0]).shape;
        if [input.height, input.width] == [kernel, kernel] {
            return self.global_average_pool(id, node);
        }
        let mut layer = Layer::new(LayerKind::Depthwise);
        set_window(node, &mut layer, (kernel, stride, 0))?;
        let weights = vec![1.0 / (kernel * kernel) as f32; kernel * kernel * node.shape.channels];
        self.constant(id, node, layer, &weights)
    }

    /// Integers are compared, not scaled: the result is quantized as the input is.
    pub(super) fn max_pool(
        &mut self,
        id: NodeId,
        node: &Node,
        window: (usize, usize, usize),
    ) -> Result<(), QuantizeError> {
        let (tensor, quantization) = self.input(node, 0)?;
        let (stored, _) = self.stored(id);
        let mut layer = Layer { input: tensor, ..Layer::new(LayerKind::MaxPool) };
        set_window(node, &mut layer, window)?;
        layer.output = self.tensor(id, stored, quantization)?;
        self.push(node, layer, Quantized::default(), quantization, stored);
        Ok(())
    }

    pub(super) fn generalized_mean_pool(
        &mut self,
        id: NodeId,
        node: &Node,
        (exponent, floor): (f32, f32),
    ) -> Result<(), QuantizeError> {
        let exponent = bounded_exponent(exponent);
        if !(exponent <= GREATEST_EXPONENT && floor.is_finite() && floor > 0.0) {
            return Err(QuantizeError::Exponent { node: node.name.clone(), exponent, floor });
        }
        let (tensor, input) = self.input(node, 0)?;
        let (stored, range) = self.stored(id);
        let output = Quantization::int8(range, 0.0);
        let table = mean_table((input, output), (exponent, floor), self.positions(node)?);
        let weights = table.iter().flat_map(|entry| entry.to_le_bytes().map(|byte| byte as i8)).collect();
        let mut layer = Layer { input: tensor, ..Layer::new(LayerKind::GeneralizedMeanPool) };
        layer.output = self.tensor(id, stored, output)?;
        self.push(node, layer, Quantized { weights, ..Quantized::default() }, output, stored);
        Ok(())
    }

    /// How many values a global pool takes together.
    fn positions(&self, node: &Node) -> Result<i32, QuantizeError> {
        let shape = self.graph.node(node.inputs[0]).shape;
        let positions = i32::try_from(shape.height * shape.width).map_err(|_| too_large(node))?;
        if positions.unsigned_abs() > MAX_FAN_IN {
            return Err(QuantizeError::Accumulator { node: node.name.clone() });
        }
        Ok(positions)
    }
}

/// 256 powers max(x, floor)ᵖ as parts of the greatest, whose sum over n positions has 63 bits, then the sums from which on
/// (Σ/n)^(1/p) is nearer to the next step of the output.
///
/// What lies below 2^((log₂ n − 63)/p) of the greatest value is lost: nothing for p ≤ 7 over 64 positions, two of 255
/// steps for p = 8, five for p = 10.
fn mean_table(
    (input, output): (Quantization, Quantization),
    (exponent, floor): (f32, f32),
    positions: i32,
) -> Vec<u64> {
    let greatest = f64::from(input.dequantize(i8::MAX.into()).max(floor));
    // In a float with 53 bits, so a little less than what fits.
    let unit = (greatest_power(positions.unsigned_abs()) / 2) as f64;
    let power = |x: f64| (x / greatest).powf(exponent.into()) * unit;
    let powers = (-128..=127).map(|q| power(f64::from(input.dequantize(q).max(floor))).round() as u64);
    let threshold = |q: i32| {
        let boundary = (f64::from(q - i32::from(output.zero_point)) + 0.5) * f64::from(output.scale);
        // What is raised to a power lies above zero, so every boundary below is passed.
        if boundary <= 0.0 { 0 } else { (power(boundary) * f64::from(positions)).ceil() as u64 }
    };
    powers.chain((-128..127).map(threshold)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantize::calibrate::Range;

    /// The table against the formula, over pairs of values, for exponents from nearly a mean to nearly a maximum.
    #[test]
    fn the_root_of_the_mean_is_rounded_once() {
        let quantization = |low, high| Quantization::int8(Range { low, high }, 0.0);
        for (exponent, floor, input) in [
            (1.0, 1e-6, quantization(-0.5, 2.0)),
            (3.0, 1e-6, quantization(0.0, 7.0)),
            (7.0, 0.05, quantization(-3.0, 1.0)),
        ] {
            let output = quantization(0.0, input.dequantize(127) * 0.8);
            let table = mean_table((input, output), (exponent, floor), 2);
            for (a, b) in (-128..=127).step_by(3).flat_map(|a| (-128..=127).step_by(7).map(move |b| (a, b))) {
                let sum = table[(a + 128) as usize] + table[(b + 128) as usize];
                let passed = table[256..].iter().filter(|&&threshold| threshold <= sum).count() as i32 - 128;
                let power = |q| f64::from(input.dequantize(q).max(floor)).powf(exponent.into());
                let mean = ((power(a) + power(b)) / 2.0).powf(1.0 / f64::from(exponent));
                let exact = (mean / f64::from(output.scale) + f64::from(output.zero_point)).min(127.0);
                assert!((f64::from(passed) - exact).abs() < 0.51, "{exponent}: {a} and {b} give {passed}, not {exact}");
            }
        }
    }
}
