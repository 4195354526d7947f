//! Convolutions and matrices.

use std::ops::Range;

use super::call::Call;
use super::constant::Constant;
use super::layout::{Axis, Layout};
use super::obstacle::Obstacle;
use super::value::Value;
use super::walker::Walker;
use super::window::{Square, Window};
use crate::network::{NodeId, Operator, ParameterId, Role, Shape};

/// The most weights that a filter filled up with zeros may have.
const MOST_WEIGHTS: usize = 1 << 26;

/// A convolution's weights, `[out, in / groups, rows, columns]`, and bias.
struct Filters {
    weights: Constant,
    bias: Option<Vec<f64>>,
    groups: usize,
}

impl Filters {
    /// Rows times columns.
    fn taps(&self) -> usize {
        self.weights.extents[2] * self.weights.extents[3]
    }
}

impl<'a> Walker<'a> {
    /// Dense, depthwise or grouped; of any step, padding and dilation that a square filter with zeros in it can have.
    pub fn convolution(&mut self, call: Call<'a>) -> Result<(), Obstacle> {
        let filters = self.filters(call)?;
        let value = self.unpadded(call)?;
        self.map_only(&Value { padding: [0; 4], ..value.clone() })?;
        let input = self.nodes[value.node.0].shape;
        let [outputs, each, ..] = filters.weights.extents[..] else { return Err(rank(&filters.weights)) };
        if each * filters.groups != input.channels || !outputs.is_multiple_of(filters.groups) {
            let found = format!("{:?} in {} groups", filters.weights.extents, filters.groups);
            return Err(Obstacle::Setting { what: "weight", found, wanted: "as wide as its input has channels" });
        }
        let window = self.window(call, &value, &filters.weights.extents[2..])?;
        let taps = |square: &Square| square.kernel * square.kernel;
        let fits = |square: &Square| {
            taps(square).saturating_mul(filters.weights.values.len()) <= MOST_WEIGHTS * filters.taps()
        };
        let square = window.square().filter(fits).ok_or(Obstacle::Window)?;
        let shape = Shape::new(window.out[0], window.out[1], outputs);
        let node = if filters.groups == 1 {
            self.dense(call.name(), value.node, &filters, (window, square), 0..outputs, shape)
        } else if each == 1 && outputs == input.channels {
            self.depthwise(call.name(), value.node, &filters, (window, square), shape)
        } else {
            self.grouped(call.name(), value.node, &filters, (window, square), shape)
        };
        self.define(call, 0, Value::map(node, &self.extents(node)));
        Ok(())
    }

    fn filters(&self, call: Call<'a>) -> Result<Filters, Obstacle> {
        let weights = self.finite(call, 1, "weight")?;
        if weights.extents.len() != 4 || weights.values.is_empty() {
            return Err(rank(&weights));
        }
        let bias = call.input(2).map(|_| self.finite(call, 2, "bias")).transpose()?.map(|bias| bias.values);
        if let Some(bias) = bias.as_ref().filter(|bias| bias.len() != weights.extents[0]) {
            let found = format!("{} values", bias.len());
            return Err(Obstacle::Setting { what: "bias", found, wanted: "one value an output" });
        }
        let groups = usize::try_from(call.integer("group").unwrap_or(1)).unwrap_or(0).max(1);
        Ok(Filters { weights, bias, groups })
    }

    /// The input of a window, zeros around it still put off.
    pub fn unpadded(&mut self, call: Call<'a>) -> Result<Value, Obstacle> {
        let value = self.any_value(call, 0)?;
        if value.padding == [0; 4] { self.settled(call, 0) } else { Ok(value) }
    }

    /// The window of a convolution or pool over `value`; the output's extents are those that tract found.
    pub fn window(&self, call: Call<'a>, value: &Value, kernel: &[usize]) -> Result<Window, Obstacle> {
        let input = self.nodes[value.node.0].shape;
        let setting = |what, found: String| Obstacle::Setting { what, found, wanted: "that of a window of two axes" };
        let kernel: [usize; 2] = kernel.try_into().map_err(|_| setting("kernel_shape", format!("{kernel:?}")))?;
        let stride = call.counts("strides")?.unwrap_or([1; 2]);
        let dilation = call.counts("dilations")?.unwrap_or([1; 2]);
        let extents = self.found_extents(call.output(0)).unwrap_or_default();
        let [_, _, rows, columns] = extents[..] else { return Err(setting("output", format!("{extents:?}"))) };
        let mut window = Window {
            extent: [
                sum([input.height, value.padding[0], value.padding[2]]),
                sum([input.width, value.padding[1], value.padding[3]]),
            ],
            out: [rows, columns],
            kernel,
            stride,
            dilation,
            before: [0; 2],
        };
        if [kernel, stride, dilation, window.out].as_flattened().contains(&0) {
            return Err(setting("kernel_shape", format!("{kernel:?} with steps {stride:?}")));
        }
        let pads: [usize; 4] = call.counts("pads")?.unwrap_or_default();
        window.before = match call.text("auto_pad").unwrap_or("NOTSET") {
            "SAME_UPPER" => window.same(0),
            "SAME_LOWER" => window.same(1),
            _ => [pads[0], pads[1]],
        };
        window.before = [0, 1].map(|axis| sum([window.before[axis], value.padding[axis]]));
        window.extent = [input.height, input.width];
        Ok(window)
    }

    /// A convolution with the filters `range` over an input that has all channels, or those of their one group.
    fn dense(
        &mut self,
        name: &str,
        input: NodeId,
        filters: &Filters,
        (window, square): (Window, Square),
        range: Range<usize>,
        shape: Shape,
    ) -> NodeId {
        let source = self.nodes[input.0].shape;
        let channels = source.channels;
        let [_, each, rows, columns] = filters.weights.extents[..] else { return input };
        let Square { kernel, stride, padding, .. } = square;
        let mut values = vec![0.0; kernel * kernel * channels * range.len()];
        for (at, o) in range.clone().enumerate() {
            let group = o / (filters.weights.extents[0] / filters.groups);
            let first = if channels == each { 0 } else { group * each };
            for c in 0..each {
                for (u, v) in (0..rows * columns).map(|tap| (tap / columns, tap % columns)) {
                    let to = (square.tap(&window, u, v) * channels + first + c) * range.len() + at;
                    values[to] = filters.weights.values[((o * each + c) * rows + u) * columns + v];
                }
            }
        }
        let bias = filters.bias.as_ref().map(|bias| bias[range.clone()].to_vec());
        let bias = bias.map(|bias| self.parameter(&format!("{name}.bias"), vec![range.len()], bias, Role::Affine));
        let is_pointwise = (kernel, stride, padding) == (1, 1, 0);
        let extents =
            if is_pointwise { vec![channels, range.len()] } else { vec![kernel, kernel, channels, range.len()] };
        let weight = self.parameter(&format!("{name}.weight"), extents, values, Role::Weight);
        let operator = match (is_pointwise, source.height * source.width) {
            (true, 1) => Operator::FullyConnected { weight, bias },
            (true, _) => Operator::Pointwise { weight, bias },
            _ => Operator::Convolution { kernel, stride, padding, weight, bias },
        };
        self.node(name, operator, &[input], Shape { channels: range.len(), ..shape })
    }

    fn depthwise(
        &mut self,
        name: &str,
        input: NodeId,
        filters: &Filters,
        (window, square): (Window, Square),
        shape: Shape,
    ) -> NodeId {
        let [_, _, rows, columns] = filters.weights.extents[..] else { return input };
        let channels = shape.channels;
        let Square { kernel, stride, padding, .. } = square;
        let mut values = vec![0.0; kernel * kernel * channels];
        for (at, value) in filters.weights.values.iter().enumerate() {
            let (c, u, v) = (at / (rows * columns), at / columns % rows, at % columns);
            values[square.tap(&window, u, v) * channels + c] = *value;
        }
        let bias = filters.bias.clone();
        let bias = bias.map(|bias| self.parameter(&format!("{name}.bias"), vec![channels], bias, Role::Affine));
        let weight = self.parameter(&format!("{name}.weight"), vec![kernel, kernel, channels], values, Role::Weight);
        self.node(name, Operator::Depthwise { kernel, stride, padding, weight, bias }, &[input], shape)
    }

    /// A convolution a group, each over its slice of the channels, one behind the other. Where a group has one channel
    /// only, one dense convolution with zeros is cheaper.
    fn grouped(
        &mut self,
        name: &str,
        input: NodeId,
        filters: &Filters,
        placed: (Window, Square),
        shape: Shape,
    ) -> NodeId {
        let [outputs, each, ..] = filters.weights.extents[..] else { return input };
        if each == 1 {
            return self.dense(name, input, filters, placed, 0..outputs, shape);
        }
        let (source, outputs) = (self.nodes[input.0].shape, outputs / filters.groups);
        let parts = (0..filters.groups).map(|group| {
            let slice = Shape { channels: each, ..source };
            let operator = Operator::Slice { start: group * each };
            let slice = self.node(&format!("{name}.group.{group}.slice"), operator, &[input], slice);
            let range = group * outputs..(group + 1) * outputs;
            self.dense(&format!("{name}.group.{group}"), slice, filters, placed, range, shape)
        });
        let parts: Vec<NodeId> = parts.collect();
        self.node(name, Operator::Concat, &parts, shape)
    }

    /// α·x·B + β·c
    pub fn gemm(&mut self, call: Call<'a>) -> Result<(), Obstacle> {
        call.only("transA", 0, "0")?;
        let [alpha, beta] = ["alpha", "beta"].map(|name| call.real(name).unwrap_or(1.0));
        let mut matrix = self.finite(call, 1, "matrix")?;
        let [rows, columns] = matrix.extents[..] else { return Err(rank(&matrix)) };
        if call.integer("transB").unwrap_or(0) != 0 {
            matrix.values = (0..rows * columns).map(|at| matrix.values[at % rows * columns + at / rows]).collect();
            matrix.extents = vec![columns, rows];
        }
        matrix.values.iter_mut().for_each(|value| *value *= alpha);
        let outputs = matrix.extents[1];
        let bias = match call.input(2) {
            Some(_) => {
                let bias = self.finite(call, 2, "bias")?;
                let wanted = "one value an output";
                let found = format!("{:?}", bias.extents);
                let fits = bias.values.len() == outputs || bias.values.len() == 1;
                let bias =
                    Some(bias.values).filter(|_| fits).ok_or(Obstacle::Setting { what: "bias", found, wanted })?;
                Some((0..outputs).map(|o| bias[o % bias.len()] * beta).collect())
            }
            None => None,
        };
        self.matrix(call, matrix, bias)
    }

    /// x·B with a constant B.
    pub fn matrix_product(&mut self, call: Call<'a>) -> Result<(), Obstacle> {
        let mut matrix = self.finite(call, 1, "matrix")?;
        while matrix.extents.len() > 2 && matrix.extents[0] == 1 {
            matrix.extents.remove(0);
        }
        self.matrix(call, matrix, None)
    }

    /// A matrix `[in, out]` on the last axis of the first input.
    fn matrix(&mut self, call: Call<'a>, matrix: Constant, bias: Option<Vec<f64>>) -> Result<(), Obstacle> {
        let value = self.settled(call, 0)?;
        let extents = self.extents(value.node);
        let lengths = value.layout.lengths(&extents);
        let layout = || Obstacle::Layout { found: format!("{lengths:?}") };
        let [rows, columns] = matrix.extents[..] else { return Err(rank(&matrix)) };
        let last = value.layout.0.last().cloned().ok_or_else(layout)?;
        let outside = value.layout.0[..value.layout.0.len() - 1].iter().flatten();
        let along_channels = last[..] == [Axis::Channel] || (last.is_empty() && extents.shape.channels == 1);
        let whole = outside.clone().all(|axis| *axis == Axis::Batch);
        if rows != lengths[lengths.len() - 1] || last.contains(&Axis::Batch) || !(along_channels || whole) {
            return Err(layout());
        }
        let places = Layout::places(&last, &extents);
        let mut values = vec![0.0; rows * columns];
        for (row, place) in matrix.values.chunks_exact(columns).zip(places) {
            values[place * columns..][..columns].copy_from_slice(row);
        }
        let name = call.name();
        let weight = self.parameter(&format!("{name}.weight"), vec![rows, columns], values, Role::Weight);
        let bias = bias.map(|bias| self.parameter(&format!("{name}.bias"), vec![columns], bias, Role::Affine));
        let mut node = value.node;
        if whole && !along_channels {
            node =
                self.node(&format!("{name}.flat"), Operator::Flatten, &[node], Shape::new(1, 1, extents.shape.len()));
        }
        let shape = Shape { channels: columns, ..self.nodes[node.0].shape };
        let operator = self.matrix_operator(node, weight, bias);
        let node = self.node(name, operator, &[node], shape);
        let mut groups = value.layout.0;
        let place = groups.len() - 1;
        groups[place] = if columns > 1 { vec![Axis::Channel] } else { vec![] };
        self.define(call, 0, Value::of(node, Layout(groups)));
        Ok(())
    }

    fn matrix_operator(&self, node: NodeId, weight: ParameterId, bias: Option<ParameterId>) -> Operator {
        let Shape { height, width, .. } = self.nodes[node.0].shape;
        if height * width == 1 {
            Operator::FullyConnected { weight, bias }
        } else {
            Operator::Pointwise { weight, bias }
        }
    }
}

impl Window {
    /// The zeros before the first value where the output is as long as the input: half of all, an odd one `late` (0)
    /// or early (1).
    fn same(&self, early: usize) -> [usize; 2] {
        [0, 1].map(|axis| {
            let last = (self.out[axis] - 1).saturating_mul(self.stride[axis]);
            let total = last.saturating_add(self.reach(axis)).saturating_sub(self.extent[axis]);
            (total + early) / 2
        })
    }
}

impl Square {
    /// Where tap (u, v) of `window` stands in the square, row by row.
    fn tap(&self, window: &Window, u: usize, v: usize) -> usize {
        let [row, column] = [(0, u), (1, v)].map(|(axis, at)| self.offset[axis] + at * window.dilation[axis]);
        row * self.kernel + column
    }
}

/// Of extents that a file may have made absurd.
fn sum<const N: usize>(extents: [usize; N]) -> usize {
    extents.into_iter().fold(0, usize::saturating_add)
}

fn rank(weights: &Constant) -> Obstacle {
    Obstacle::Setting {
        what: "weight",
        found: format!("{:?}", weights.extents),
        wanted: "that of layers over pictures",
    }
}

/// A depthwise filter, `[kernel, kernel, channels]`, of the same `value` at every tap of `window`.
pub fn constant_filter(window: &Window, square: &Square, channels: usize, value: f64) -> Vec<f64> {
    let mut values = vec![0.0; square.kernel * square.kernel * channels];
    for (u, v) in (0..window.kernel[0] * window.kernel[1]).map(|tap| (tap / window.kernel[1], tap % window.kernel[1])) {
        values[square.tap(window, u, v) * channels..][..channels].fill(value);
    }
    values
}
