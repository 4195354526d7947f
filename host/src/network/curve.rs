//! Element-wise functions that are no clamps: sigmoid, its piecewise linear stand-ins, and the parametric ReLU.

use super::builder::Builder;
use super::{NodeId, Operator, Role};

/// Slope of a new [`Operator::PRelu`] (He 2015, §2.1).
const SLOPE: f32 = 0.25;

/// A function of one value without parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curve {
    /// [`Operator::Sigmoid`]
    Sigmoid,
    /// [`Operator::HardSigmoid`]
    HardSigmoid,
    /// [`Operator::HardSwish`]
    HardSwish,
}

impl Curve {
    /// The curve that `operator` is, if it is one.
    pub fn of(operator: &Operator) -> Option<Self> {
        match operator {
            Operator::Sigmoid => Some(Self::Sigmoid),
            Operator::HardSigmoid => Some(Self::HardSigmoid),
            Operator::HardSwish => Some(Self::HardSwish),
            _ => None,
        }
    }

    /// y(x)
    pub fn value(self, x: f32) -> f32 {
        match self {
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Self::HardSigmoid => (x / 6.0 + 0.5).clamp(0.0, 1.0),
            Self::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
        }
    }

    /// dy/dx, from the left where it jumps.
    pub fn slope(self, x: f32) -> f32 {
        match self {
            Self::Sigmoid => {
                let y = self.value(x);
                y * (1.0 - y)
            }
            Self::HardSigmoid if x > -3.0 && x <= 3.0 => 1.0 / 6.0,
            Self::HardSigmoid => 0.0,
            Self::HardSwish if x > 3.0 => 1.0,
            Self::HardSwish if x > -3.0 => x / 3.0 + 0.5,
            Self::HardSwish => 0.0,
        }
    }
}

/// y = max(x, 0) + slope·min(x, 0) over rows of channels.
pub(super) fn prelu(slope: &[f32], input: &[f32], output: &mut [f32]) {
    for (x, y) in input.chunks_exact(slope.len()).zip(output.chunks_exact_mut(slope.len())) {
        for ((y, x), slope) in y.iter_mut().zip(x).zip(slope) {
            *y = x.max(0.0) + slope * x.min(0.0);
        }
    }
}

/// dx = dy where x > 0, else slope·dy; added to `d_input` where it accumulates.
pub(crate) fn prelu_gradient(slope: &[f32], (x, dy): (&[f32], &[f32]), d_input: &mut [f32], accumulate: bool) {
    for ((index, d), (x, dy)) in d_input.iter_mut().enumerate().zip(x.iter().zip(dy)) {
        let gradient = if *x > 0.0 { *dy } else { slope[index % slope.len()] * dy };
        *d = if accumulate { *d + gradient } else { gradient };
    }
}

/// dslope\[c\] += Σ min(x, 0)·dy
pub(super) fn slope_gradient(x: &[f32], dy: &[f32], d_slope: &mut [f32]) {
    for (x, dy) in x.chunks_exact(d_slope.len()).zip(dy.chunks_exact(d_slope.len())) {
        for ((sum, x), dy) in d_slope.iter_mut().zip(x).zip(dy) {
            *sum += x.min(0.0) * dy;
        }
    }
}

impl Builder {
    /// `curve` of every value.
    pub fn curve(&mut self, name: &str, from: NodeId, curve: Curve) -> NodeId {
        let operator = match curve {
            Curve::Sigmoid => Operator::Sigmoid,
            Curve::HardSigmoid => Operator::HardSigmoid,
            Curve::HardSwish => Operator::HardSwish,
        };
        self.node(name, operator, &[from], self.shape(from))
    }

    /// A parametric ReLU with slopes of ¼.
    pub fn prelu(&mut self, name: &str, from: NodeId) -> NodeId {
        let shape = self.shape(from);
        let slope = self.constant(&format!("{name}.slope"), shape.channels, SLOPE, Role::Affine);
        self.node(name, Operator::PRelu { slope }, &[from], shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_the_differences_of_the_values() {
        for curve in [Curve::Sigmoid, Curve::HardSigmoid, Curve::HardSwish] {
            for x in [-7.0, -2.9, -1.0, -0.1, 0.0, 0.4, 2.0, 2.9, 5.0] {
                let difference = (curve.value(x + 0.01) - curve.value(x - 0.01)) / 0.02;
                assert!((curve.slope(x) - difference).abs() < 1e-3, "{curve:?}({x})");
            }
            assert_eq!(curve.value(-200.0).abs(), 0.0);
        }
        assert_eq!([-3.0, 0.0, 3.0].map(|x| Curve::HardSigmoid.value(x)), [0.0, 0.5, 1.0]);
        assert_eq!([-3.0, 1.5, 4.0].map(|x| Curve::HardSwish.value(x)), [0.0, 1.125, 4.0]);
    }
}
