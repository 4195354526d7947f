//! The way back through the whole network for one picture, with rounding taken as the identity.

use super::super::QuantizeError;
use super::super::scale::Quantization;
use super::camera::{Camera, Trace};
use super::operators::{Site, add};
use super::parameters::Gradients;
use crate::compute::Kernels;
use crate::network::{Graph, NodeId, interpreter};
use deja_shared::quant::INT8;

/// Adds the gradients of one picture, given that of its raw embedding.
///
/// Every activation that the camera stores has the camera's own value x̂ = s·(q − z); the layers between are computed in float
/// from these and from the rounded weights. The straight-through estimator takes x̂ as x where x lies within the range, and
/// stops the gradient where it is clipped (Bengio, Léonard, Courville 2013).
///
/// # Errors
/// [`QuantizeError::NotFolded`] for a batch norm.
pub fn backward(
    camera: &Camera,
    picture: &[u8],
    trace: &Trace,
    d_embedding: &[f32],
    gradients: &mut Gradients,
) -> Result<(), QuantizeError> {
    let Activations { values, real } = activations(camera, picture, trace);
    walk(&camera.rounded, &values, d_embedding, &mut gradients.parameters, |index, d_output| {
        if let Some(number) = stored(camera, trace, index) {
            let quantization = camera.lowered.tensors[number].quantization;
            let integers = &trace.tensors[number];
            through_rounding(quantization, &real[index], integers, d_output, &mut gradients.ranges[index]);
        }
    })
}

/// Goes back from the embedding of `graph` through what every node computed, and adds to the gradients of its parameters.
/// `at_node` sees the gradient of each node's result before it goes on.
pub fn walk(
    graph: &Graph,
    values: &[Vec<f32>],
    d_embedding: &[f32],
    parameters: &mut [Vec<f32>],
    mut at_node: impl FnMut(usize, &mut [f32]),
) -> Result<(), QuantizeError> {
    let mut d_values: Vec<Vec<f32>> = values.iter().map(|values| vec![0.0; values.len()]).collect();
    d_values[0].clear();
    add(&mut d_values[graph.embedding.0], d_embedding);
    for index in (1..=graph.embedding.0).rev() {
        let (earlier, rest) = d_values.split_at_mut(index);
        let d_output = &mut rest[0];
        if d_output.iter().all(|&g| g == 0.0) {
            continue;
        }
        at_node(index, d_output);
        let node = &graph.nodes[index];
        let site = Site { kernels: Kernels::best(), graph, node, values: &values[..=index] };
        if !site.backward(d_output, earlier, parameters) {
            return Err(QuantizeError::NotFolded { node: node.name.clone() });
        }
    }
    Ok(())
}

/// What every node gives to those behind it, and what stored activations were before they were rounded.
pub struct Activations {
    /// One a node.
    pub values: Vec<Vec<f32>>,
    /// One a node; empty where nothing is rounded.
    pub real: Vec<Vec<f32>>,
}

pub fn activations(camera: &Camera, picture: &[u8], trace: &Trace) -> Activations {
    let graph = &camera.rounded;
    let count = graph.nodes.len();
    let mut all = Activations { values: Vec::with_capacity(count), real: vec![vec![]; count] };
    all.values.push(picture.iter().map(|&pixel| interpreter::pixel_value(pixel)).collect());
    for index in 1..=graph.embedding.0 {
        let computed = interpreter::run_node(graph, NodeId(index), &all.values);
        let Some(number) = stored(camera, trace, index) else {
            all.values.push(computed);
            continue;
        };
        let quantization = camera.lowered.tensors[number].quantization;
        all.values.push(trace.tensors[number].iter().map(|&q| quantization.dequantize(q.into())).collect());
        all.real[index] = computed;
    }
    all
}

/// The 8-bit tensor that holds what a node computes.
fn stored(camera: &Camera, trace: &Trace, node: usize) -> Option<usize> {
    camera.tensor_of[node].filter(|&number| !trace.tensors[number].is_empty())
}

/// With v = x/s + z, q = round(v) and x̂ = s·(q − z), where s = (high − low)/255 and z = −128 − low/s: within the range
/// ∂x̂/∂x = 1 and ∂x̂/∂s = q − v; beyond its upper end ∂x̂/∂high = 1 and beyond its lower one ∂x̂/∂low = 1 (Esser et al. 2020,
/// eq. 3, for both ends of an affine range). Zeroes `d` where x is clipped.
pub fn through_rounding(
    quantization: Quantization,
    real: &[f32],
    integers: &[i8],
    d: &mut [f32],
    d_range: &mut [f32; 2],
) {
    let steps = INT8.1 - INT8.0;
    let (scale, zero) = (quantization.scale, f32::from(quantization.zero_point));
    let (least, greatest) = (INT8.0 as f32 - 0.5, INT8.1 as f32 + 0.5);
    let mut inner = 0.0f64;
    for ((d, &x), &q) in d.iter_mut().zip(real).zip(integers) {
        let v = x / scale + zero;
        if v > greatest {
            d_range[1] += std::mem::take(d);
        } else if v < least {
            d_range[0] += std::mem::take(d);
        } else {
            inner += f64::from(*d * (f32::from(q) - v));
        }
    }
    let share = (inner / f64::from(steps)) as f32;
    d_range[1] += share;
    d_range[0] -= share;
}
