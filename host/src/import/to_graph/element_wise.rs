//! Activations, sums and gates.

use super::call::Call;
use super::obstacle::{Obstacle, advice};
use super::value::{Affine, Part, Value};
use super::walker::Walker;
use crate::network::{Activation, NodeId, Operator, Role};

/// Slope of a leaky ReLU where the file says nothing (ONNX, LeakyRelu).
const LEAK: f64 = 0.01;
/// α and β of a hard sigmoid where the file says nothing (ONNX, HardSigmoid).
const HARD_SIGMOID: [f64; 2] = [0.2, 0.5];
/// How exactly ⅙ and ½ must be met by constants in f32.
const NEAR: f64 = 1e-6;

impl<'a> Walker<'a> {
    /// Add, Sub, Mul, Div and Sum: with a constant, or of two values.
    pub fn arithmetic(&mut self, call: Call<'a>) -> Result<(), Obstacle> {
        let constant = |walker: &Self, index: usize| call.input(index).is_some_and(|name| walker.known(name).is_some());
        if call.0.input.len() == 2 {
            for at in [0, 1] {
                if constant(self, 1 - at) {
                    return self.with_constant(call, at);
                }
            }
        }
        match call.operator() {
            "Mul" => self.product(call),
            "Div" => self.quotient(call),
            "Add" | "Sum" => self.sum(call),
            other => Err(Obstacle::Operator { advice: advice(other) }),
        }
    }

    /// A sum of values of the same extents. Gated maps are added by one operator.
    fn sum(&mut self, call: Call<'a>) -> Result<(), Obstacle> {
        if call.0.input.len() == 1 {
            return self.reshape(call);
        }
        let mut total = self.settled(call, 0)?;
        let mut alone = self.alone(call, 0, &total);
        for index in 1..call.0.input.len() {
            let value = self.settled(call, index)?;
            let (left, right) = (self.extents(total.node), self.extents(value.node));
            if left.shape != right.shape || total.layout != value.layout {
                let [left, right] = [total.layout.lengths(&left), value.layout.lengths(&right)];
                return Err(Obstacle::Broadcast { left: format!("{left:?}"), right: format!("{right:?}") });
            }
            let gated = [total.node, value.node].map(|node| self.nodes[node.0].operator == Operator::ChannelScale);
            let (operator, inputs) = if gated == [true; 2] && alone && self.alone(call, index, &value) {
                let inputs = [total.node, value.node].map(|node| self.nodes[node.0].inputs.clone());
                (Operator::ChannelScale, inputs.concat())
            } else {
                (Operator::Add, vec![total.node, value.node])
            };
            let node = self.node(call.name(), operator, &inputs, left.shape);
            total = Value::of(node, total.layout);
            alone = true;
        }
        self.define(call, 0, total);
        Ok(())
    }

    /// Whether nobody else sees the node behind an input.
    fn alone(&self, call: Call<'a>, index: usize, value: &Value) -> bool {
        value.sole && self.uses(call.input(index).unwrap_or_default()) == 1
    }

    /// A gate times a map, or a part of a pattern.
    fn product(&mut self, call: Call<'a>) -> Result<(), Obstacle> {
        if call.input(0) == call.input(1) {
            return self.square(call, 0);
        }
        for at in [0, 1] {
            let (x, gate) = (self.any_value(call, at)?, self.any_value(call, 1 - at)?);
            if gate.part == Some(Part::InverseLength) {
                return self.normalized(call, &x, &gate);
            }
            if self.is_hard_swish(&x, &gate) {
                let layout = gate.layout.clone();
                let node = self.node(call.name(), Operator::HardSwish, &[x.node], self.nodes[x.node.0].shape);
                let value = Value::of(node, layout);
                self.define(call, 0, gate.affine.into_iter().fold(value, Value::then));
                return Ok(());
            }
        }
        let [left, right] = [self.factor(call, 0)?, self.factor(call, 1)?];
        let (map, gate) = if self.gates(&left, &right) { (left, right) } else { (right, left) };
        if !self.gates(&map, &gate) {
            return Err(Obstacle::Product);
        }
        self.define_like(call, Operator::ChannelScale, &[map.node, gate.node], map.layout);
        Ok(())
    }

    /// A value or a gate that is repeated at every position.
    fn factor(&mut self, call: Call<'a>, index: usize) -> Result<Value, Obstacle> {
        let value = self.any_value(call, index)?;
        if value.part == Some(Part::Spread) { Ok(Value { part: None, ..value }) } else { self.settled(call, index) }
    }

    /// Whether `gate` holds a value a channel of `map`, at its channels' axis.
    fn gates(&self, map: &Value, gate: &Value) -> bool {
        let [of_map, of_gate] = [map, gate].map(|value| self.nodes[value.node.0].shape);
        let aligned = map.layout.0.iter().rev().zip(gate.layout.0.iter().rev());
        let rank = map.layout.0.len() >= gate.layout.0.len();
        let is_vector = of_gate.height * of_gate.width == 1 && of_gate.channels == of_map.channels;
        is_vector && rank && aligned.into_iter().all(|(map, gate)| gate.is_empty() || map == gate)
    }

    /// Whether `gate` is k·(hard sigmoid of x).
    fn is_hard_swish(&self, x: &Value, gate: &Value) -> bool {
        let node = &self.nodes[gate.node.0];
        let scaled = gate.affine.as_ref().is_none_or(|affine| matches!(affine.as_uniform(), Some((_, 0.0))));
        let whole = x.part.is_none() && gate.part.is_none() && x.affine.is_none();
        whole && scaled && node.operator == Operator::HardSigmoid && node.inputs[0] == x.node && x.layout == gate.layout
    }

    /// Clip, or Max and Min with a constant.
    pub fn bounds(&mut self, call: Call<'a>) -> Result<(), Obstacle> {
        if call.operator() == "Clip" {
            let bound = |walker: &Self, index: usize, name: &'static str, none: f64| match call.input(index) {
                Some(_) => walker.constant(call, index, name).map(|constant| constant.scalar().unwrap_or(f64::NAN)),
                None => Ok(call.real(name).unwrap_or(none)),
            };
            let low = bound(self, 1, "min", f64::NEG_INFINITY)?;
            return self.clip(call, low, bound(self, 2, "max", f64::INFINITY)?);
        }
        let at = usize::from(call.input(1).is_some_and(|name| self.known(name).is_none()));
        let Some(bound) = self.constant(call, 1 - at, "bound")?.scalar() else {
            return Err(Obstacle::Setting { what: "bound", found: "an array".into(), wanted: "one number" });
        };
        let (low, high) = if call.operator() == "Max" { (bound, f64::INFINITY) } else { (f64::NEG_INFINITY, bound) };
        self.clip_input(call, at, low, high)
    }

    /// min(max(x, low), high) of the first input.
    pub fn clip(&mut self, call: Call<'a>, low: f64, high: f64) -> Result<(), Obstacle> {
        self.clip_input(call, 0, low, high)
    }

    fn clip_input(&mut self, call: Call<'a>, at: usize, low: f64, high: f64) -> Result<(), Obstacle> {
        let value = self.any_value(call, at)?;
        if matches!(value.part, Some(Part::Length | Part::SquareSum)) {
            // What keeps a length from being 0.
            self.define(call, 0, value);
            return Ok(());
        }
        if low.is_nan() || high.is_nan() || low >= high {
            let found = format!("{low} to {high}");
            return Err(Obstacle::Setting { what: "range", found, wanted: "two numbers, the lower one first" });
        }
        if low > 0.0 && high == f64::INFINITY && self.only_read_by(call.output(0), "Pow") {
            let value = self.settled(call, at)?;
            self.define(call, 0, value.in_part(Part::Floor(low)));
            return Ok(());
        }
        let value = self.passed(call, at)?;
        self.not_normalized(&value)?;
        let value = self.clamped(value, low, high, call.name());
        self.define(call, 0, value);
        Ok(())
    }

    /// Every clamp as ReLU, ReLU6 or hard sigmoid between two maps that scale and shift.
    fn clamped(&mut self, value: Value, low: f64, high: f64, name: &str) -> Value {
        let channels = self.extents(value.node).shape.channels;
        let affine = |scale: f64, shift: f64| Affine::uniform(channels, scale, shift);
        match (low.is_finite(), high.is_finite()) {
            (false, false) => value,
            (true, false) => {
                let value = value.then(affine(1.0, -low));
                self.activated(value, Activation::Relu, name).then(affine(1.0, low))
            }
            (_, true) if low <= 0.0 && high > 0.0 && self.before_relu(&value).is_some() => {
                let node = self.before_relu(&value).unwrap_or(value.node);
                self.clamped(Value { node, sole: false, ..value }, 0.0, high, name)
            }
            (false, true) => {
                let value = value.then(affine(-1.0, high));
                self.activated(value, Activation::Relu, name).then(affine(-1.0, high))
            }
            (true, true) => {
                let width = high - low;
                let put_off = value.affine.as_ref().map_or(Some((1.0, 0.0)), Affine::as_uniform);
                let sixth =
                    |(a, b): (f64, f64)| (a / width - 1.0 / 6.0).abs() < NEAR && ((b - low) / width - 0.5).abs() < NEAR;
                if put_off.is_some_and(sixth) {
                    let node = self.node(name, Operator::HardSigmoid, &[value.node], self.nodes[value.node.0].shape);
                    return Value::of(node, value.layout).then(affine(width, low));
                }
                let value = value.then(affine(6.0 / width, -6.0 * low / width));
                self.activated(value, Activation::Relu6, name).then(affine(width / 6.0, low))
            }
        }
    }

    fn activated(&mut self, value: Value, activation: Activation, name: &str) -> Value {
        let value = self.settle(value, name);
        let shape = self.nodes[value.node.0].shape;
        let node = self.node(name, Operator::Activation(activation), &[value.node], shape);
        Value::of(node, value.layout)
    }

    /// What a plain ReLU, seen by nobody else, reads.
    fn before_relu(&self, value: &Value) -> Option<NodeId> {
        let node = &self.nodes[value.node.0];
        let plain = value.sole && value.affine.is_none();
        (plain && node.operator == Operator::Activation(Activation::Relu)).then(|| node.inputs[0])
    }

    /// PReLU, and the leaky ReLU as one with the same slope for all channels.
    pub fn sloped(&mut self, call: Call<'a>) -> Result<(), Obstacle> {
        let value = self.settled(call, 0)?;
        let extents = self.extents(value.node);
        let channels = extents.shape.channels;
        let slopes = if call.operator() == "LeakyRelu" {
            vec![call.real("alpha").unwrap_or(LEAK); channels]
        } else {
            let slope = self.finite(call, 1, "slope")?;
            let [left, right] = [format!("{:?}", value.layout.lengths(&extents)), format!("{:?}", slope.extents)];
            slope.per_channel(&value.layout, &extents).ok_or(Obstacle::Broadcast { left, right })?
        };
        let slope = self.parameter(&format!("{}.slope", call.name()), vec![channels], slopes, Role::Affine);
        self.define_like(call, Operator::PRelu { slope }, &[value.node], value.layout);
        Ok(())
    }

    /// Sigmoid, hard sigmoid of any slope, hard swish.
    pub fn curve(&mut self, call: Call<'a>) -> Result<(), Obstacle> {
        let operator = match call.operator() {
            "Sigmoid" => Operator::Sigmoid,
            "HardSwish" => Operator::HardSwish,
            _ => {
                let value = self.passed(call, 0)?;
                self.not_normalized(&value)?;
                let channels = self.extents(value.node).shape.channels;
                let [alpha, beta] = [("alpha", HARD_SIGMOID[0]), ("beta", HARD_SIGMOID[1])]
                    .map(|(name, otherwise)| call.real(name).unwrap_or(otherwise));
                // αx + β = x′/6 + ½
                let value = value.then(Affine::uniform(channels, 6.0 * alpha, 6.0 * beta - 3.0));
                let value = self.settle(value, call.name());
                self.define_like(call, Operator::HardSigmoid, &[value.node], value.layout);
                return Ok(());
            }
        };
        let value = self.settled(call, 0)?;
        self.define_like(call, operator, &[value.node], value.layout);
        Ok(())
    }

    /// Whether a node gives nothing below 0.
    pub fn never_negative(&self, node: NodeId) -> bool {
        let node = &self.nodes[node.0];
        match node.operator {
            Operator::Activation(_) | Operator::Sigmoid | Operator::HardSigmoid => true,
            Operator::MaxPool { .. } | Operator::AveragePool { .. } | Operator::Concat | Operator::Add => {
                node.inputs.iter().all(|input| self.never_negative(*input))
            }
            _ => false,
        }
    }
}
