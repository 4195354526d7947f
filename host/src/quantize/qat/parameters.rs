//! What fine-tuning moves: weights and biases, where each channel's weights are clipped, and the bounds of activations.

use super::super::calibrate::Range;
use super::super::fold_batch_norm::weight_and_bias;
use crate::network::Graph;
use crate::training::optimizer::{Optimizer, OptimizerKind, OptimizerSettings};

/// Greatest magnitude of a weight as an integer.
const STEPS: f32 = 127.0;
/// A clip never falls below this share of where it began.
const LEAST_LIMIT: f32 = 0.05;

/// ∂loss/∂ everything that the camera's arithmetic depends on.
#[derive(Debug, Clone, PartialEq)]
pub struct Gradients {
    /// By the weights as the camera has them (rounded) and the biases: one a parameter.
    pub parameters: Vec<Vec<f32>>,
    /// By the lower and the upper bound of each node's activation.
    pub ranges: Vec<[f32; 2]>,
}

impl Gradients {
    /// All zeros.
    pub fn zeros(graph: &Graph) -> Self {
        let parameters = graph.parameters.iter().map(|parameter| vec![0.0; parameter.values.len()]).collect();
        Self { parameters, ranges: vec![[0.0; 2]; graph.nodes.len()] }
    }

    /// Adds the gradients of other pictures.
    pub fn add(&mut self, other: &Self) {
        for (sum, values) in self.parameters.iter_mut().zip(&other.parameters) {
            super::operators::add(sum, values);
        }
        for (sum, values) in self.ranges.iter_mut().zip(&other.ranges) {
            super::operators::add(sum, values);
        }
    }
}

/// Weights of one linear layer, whose output channel is the last axis.
#[derive(Debug, Clone)]
struct Filters {
    weight: usize,
    bias: Option<usize>,
    /// The node of the layer.
    node: usize,
    /// |w| beyond which the weights of each channel are clipped; 127 steps are at most this.
    limits: Vec<f32>,
    /// Where the limits began: the unit in which weights and limits are moved.
    units: Vec<f32>,
}

/// Master copies in float.
#[derive(Debug, Clone)]
pub struct Parameters {
    /// Without batch norm.
    graph: Graph,
    ranges: Vec<Range>,
    filters: Vec<Filters>,
    /// Where the widths of the ranges began: the unit in which bounds and biases are moved.
    widths: Vec<f32>,
    optimizer: Optimizer,
}

impl Parameters {
    /// Of a calibrated network without batch norm. `rate` is the step in units of what a quantizer covers: 127 steps of a
    /// weight, 255 of an activation.
    pub fn new(graph: Graph, ranges: Vec<Range>, rate: f32) -> Self {
        let filters: Vec<Filters> = (0..graph.nodes.len()).filter_map(|node| Filters::of(&graph, node)).collect();
        let widths: Vec<f32> = ranges.iter().map(|range| range.high.max(0.0) - range.low.min(0.0)).collect();
        let lengths = graph.parameters.iter().map(|parameter| parameter.values.len());
        let limits = filters.iter().map(|filters| filters.limits.len());
        let lengths: Vec<usize> = lengths.chain(limits).chain(ranges.iter().map(|_| 2)).collect();
        let settings = OptimizerSettings {
            kind: OptimizerKind::Adamw,
            learning_rate: rate,
            weight_decay: 0.0,
            ..OptimizerSettings::default()
        };
        Self { optimizer: Optimizer::new(settings, &lengths), graph, ranges, filters, widths }
    }

    /// The network that is lowered: its weights clipped, so that the greatest of a channel is its 127 steps.
    pub fn clipped(&self) -> Graph {
        let mut graph = self.graph.clone();
        for filters in &self.filters {
            for row in graph.parameters[filters.weight].values.chunks_exact_mut(filters.limits.len()) {
                row.iter_mut().zip(&filters.limits).for_each(|(w, &limit)| *w = w.clamp(-limit, limit));
            }
        }
        graph
    }

    /// Those between which activations are quantized.
    pub fn ranges(&self) -> &[Range] {
        &self.ranges
    }

    /// One step of AdamW, at `factor` of the full rate. `rounded` holds the weights that `gradients` are of.
    pub fn update(&mut self, factor: f32, rounded: &Graph, gradients: &Gradients) {
        self.optimizer.begin_step();
        let count = self.graph.parameters.len();
        for (number, filters) in self.filters.iter_mut().enumerate() {
            let Filters { weight, bias, node, limits, units } = filters;
            let weights = &mut self.graph.parameters[*weight].values;
            let straight =
                straight_through(weights, &rounded.parameters[*weight].values, limits, &gradients.parameters[*weight]);
            let channels = units.len();
            let mut step = |index: usize, gradient: &[f32], values: &mut [f32], unit: &dyn Fn(usize) -> f32| {
                move_by_units(&mut self.optimizer, (index, factor), gradient, values, unit);
            };
            step(*weight, &straight.weights, weights, &|index| units[index % channels]);
            step(count + number, &straight.limits, limits, &|index| units[index]);
            if let Some(bias) = *bias {
                let width = self.widths[*node];
                step(bias, &gradients.parameters[bias], &mut self.graph.parameters[bias].values, &|_| width);
            }
            filters.keep_limits(&self.graph.parameters[filters.weight].values);
        }
        self.update_ranges(factor, count + self.filters.len(), &gradients.ranges);
    }

    /// A range goes on to hold zero, and does not close. One that begins at zero, behind a ReLU, keeps that end.
    fn update_ranges(&mut self, factor: f32, first: usize, gradients: &[[f32; 2]]) {
        let ranges = self.ranges.iter_mut().zip(&self.widths).zip(gradients);
        for (index, ((range, &width), gradient)) in (first..).zip(ranges) {
            let is_fixed = range.low >= 0.0;
            let mut bounds = [range.low, range.high];
            let unit = |end: usize| if end == 0 && is_fixed { 0.0 } else { width };
            move_by_units(&mut self.optimizer, (index, factor), gradient, &mut bounds, &unit);
            let low = if is_fixed { range.low } else { bounds[0].min(0.0) };
            *range = Range { low, high: bounds[1].max(low + LEAST_LIMIT * width) };
        }
    }
}

impl Filters {
    fn of(graph: &Graph, node: usize) -> Option<Self> {
        let (weight, bias) = weight_and_bias(&graph.nodes[node].operator)?;
        let limits = greatest(&graph.parameter(weight).values, graph.nodes[node].shape.channels);
        Some(Self { weight: weight.0, bias: bias.map(|bias| bias.0), node, units: limits.clone(), limits })
    }

    /// Clips lie within what the weights reach, where they mean something, and do not close.
    fn keep_limits(&mut self, weights: &[f32]) {
        let reached = greatest(weights, self.limits.len());
        for ((limit, unit), reached) in self.limits.iter_mut().zip(&self.units).zip(reached) {
            *limit = limit.max(LEAST_LIMIT * unit).min(reached);
        }
    }
}

/// max|w| of each channel.
fn greatest(weights: &[f32], channels: usize) -> Vec<f32> {
    let mut greatest = vec![0.0f32; channels];
    for row in weights.chunks_exact(channels) {
        greatest.iter_mut().zip(row).for_each(|(greatest, w)| *greatest = greatest.max(w.abs()));
    }
    greatest
}

/// The weights as the camera has them, in float: multiples of max|w|/127 of their channel, as `weights` rounds them.
pub fn round_weights(graph: &mut Graph) {
    for node in 0..graph.nodes.len() {
        let Some((weight, _)) = weight_and_bias(&graph.nodes[node].operator) else { continue };
        let channels = graph.nodes[node].shape.channels;
        let weights = &mut graph.parameters[weight.0].values;
        let scales = greatest(weights, channels);
        for row in weights.chunks_exact_mut(channels) {
            for (w, &greatest) in row.iter_mut().zip(&scales).filter(|(_, greatest)| **greatest > 0.0) {
                let scale = f64::from(greatest) / f64::from(STEPS);
                *w = ((f64::from(*w) / scale).round() * scale) as f32;
            }
        }
    }
}

/// Gradients by master weights and by the clips of their channels.
struct StraightThrough {
    weights: Vec<f32>,
    limits: Vec<f32>,
}

/// With ŵ = s·round(clip(w, ±t)/s) and s = t/127, rounding is taken as the identity: ∂ŵ/∂w = 1 within the clip and 0 beyond;
/// ∂ŵ/∂t = (ŵ − w)/t within it and ±1 beyond (Esser et al. 2020, eq. 3, with t = 127·s).
fn straight_through(weights: &[f32], rounded: &[f32], limits: &[f32], gradient: &[f32]) -> StraightThrough {
    let channels = limits.len();
    let mut through = StraightThrough { weights: gradient.to_vec(), limits: vec![0.0; channels] };
    for (index, (&w, &r)) in weights.iter().zip(rounded).enumerate() {
        let (limit, channel, g) = (limits[index % channels], index % channels, gradient[index]);
        if w.abs() > limit {
            through.limits[channel] += g * w.signum();
            through.weights[index] = 0.0;
        } else if limit > 0.0 {
            through.limits[channel] += g * (r - w) / limit;
        }
    }
    through
}

/// Moves `values` by the optimizer's step times `unit`, which makes one learning rate fit all.
fn move_by_units(
    optimizer: &mut Optimizer,
    (index, factor): (usize, f32),
    gradient: &[f32],
    values: &mut [f32],
    unit: &dyn Fn(usize) -> f32,
) {
    let mut steps = vec![0.0; values.len()];
    optimizer.update(index, factor, false, &mut steps, gradient);
    for (index, (value, step)) in values.iter_mut().zip(steps).enumerate() {
        *value += unit(index) * step;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One channel clipped at 1, in steps of 1/127.
    #[test]
    fn rounding_passes_gradients_within_the_clip_and_moves_it() {
        let weights = [0.5, -2.0, 0.25];
        let rounded = [64.0 / 127.0, -1.0, 32.0 / 127.0];
        let through = straight_through(&weights, &rounded, &[1.0], &[1.0, 10.0, 100.0]);
        assert_eq!(through.weights, [1.0, 0.0, 100.0]);
        let expected = (64.0 / 127.0 - 0.5) - 10.0 + 100.0 * (32.0 / 127.0 - 0.25);
        assert!((through.limits[0] - expected).abs() < 1e-4, "{}", through.limits[0]);
    }

    /// The first step of AdamW is the sign of the gradient: everything moves by the rate times its unit.
    #[test]
    fn a_step_is_a_share_of_what_a_quantizer_covers() {
        use crate::quantize::fixtures::network;
        use crate::quantize::fold_batch_norm::fold_batch_norm;
        let graph = fold_batch_norm(&network(3)).unwrap();
        let ranges = vec![Range { low: -1.0, high: 3.0 }; graph.nodes.len()];
        let mut parameters = Parameters::new(graph.clone(), ranges, 1e-3);
        let Filters { weight, limits, .. } = parameters.filters[1].clone();
        let mut gradients = Gradients::zeros(&graph);
        (gradients.parameters[weight][0], gradients.ranges[2]) = (5.0, [-7.0, 0.1]);
        parameters.update(1.0, &graph, &gradients);
        let moved = parameters.graph.parameters[weight].values[0] - graph.parameters[weight].values[0];
        assert!((moved + 1e-3 * limits[0]).abs() < 1e-4 * limits[0], "{moved}");
        let Range { low, high } = parameters.ranges[2];
        assert!((low + 0.996).abs() < 1e-5 && (high - 2.996).abs() < 1e-5, "{low} {high}");
        assert_eq!(parameters.ranges[3], Range { low: -1.0, high: 3.0 });
    }

    #[test]
    fn a_range_that_begins_at_zero_keeps_that_end_and_none_closes() {
        use crate::quantize::fixtures::network;
        use crate::quantize::fold_batch_norm::fold_batch_norm;
        let graph = fold_batch_norm(&network(3)).unwrap();
        let mut parameters =
            Parameters::new(graph.clone(), vec![Range { low: 0.0, high: 2.0 }; graph.nodes.len()], 0.5);
        let mut gradients = Gradients::zeros(&graph);
        gradients.ranges[1] = [1.0, 1.0];
        for _ in 0..9 {
            parameters.update(1.0, &graph, &gradients);
        }
        assert_eq!(parameters.ranges[1], Range { low: 0.0, high: LEAST_LIMIT * 2.0 });
    }
}
