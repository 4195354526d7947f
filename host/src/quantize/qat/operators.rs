//! The way back through one operator for one picture: gradients of its inputs and of its weights.

use crate::compute::{Kernels, Matmul, Window, patches};
use crate::network::channels::{Columns, copy_channels};
use crate::network::curve::{Curve, prelu_gradient};
use crate::network::pooling::generalized_mean_gradient;
use crate::network::{Graph, Node, Operator, ParameterId};

/// One node, and what the nodes before it computed.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    pub kernels: &'static Kernels,
    pub graph: &'a Graph,
    pub node: &'a Node,
    /// One a node, up to this one.
    pub values: &'a [Vec<f32>],
}

impl Site<'_> {
    /// Adds to the gradients of the node's inputs (`earlier`, one a node; empty for the picture) and of its weights and biases
    /// (one a parameter), given that of its result. False for a batch norm, which has been folded in before.
    pub fn backward(&self, d_output: &[f32], earlier: &mut [Vec<f32>], parameters: &mut [Vec<f32>]) -> bool {
        let from = self.node.inputs.first().map_or(0, |input| input.0);
        match self.node.operator {
            Operator::Input => {}
            Operator::Convolution { kernel, stride, padding, weight, bias } => {
                self.add_bias(d_output, bias, parameters);
                self.convolution(&self.window(kernel, stride, padding), weight, d_output, earlier, parameters);
            }
            Operator::Pointwise { weight, bias } | Operator::FullyConnected { weight, bias } => {
                self.add_bias(d_output, bias, parameters);
                self.weight_product(self.input(0), d_output, &mut parameters[weight.0]);
                self.input_product(weight, d_output, &mut earlier[from], true);
            }
            Operator::Depthwise { kernel, stride, padding, weight, bias } => {
                self.add_bias(d_output, bias, parameters);
                let window = self.window(kernel, stride, padding);
                (self.kernels.depthwise_weight_gradient)(&window, self.input(0), d_output, &mut parameters[weight.0]);
                add_computed(&mut earlier[from], |d_input| {
                    (self.kernels.depthwise_input_gradient)(&window, d_output, self.parameter(weight), d_input);
                });
            }
            Operator::Activation(activation) => {
                let (low, high) = activation.clamp();
                let inside = |x: f32| x > low && x < high;
                for ((d, &g), &x) in earlier[from].iter_mut().zip(d_output).zip(self.input(0)) {
                    *d += if inside(x) { g } else { 0.0 };
                }
            }
            Operator::Add => self.node.inputs.iter().for_each(|input| add(&mut earlier[input.0], d_output)),
            Operator::Flatten => add(&mut earlier[from], d_output),
            Operator::PRelu { slope } => {
                prelu_gradient(self.parameter(slope), (self.input(0), d_output), &mut earlier[from], true);
            }
            Operator::Concat | Operator::Slice { .. } => self.channels(d_output, earlier),
            _ => return self.pool_or_gate(d_output, earlier),
        }
        true
    }

    /// Channels side by side, or some of them.
    fn channels(&self, d_output: &[f32], earlier: &mut [Vec<f32>]) {
        let all = self.node.shape.channels;
        if let Operator::Slice { start } = self.node.operator {
            let input = self.node.inputs[0];
            let to = Columns { width: self.graph.node(input).shape.channels, start };
            copy_channels(all, (d_output, Columns { width: all, start: 0 }), (&mut earlier[input.0], to), true);
            return;
        }
        let mut start = 0;
        for input in &self.node.inputs {
            let width = self.graph.node(*input).shape.channels;
            let (from, to) = (Columns { width: all, start }, Columns { width, start: 0 });
            copy_channels(width, (d_output, from), (&mut earlier[input.0], to), true);
            start += width;
        }
    }

    /// Operators without weights that are not element-wise.
    fn pool_or_gate(&self, d_output: &[f32], earlier: &mut [Vec<f32>]) -> bool {
        let from = self.node.inputs.first().map_or(0, |input| input.0);
        match self.node.operator {
            Operator::GlobalAveragePool => {
                let positions = self.input(0).len() / d_output.len();
                let share = 1.0 / positions as f32;
                earlier[from].chunks_exact_mut(d_output.len()).for_each(|row| {
                    row.iter_mut().zip(d_output).for_each(|(d, g)| *d += g * share);
                });
            }
            Operator::GeneralizedMeanPool { exponent, floor } => {
                let (input, mean) = (self.input(0), &self.values[self.index()]);
                let p = self.parameter(exponent)[0];
                generalized_mean_gradient((input, mean), (p, floor), d_output, &mut earlier[from], true);
            }
            Operator::MaxPool { kernel, stride, padding } => {
                let window = self.window(kernel, stride, padding);
                add_computed(&mut earlier[from], |d_input| {
                    (self.kernels.max_pool_gradient)(&window, self.input(0), d_output, d_input);
                });
            }
            Operator::AveragePool { kernel, stride } => {
                let window = self.window(kernel, stride, 0);
                let filter = vec![1.0 / (kernel * kernel) as f32; kernel * kernel * window.channels];
                add_computed(&mut earlier[from], |d_input| {
                    (self.kernels.depthwise_input_gradient)(&window, d_output, &filter, d_input);
                });
            }
            Operator::ChannelScale => {
                for pair in self.node.inputs.chunks_exact(2) {
                    let [map, gate] = [pair[0], pair[1]].map(|input| &self.values[input.0]);
                    (self.kernels.scale)(gate, d_output, &mut earlier[pair[0].0], true);
                    (self.kernels.dot)(map, d_output, &mut earlier[pair[1].0]);
                }
            }
            _ => {
                let Some(curve) = Curve::of(&self.node.operator) else { return false };
                let slopes = self.input(0).iter().map(|&x| curve.slope(x));
                earlier[from].iter_mut().zip(d_output.iter().zip(slopes)).for_each(|(d, (g, slope))| *d += g * slope);
            }
        }
        true
    }

    fn convolution(
        &self,
        window: &Window,
        weight: ParameterId,
        d_output: &[f32],
        earlier: &mut [Vec<f32>],
        parameters: &mut [Vec<f32>],
    ) {
        let rows = window.out_height() * window.out_width();
        let mut patch_values = vec![0.0; rows * window.kernel * window.kernel * window.channels];
        patches::gather(window, self.input(0), &mut patch_values);
        self.weight_product(&patch_values, d_output, &mut parameters[weight.0]);
        let d_input = &mut earlier[self.node.inputs[0].0];
        if !d_input.is_empty() {
            self.input_product(weight, d_output, &mut patch_values, false);
            patches::scatter(window, &patch_values, d_input);
        }
    }

    fn add_bias(&self, d_output: &[f32], bias: Option<ParameterId>, parameters: &mut [Vec<f32>]) {
        if let Some(bias) = bias {
            d_output.chunks_exact(self.node.shape.channels).for_each(|row| add(&mut parameters[bias.0], row));
        }
    }

    /// dW += Aᵀ·dY
    fn weight_product(&self, a: &[f32], d_output: &[f32], d_weight: &mut [f32]) {
        let columns = self.node.shape.channels;
        let (rows, depth) = (d_weight.len() / columns, d_output.len() / columns);
        let job = Matmul { rows, columns, depth, a, a_row: 1, a_step: rows, b: d_output, accumulate: true };
        (self.kernels.matmul)(&job, d_weight);
    }

    /// dA (+)= dY·Wᵀ
    fn input_product(&self, weight: ParameterId, d_output: &[f32], d_input: &mut [f32], accumulate: bool) {
        let depth = self.node.shape.channels;
        let transposed = transpose(self.parameter(weight), depth);
        let (rows, columns) = (d_output.len() / depth, transposed.len() / depth);
        let job = Matmul { rows, columns, depth, a: d_output, a_row: depth, a_step: 1, b: &transposed, accumulate };
        (self.kernels.matmul)(&job, d_input);
    }

    fn window(&self, kernel: usize, stride: usize, padding: usize) -> Window {
        let shape = self.graph.node(self.node.inputs[0]).shape;
        Window { height: shape.height, width: shape.width, channels: shape.channels, kernel, stride, padding }
    }

    fn input(&self, index: usize) -> &[f32] {
        &self.values[self.node.inputs[index].0]
    }

    fn parameter(&self, id: ParameterId) -> &[f32] {
        &self.graph.parameter(id).values
    }

    /// The node's own number: it is the one behind the values of those before it.
    fn index(&self) -> usize {
        self.values.len() - 1
    }
}

/// `[rows, columns]` → `[columns, rows]`
fn transpose(matrix: &[f32], columns: usize) -> Vec<f32> {
    let rows = matrix.len() / columns;
    let mut transposed = vec![0.0; matrix.len()];
    for (row, values) in matrix.chunks_exact(columns).enumerate() {
        values.iter().enumerate().for_each(|(column, &value)| transposed[column * rows + row] = value);
    }
    transposed
}

/// Adds what `compute` writes over zeros; nothing where no gradient is wanted.
fn add_computed(target: &mut [f32], compute: impl FnOnce(&mut [f32])) {
    if target.is_empty() {
        return;
    }
    let mut computed = vec![0.0; target.len()];
    compute(&mut computed);
    add(target, &computed);
}

pub fn add(sum: &mut [f32], addend: &[f32]) {
    sum.iter_mut().zip(addend).for_each(|(sum, value)| *sum += value);
}
