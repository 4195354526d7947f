//! Pools: over windows, over whole maps, and the generalized mean, which files spell in four nodes.

use super::call::{Call, axis_of};
use super::layout::{Axis, Layout};
use super::linear::constant_filter;
use super::obstacle::Obstacle;
use super::value::{Part, Value};
use super::walker::Walker;
use super::window::{Square, Window, covering};
use crate::network::{NodeId, Operator, Role, Shape};

/// Floor of a generalized mean over values that are not negative anyway.
const LEAST: f64 = 1e-6;
/// How exactly the two exponents of a generalized mean must be each other's inverse.
const NEAR: f64 = 1e-4;

impl<'a> Walker<'a> {
    /// The mean over rows and columns, at once or one after the other.
    pub fn mean(&mut self, call: Call<'a>) -> Result<(), Obstacle> {
        let (value, layout, done) = self.reduced(call)?;
        let node = value.node;
        match value.part {
            _ if !done => self.define(call, 0, Value { layout, ..value }.in_part(Part::HalfMean)),
            Some(Part::Power { floor, exponent, .. }) => {
                let part = Part::Power { floor, exponent, mean: true };
                self.define(call, 0, Value { layout, ..value }.in_part(part));
            }
            _ => {
                let pooled = self.pooled(call.name(), Operator::GlobalAveragePool, node);
                self.define(call, 0, Value::of(pooled, layout));
            }
        }
        Ok(())
    }

    /// The greatest value of each channel.
    pub fn greatest(&mut self, call: Call<'a>) -> Result<(), Obstacle> {
        let (value, layout, done) = self.reduced(call)?;
        if !done || value.part.is_some() {
            return Err(Obstacle::Layout { found: format!("{:?}", value.layout.lengths(&self.extents(value.node))) });
        }
        let shape = self.nodes[value.node.0].shape;
        let Square { kernel, stride, padding, .. } = covering([shape.height, shape.width]);
        let pooled = self.pooled(call.name(), Operator::MaxPool { kernel, stride, padding }, value.node);
        self.define(call, 0, Value::of(pooled, layout));
        Ok(())
    }

    /// The input of a reduction, its layout without the reduced axes, and whether neither rows nor columns are left.
    fn reduced(&mut self, call: Call<'a>) -> Result<(Value, Layout, bool), Obstacle> {
        let value = self.any_value(call, 0)?;
        let begun = matches!(value.part, Some(Part::HalfMean | Part::Power { mean: false, .. }));
        let value = if begun { value } else { self.settled(call, 0)? };
        let axes = self.reduced_axes(call, value.layout.0.len())?;
        let gone: Vec<Axis> = axes.iter().flat_map(|axis| value.layout.0[*axis].clone()).collect();
        if gone.contains(&Axis::Channel) || gone.contains(&Axis::Batch) {
            return Err(Obstacle::Layout { found: format!("{:?}", value.layout.lengths(&self.extents(value.node))) });
        }
        let mut layout = value.layout.without(&gone);
        let done = !layout.0.iter().flatten().any(|axis| matches!(axis, Axis::Row | Axis::Column));
        let keeps = call.operator().starts_with("Global") || call.integer("keepdims").unwrap_or(1) != 0;
        if !keeps {
            let groups = layout.0.into_iter().enumerate();
            layout = Layout(groups.filter(|(at, _)| !axes.contains(at)).map(|(_, group)| group).collect());
        }
        Ok((value, layout, done))
    }

    /// Which axes a reduction takes.
    pub fn reduced_axes(&self, call: Call<'a>, rank: usize) -> Result<Vec<usize>, Obstacle> {
        if call.operator().starts_with("Global") {
            return Ok((2..rank).collect());
        }
        let given = self.whole_numbers(call, 1, "axes")?.or_else(|| call.integers("axes").map(<[i64]>::to_vec));
        let axes: Option<Vec<usize>> = match &given {
            Some(axes) => axes.iter().map(|axis| axis_of(*axis, rank)).collect(),
            None => Some((0..rank).collect()),
        };
        let found = format!("{given:?}");
        axes.ok_or(Obstacle::Setting { what: "axes", found, wanted: "axes of its input" })
    }

    /// `[1, 1, channels]` from a map.
    fn pooled(&mut self, name: &str, operator: Operator, node: NodeId) -> NodeId {
        let shape = self.nodes[node.0].shape;
        if shape.height * shape.width == 1 {
            return node;
        }
        self.node(name, operator, &[node], Shape::new(1, 1, shape.channels))
    }

    /// The greatest value under each position of a window.
    pub fn max_pool(&mut self, call: Call<'a>) -> Result<(), Obstacle> {
        if self.uses(call.output(1)) > 0 && !call.output(1).is_empty() {
            let found = "read".into();
            return Err(Obstacle::Setting { what: "second output", found, wanted: "unused" });
        }
        let value = self.unpadded(call)?;
        if value.padding != [0; 4] && !self.never_negative(value.node) {
            return Err(Obstacle::Window);
        }
        self.map_only(&Value { padding: [0; 4], ..value.clone() })?;
        let window = self.window(call, &value, &kernel(call)?)?;
        let Square { kernel, stride, padding, .. } = window.square_pool().ok_or(Obstacle::Window)?;
        let shape = Shape::new(window.out[0], window.out[1], self.nodes[value.node.0].shape.channels);
        self.define_map(call, Operator::MaxPool { kernel, stride, padding }, &[value.node], shape);
        Ok(())
    }

    /// The mean under each position of a window; one with zeros around the map is a filter of equal weights.
    pub fn average_pool(&mut self, call: Call<'a>) -> Result<(), Obstacle> {
        let value = self.any_value(call, 0)?;
        let power = matches!(value.part, Some(Part::Power { mean: false, .. }));
        let value = if power { value } else { self.unpadded(call)? };
        self.map_only(&Value { padding: [0; 4], ..value.clone() })?;
        let window = self.window(call, &value, &kernel(call)?)?;
        let inside = window.before == [0, 0] && window.ends() == [0, 0];
        if inside && window.kernel == window.extent {
            let layout = Layout::map(&self.extents(value.node)).without(&[Axis::Row, Axis::Column]);
            if let Some(Part::Power { floor, exponent, .. }) = value.part {
                let part = Part::Power { floor, exponent, mean: true };
                self.define(call, 0, Value { layout, ..value }.in_part(part));
                return Ok(());
            }
            let pooled = self.pooled(call.name(), Operator::GlobalAveragePool, value.node);
            self.define(call, 0, Value::of(pooled, layout));
            return Ok(());
        }
        if power {
            return Err(Obstacle::Unfinished { part: "a power", whole: "a generalized-mean pool" });
        }
        self.windowed_mean(call, &value, window, inside)
    }

    fn windowed_mean(&mut self, call: Call<'a>, value: &Value, window: Window, inside: bool) -> Result<(), Obstacle> {
        let channels = self.nodes[value.node.0].shape.channels;
        let shape = Shape::new(window.out[0], window.out[1], channels);
        let [kernel, stride] = [window.kernel, window.stride];
        if inside && kernel[0] == kernel[1] && stride[0] == stride[1] {
            let operator = Operator::AveragePool { kernel: kernel[0], stride: stride[0] };
            self.define_map(call, operator, &[value.node], shape);
            return Ok(());
        }
        let pads: [usize; 4] = call.counts("pads")?.unwrap_or_default();
        let includes = call.integer("count_include_pad").unwrap_or(0) != 0;
        let own = pads != [0; 4] || call.text("auto_pad").is_some_and(|kind| kind.starts_with("SAME"));
        let ends = window.ends();
        let reached = (0..2).all(|axis| ends[axis] <= pads[2 + axis].saturating_add(value.padding[2 + axis]));
        if !inside && (own && !includes || !reached) {
            let found = "0, or it rounds up".into();
            return Err(Obstacle::Setting { what: "count_include_pad", found, wanted: "1, with ceil_mode 0" });
        }
        let square = window.square().ok_or(Obstacle::Window)?;
        let weight = constant_filter(&window, &square, channels, 1.0 / (kernel[0] * kernel[1]) as f64);
        let extents = vec![square.kernel, square.kernel, channels];
        let weight = self.parameter(&format!("{}.weight", call.name()), extents, weight, Role::Weight);
        let Square { kernel, stride, padding, .. } = square;
        let operator = Operator::Depthwise { kernel, stride, padding, weight, bias: None };
        self.define_map(call, operator, &[value.node], shape);
        Ok(())
    }

    /// A power with a constant exponent: of a generalized mean, or of a length.
    pub fn power(&mut self, call: Call<'a>) -> Result<(), Obstacle> {
        let Some(exponent) = self.finite(call, 1, "exponent")?.scalar() else {
            let found = "an array".into();
            return Err(Obstacle::Setting { what: "exponent", found, wanted: "one number" });
        };
        let value = self.any_value(call, 0)?;
        match value.part {
            Some(Part::Floor(floor)) if exponent >= 1.0 => {
                self.define(call, 0, value.in_part(Part::Power { floor, exponent, mean: false }));
            }
            Some(Part::Power { floor, exponent: p, mean: true }) if (exponent * p - 1.0).abs() < NEAR => {
                self.generalized_mean(call, &value, floor, p);
            }
            Some(Part::SquareSum) if exponent == 0.5 => self.define(call, 0, value.in_part(Part::Length)),
            None if exponent == 2.0 && self.is_vector(&value) => self.square(call, 0)?,
            None if exponent >= 1.0 && self.never_negative(value.node) && value.affine.is_none() => {
                let value = self.settled(call, 0)?;
                self.define(call, 0, value.in_part(Part::Power { floor: LEAST, exponent, mean: false }));
            }
            _ => return Err(Obstacle::Unfinished { part: "a power", whole: "a generalized-mean pool" }),
        }
        Ok(())
    }

    fn generalized_mean(&mut self, call: Call<'a>, value: &Value, floor: f64, exponent: f64) {
        let name = format!("{}.exponent", call.name());
        let exponent = self.parameter(&name, vec![1], vec![exponent], Role::Affine);
        let operator = Operator::GeneralizedMeanPool { exponent, floor: floor as f32 };
        let shape = Shape::new(1, 1, self.nodes[value.node.0].shape.channels);
        let node = self.node(call.name(), operator, &[value.node], shape);
        self.define(call, 0, Value::of(node, value.layout.clone()));
    }
}

fn kernel(call: Call) -> Result<[usize; 2], Obstacle> {
    let missing = || Obstacle::Setting { what: "kernel_shape", found: "missing".into(), wanted: "given" };
    call.counts("kernel_shape")?.ok_or_else(missing)
}

impl Window {
    /// How far the last position reaches over the last row and column.
    fn ends(&self) -> [usize; 2] {
        [0, 1].map(|axis| {
            let last = (self.out[axis] - 1).saturating_mul(self.stride[axis]);
            last.saturating_add(self.reach(axis)).saturating_sub(self.before[axis].saturating_add(self.extent[axis]))
        })
    }
}
