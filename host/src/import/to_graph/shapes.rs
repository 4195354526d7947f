//! Nodes that move values, or only name their axes anew.

use tract_onnx::pb::tensor_proto::DataType;

use super::call::{Call, axis_of};
use super::layout::{Axis, Layout};
use super::obstacle::Obstacle;
use super::value::{Part, Value};
use super::walker::Walker;
use crate::network::{Operator, Shape};

impl<'a> Walker<'a> {
    /// The same values in the same order under other extents, or unchanged.
    pub fn reshape(&mut self, call: Call<'a>) -> Result<(), Obstacle> {
        if call.operator() == "Cast" {
            call.only("to", i64::from(i32::from(DataType::Float)), "1, which is FLOAT")?;
        }
        let value = self.any_value(call, 0)?;
        if matches!(value.part, Some(Part::Length | Part::SquareSum | Part::InverseLength)) {
            self.define(call, 0, value);
            return Ok(());
        }
        let value = self.passed(call, 0)?;
        let extents = self.extents(value.node);
        let lengths = value.layout.lengths(&extents);
        let wanted = self.found_extents(call.output(0)).unwrap_or_else(|| lengths.clone());
        let layout = value.layout.reshape(&extents, &wanted);
        let layout = layout.ok_or_else(|| Obstacle::Layout { found: format!("{lengths:?}, made {wanted:?}") })?;
        self.define(call, 0, Value { layout, ..value });
        Ok(())
    }

    /// Other order of axes.
    pub fn transpose(&mut self, call: Call<'a>) -> Result<(), Obstacle> {
        let value = self.passed(call, 0)?;
        let rank = value.layout.0.len();
        let order: Option<Vec<usize>> = match call.integers("perm") {
            Some(order) => order.iter().map(|axis| axis_of(*axis, rank)).collect(),
            None => Some((0..rank).rev().collect()),
        };
        let layout = order.and_then(|order| value.layout.transpose(&order));
        let found = format!("{:?}", call.integers("perm"));
        let layout = layout.ok_or(Obstacle::Setting { what: "perm", found, wanted: "an order of its input's axes" })?;
        self.define(call, 0, Value { layout, ..value });
        Ok(())
    }

    /// Channels one behind the other.
    pub fn concatenation(&mut self, call: Call<'a>) -> Result<(), Obstacle> {
        let inputs = (0..call.0.input.len()).map(|index| self.settled(call, index)).collect::<Result<Vec<_>, _>>()?;
        let first = &inputs[0];
        let axis = axis_of(call.integer("axis").unwrap_or(1), first.layout.0.len());
        let channel = |group: &Vec<Axis>| group.is_empty() || group[..] == [Axis::Channel];
        let spread = |value: &Value| -> Option<(Layout, [usize; 2])> {
            let mut layout = value.layout.clone();
            let Shape { height, width, .. } = self.nodes[value.node.0].shape;
            let group = layout.0.get_mut(axis?).filter(|group| channel(group))?;
            *group = vec![Axis::Channel];
            Some((layout, [height, width]))
        };
        let wanted = spread(first);
        let channels = inputs.iter().map(|value| self.nodes[value.node.0].shape.channels).sum();
        let Some((layout, [height, width])) = wanted.clone() else {
            return Err(Obstacle::Layout { found: format!("{:?}", first.layout.lengths(&self.extents(first.node))) });
        };
        if let Some(other) = inputs.iter().find(|value| spread(value) != wanted) {
            let [left, right] = [first, other].map(|value| value.layout.lengths(&self.extents(value.node)));
            return Err(Obstacle::Broadcast { left: format!("{left:?}"), right: format!("{right:?}") });
        }
        let nodes: Vec<_> = inputs.iter().map(|value| value.node).collect();
        let node = self.node(call.name(), Operator::Concat, &nodes, Shape::new(height, width, channels));
        self.define(call, 0, Value::of(node, layout));
        Ok(())
    }

    /// Channels in several outputs.
    pub fn split(&mut self, call: Call<'a>) -> Result<(), Obstacle> {
        let value = self.settled(call, 0)?;
        let axis = axis_of(call.integer("axis").unwrap_or(0), value.layout.0.len());
        let mut start = 0;
        for index in 0..call.0.output.len() {
            let extents = self.found_extents(call.output(index)).unwrap_or_default();
            let Some(length) = axis.and_then(|axis| extents.get(axis).copied()) else {
                return Err(Obstacle::Input { name: call.output(index).into() });
            };
            self.channels(call, index, &value, axis, (start, length))?;
            start += length;
        }
        Ok(())
    }

    /// Some neighbouring channels.
    pub fn slice(&mut self, call: Call<'a>) -> Result<(), Obstacle> {
        let value = self.settled(call, 0)?;
        let lengths = value.layout.lengths(&self.extents(value.node));
        let list = |walker: &Self, index: usize, name: &'static str| {
            let given = walker.whole_numbers(call, index, name)?;
            Ok::<_, Obstacle>(given.or_else(|| call.integers(name).map(<[i64]>::to_vec)))
        };
        let starts = list(self, 1, "starts")?.unwrap_or_default();
        let axes = list(self, 3, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = list(self, 4, "steps")?.unwrap_or_default();
        let found = self.found_extents(call.output(0)).unwrap_or_default();
        let setting = || Obstacle::Setting {
            what: "range",
            found: format!("{found:?} of {lengths:?}"),
            wanted: "one of neighbouring channels",
        };
        let mut range = None;
        for (start, axis) in starts.iter().zip(axes) {
            let axis = axis_of(axis, lengths.len()).ok_or_else(setting)?;
            let (length, wanted) = (lengths[axis], *found.get(axis).ok_or_else(setting)?);
            if length != wanted {
                let from_end = start.unsigned_abs().min(length as u64) as usize;
                let start = if *start < 0 { length - from_end } else { from_end };
                if range.replace((axis, start, wanted)).is_some() || start + wanted > length {
                    return Err(setting());
                }
            }
        }
        match range {
            None if steps.iter().all(|step| *step > 0) => self.define(call, 0, Value { sole: false, ..value }),
            Some((axis, start, wanted)) if steps.iter().all(|step| *step == 1) => {
                self.channels(call, 0, &value, Some(axis), (start, wanted))?;
            }
            _ => return Err(setting()),
        }
        Ok(())
    }

    /// One output: `length` channels from `start` on of a value whose `axis` must be that of the channels.
    fn channels(
        &mut self,
        call: Call<'a>,
        index: usize,
        value: &Value,
        axis: Option<usize>,
        (start, length): (usize, usize),
    ) -> Result<(), Obstacle> {
        let shape = self.nodes[value.node.0].shape;
        let along = axis.is_some() && value.layout.channel_axis() == axis;
        if !along || length == 0 || start + length > shape.channels {
            return Err(Obstacle::Layout { found: format!("{:?}", value.layout.lengths(&self.extents(value.node))) });
        }
        let slice = Shape { channels: length, ..shape };
        let node = self.node(call.output(index), Operator::Slice { start }, &[value.node], slice);
        let layout = if length > 1 { value.layout.clone() } else { value.layout.without(&[Axis::Channel]) };
        self.define(call, index, Value::of(node, layout));
        Ok(())
    }

    /// The only index of an axis that is 1 long, or neighbouring channels.
    pub fn gather(&mut self, call: Call<'a>) -> Result<(), Obstacle> {
        let indices = self.whole_numbers(call, 1, "indices")?.unwrap_or_default();
        let value = self.any_value(call, 0)?;
        let axis = axis_of(call.integer("axis").unwrap_or(0), value.layout.0.len());
        let lengths = value.layout.lengths(&self.extents(value.node));
        if axis.is_some_and(|axis| lengths[axis] == 1) && matches!(indices[..], [0 | -1]) {
            return self.reshape(call);
        }
        let neighbours = indices.windows(2).all(|pair| pair[1] == pair[0] + 1);
        let kept = self.found_extents(call.output(0)).is_some_and(|found| found.len() == lengths.len());
        match indices.first().and_then(|first| usize::try_from(*first).ok()) {
            Some(first) if neighbours && kept => {
                let value = self.settled(call, 0)?;
                self.channels(call, 0, &value, axis, (first, indices.len()))
            }
            _ => {
                let found = format!("{indices:?} of {lengths:?}");
                Err(Obstacle::Setting { what: "indices", found, wanted: "neighbouring channels" })
            }
        }
    }

    /// Zeros around a map, which the window behind takes in.
    pub fn pad(&mut self, call: Call<'a>) -> Result<(), Obstacle> {
        let mode = call.text("mode").unwrap_or("constant");
        let fill = match call.input(2) {
            Some(_) => self.constant(call, 2, "value")?.scalar(),
            None => Some(call.real("value").unwrap_or(0.0)),
        };
        let pads = self.whole_numbers(call, 1, "pads")?.or_else(|| call.integers("pads").map(<[i64]>::to_vec));
        let pads: Option<Vec<usize>> =
            pads.unwrap_or_default().into_iter().map(|pad| usize::try_from(pad).ok()).collect();
        let pads = pads.unwrap_or_default();
        let value = self.any_value(call, 0)?;
        let value = if value.padding == [0; 4] { self.settled(call, 0)? } else { value };
        if !pads.is_empty() && pads.iter().all(|pad| *pad == 0) {
            self.define(call, 0, Value { sole: false, ..value });
            return Ok(());
        }
        self.map_only(&Value { padding: [0; 4], ..value.clone() })?;
        let [0, 0, top, left, 0, 0, bottom, right] = pads[..] else {
            let found = format!("{pads:?}");
            return Err(Obstacle::Setting { what: "pads", found, wanted: "zeros around rows and columns" });
        };
        if mode != "constant" || fill != Some(0.0) || call.input(3).is_some() {
            let found = format!("{mode} {fill:?}");
            return Err(Obstacle::Setting { what: "mode", found, wanted: "constant, with 0 for all axes" });
        }
        let added = [top, left, bottom, right];
        let padding = std::array::from_fn(|side| added[side].saturating_add(value.padding[side]));
        self.define(call, 0, Value { padding, sole: false, ..value });
        Ok(())
    }

    /// A vector repeated at every position, for a gate.
    pub fn expand(&mut self, call: Call<'a>) -> Result<(), Obstacle> {
        let value = self.any_value(call, 0)?;
        let lengths = value.layout.lengths(&self.extents(value.node));
        let is_length = matches!(value.part, Some(Part::Length | Part::InverseLength));
        if is_length || self.found_extents(call.output(0)).as_ref() == Some(&lengths) {
            return self.reshape(call);
        }
        let value = self.settled(call, 0)?;
        if !self.is_vector(&value) {
            return Err(Obstacle::Layout { found: format!("{lengths:?}") });
        }
        self.define(call, 0, value.in_part(Part::Spread));
        Ok(())
    }
}
