//! Factors and addends that are constants: batch norm, a bias, preprocessing. Part of a layer's weights wherever possible.

use super::call::Call;
use super::layout::Axis;
use super::obstacle::Obstacle;
use super::value::{Affine, Part, Value};
use super::walker::Walker;
use crate::network::{NodeId, Operator, ParameterId, Role};

/// ε where the file says nothing (ONNX, BatchNormalization).
const EPSILON: f64 = 1e-5;

impl<'a> Walker<'a> {
    /// γ·(x − μ)/√(σ² + ε) + β with running statistics.
    pub fn batch_norm(&mut self, call: Call<'a>) -> Result<(), Obstacle> {
        call.only("training_mode", 0, "0: export the network in evaluation mode")?;
        let value = self.passed(call, 0)?;
        self.not_normalized(&value)?;
        let extents = self.extents(value.node);
        let channels = extents.shape.channels;
        let lengths = value.layout.lengths(&extents);
        let second = value.layout.0.get(1).map_or(&[][..], Vec::as_slice);
        if second != [Axis::Channel] && !(second.is_empty() && channels == 1) {
            return Err(Obstacle::Layout { found: format!("{lengths:?}") });
        }
        let [gamma, beta, mean, variance] = [(1, "scale"), (2, "bias"), (3, "mean"), (4, "variance")]
            .map(|(index, what)| self.finite(call, index, what).map(|constant| constant.values));
        let (gamma, beta, mean, variance) = (gamma?, beta?, mean?, variance?);
        if [&gamma, &beta, &mean, &variance].iter().any(|list| list.len() != channels) {
            let found = format!("{} values", gamma.len());
            return Err(Obstacle::Setting { what: "scale", found, wanted: "one value a channel" });
        }
        let epsilon = call.real("epsilon").unwrap_or(EPSILON);
        let scale: Vec<f64> = gamma.iter().zip(&variance).map(|(g, v)| g / (v + epsilon).sqrt()).collect();
        let shift = beta.iter().zip(&mean).zip(&scale).map(|((b, m), s)| b - m * s).collect();
        self.define(call, 0, value.then(Affine { scale, shift }));
        Ok(())
    }

    /// −x
    pub fn negation(&mut self, call: Call<'a>) -> Result<(), Obstacle> {
        let value = self.passed(call, 0)?;
        self.not_normalized(&value)?;
        let channels = self.extents(value.node).shape.channels;
        self.define(call, 0, value.then(Affine::uniform(channels, -1.0, 0.0)));
        Ok(())
    }

    /// x ∘ c or c ∘ x with a constant c, where `at` is the place of x.
    pub fn with_constant(&mut self, call: Call<'a>, at: usize) -> Result<(), Obstacle> {
        let constant = self.finite(call, 1 - at, "constant")?;
        let part = self.any_value(call, at)?.part;
        if matches!(part, Some(Part::Length | Part::SquareSum)) && call.operator() == "Add" {
            // ε, which keeps a length from being 0.
            let value = self.any_value(call, at)?;
            self.define(call, 0, value);
            return Ok(());
        }
        let value = self.passed(call, at)?;
        let extents = self.extents(value.node);
        let lengths = value.layout.lengths(&extents);
        let broadcast =
            || Obstacle::Broadcast { left: format!("{lengths:?}"), right: format!("{:?}", constant.extents) };
        let c = constant.per_channel(&value.layout, &extents).ok_or_else(broadcast)?;
        if constant.extents.len() > lengths.len() && self.found_extents(call.output(0)) != Some(lengths.clone()) {
            return Err(broadcast());
        }
        let ones = |sign: f64| vec![sign; c.len()];
        let zeros = vec![0.0; c.len()];
        let (scale, shift) = match (call.operator(), at) {
            ("Add" | "Sum", _) => (ones(1.0), c),
            ("Sub", 0) => (ones(1.0), c.iter().map(|c| -c).collect()),
            ("Sub", _) => (ones(-1.0), c),
            ("Mul", _) => (c, zeros),
            ("Div", 0) if c.iter().all(|c| *c != 0.0) => (c.iter().map(|c| 1.0 / c).collect(), zeros),
            _ => {
                let found = "a division of or by something else".into();
                return Err(Obstacle::Setting {
                    what: "operation",
                    found,
                    wanted: "a division by a constant other than 0",
                });
            }
        };
        let affine = Affine { scale, shift };
        let keeps_direction = matches!(affine.as_uniform(), Some((scale, 0.0)) if scale > 0.0);
        if value.direction && !keeps_direction {
            return Err(Obstacle::Normalized);
        }
        self.define(call, 0, value.then(affine));
        Ok(())
    }

    /// Refuses to change what was divided by its length.
    pub fn not_normalized(&self, value: &Value) -> Result<(), Obstacle> {
        if value.direction { Err(Obstacle::Normalized) } else { Ok(()) }
    }

    /// The node whose values are `affine` of those of `node`: the same with other weights where nobody else reads it, or a
    /// filter of one tap a channel behind it.
    pub fn apply(&mut self, affine: &Affine, node: NodeId, sole: bool, name: &str) -> NodeId {
        match self.weight_and_bias(node).filter(|_| sole) {
            Some((weight, bias)) => {
                self.scale(node, weight, bias, affine);
                node
            }
            None => {
                let shape = self.nodes[node.0].shape;
                let list = vec![1, 1, shape.channels];
                let weight = self.parameter(&format!("{name}.scale.weight"), list, affine.scale.clone(), Role::Weight);
                let bias = vec![shape.channels];
                let bias = self.parameter(&format!("{name}.scale.bias"), bias, affine.shift.clone(), Role::Affine);
                let operator = Operator::Depthwise { kernel: 1, stride: 1, padding: 0, weight, bias: Some(bias) };
                self.node(&format!("{name}.scale"), operator, &[node], shape)
            }
        }
    }

    fn weight_and_bias(&self, node: NodeId) -> Option<(ParameterId, Option<ParameterId>)> {
        match self.nodes[node.0].operator {
            Operator::Convolution { weight, bias, .. }
            | Operator::Depthwise { weight, bias, .. }
            | Operator::Pointwise { weight, bias }
            | Operator::FullyConnected { weight, bias } => Some((weight, bias)),
            _ => None,
        }
    }

    /// The output channel is the last axis of every weight.
    fn scale(&mut self, node: NodeId, weight: ParameterId, bias: Option<ParameterId>, affine: &Affine) {
        let channels = affine.scale.len();
        for row in self.parameters[weight.0].values.chunks_exact_mut(channels) {
            row.iter_mut().zip(&affine.scale).for_each(|(w, s)| *w = (f64::from(*w) * s) as f32);
        }
        let bias = bias.unwrap_or_else(|| self.add_bias(node, channels));
        let terms = affine.scale.iter().zip(&affine.shift);
        for (value, (scale, shift)) in self.parameters[bias.0].values.iter_mut().zip(terms) {
            *value = (f64::from(*value) * scale + shift) as f32;
        }
    }

    fn add_bias(&mut self, node: NodeId, channels: usize) -> ParameterId {
        let name = format!("{}.bias", self.nodes[node.0].name);
        let new = self.parameter(&name, vec![channels], vec![0.0; channels], Role::Affine);
        if let Operator::Convolution { bias, .. }
        | Operator::Depthwise { bias, .. }
        | Operator::Pointwise { bias, .. }
        | Operator::FullyConnected { bias, .. } = &mut self.nodes[node.0].operator
        {
            *bias = Some(new);
        }
        new
    }
}
