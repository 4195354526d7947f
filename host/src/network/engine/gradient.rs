//! Gradients of single operations, on slices: what the backward pass is put together from.

use std::ops::Range;

use super::forward::add_to;
use super::plan::View;
use super::worker::{Context, NormState, Store, reserve};
use crate::compute::{Moments, Window, patches};

/// a, b and k of [`crate::compute::Combination`].
pub type Coefficients = [Vec<f32>; 3];

/// With ẑ = (z − μ)·u and N values a channel: dz = γu·(g − Σg/N − ẑ·Σgẑ/N) = a·g + b·z + k.
pub fn through_statistics(norm: &NormState, gamma: &[f32], sums: &[f64], count: f64) -> Coefficients {
    let channels = gamma.len();
    let mut coefficients: Coefficients = std::array::from_fn(|_| Vec::with_capacity(channels));
    for c in 0..channels {
        let unit = f64::from(norm.unit[c]);
        let a = f64::from(gamma[c]) * unit;
        let b = -a * unit * sums[channels + c] / count;
        let k = -a * sums[c] / count - b * norm.mean[c];
        for (list, value) in coefficients.iter_mut().zip([a, b, k]) {
            list.push(value as f32);
        }
    }
    coefficients
}

/// Takes a gradient with respect to a view's values back through its activation, and adds up its batch norm's sums.
pub fn pull_back(
    context: &Context,
    store: &Store,
    view: View,
    range: Range<usize>,
    gradient: &mut [f32],
    norm_sums: &mut [Vec<f64>],
    group: &mut [Vec<f32>; 2],
) {
    if view.is_plain() {
        return;
    }
    let shape = context.plan.tensors[view.tensor].shape;
    let stored = &store.tensor(view.tensor)[range.start * shape.len()..range.end * shape.len()];
    let [first, second] = group;
    for sum in [&mut *first, &mut *second] {
        sum.clear();
        sum.resize(shape.channels, 0.0);
    }
    context.with_pullback(view, |map| {
        (context.kernels.pull_back)(map, stored, gradient, Moments { first, second });
    });
    if let Some(norm) = view.norm {
        for (total, sum) in norm_sums[norm].iter_mut().zip(first.iter().chain(second.iter())) {
            *total += f64::from(*sum);
        }
    }
}

/// Lets `compute` overwrite `target`, or overwrite `buffer` and then adds that to `target`.
pub fn into_or_onto(target: &mut [f32], buffer: Option<&mut Vec<f32>>, compute: impl FnOnce(&mut [f32])) {
    let Some(buffer) = buffer else { return compute(target) };
    reserve(buffer, target.len());
    compute(&mut buffer[..target.len()]);
    add_to(target, buffer);
}

/// The gradient of patches, back at (or added to) the pictures they came from.
pub fn scatter(window: &Window, rows: &[f32], d_input: &mut [f32], accumulate: bool) {
    if !accumulate {
        d_input.fill(0.0);
    }
    let len = window.input_len();
    let patch = rows.len() / (d_input.len() / len);
    for (picture, rows) in d_input.chunks_exact_mut(len).zip(rows.chunks_exact(patch)) {
        patches::scatter(window, rows, picture);
    }
}

/// The gradient of a mean: the same share for every position.
pub fn spread(d_output: &[f32], count: usize, d_input: &mut [f32], accumulate: bool) {
    let channels = d_output.len() / count;
    let positions = d_input.len() / d_output.len();
    for (mean, picture) in d_output.chunks_exact(channels).zip(d_input.chunks_exact_mut(positions * channels)) {
        for row in picture.chunks_exact_mut(channels) {
            for (value, mean) in row.iter_mut().zip(mean) {
                let share = mean / positions as f32;
                *value = if accumulate { *value + share } else { share };
            }
        }
    }
}

/// sum += factor·addend, the factor per channel.
pub fn add_scaled(sum: &mut [f32], factor: &[f32], addend: &[f32]) {
    let channels = factor.len();
    for (sum, addend) in sum.chunks_exact_mut(channels).zip(addend.chunks_exact(channels)) {
        for ((sum, factor), addend) in sum.iter_mut().zip(factor).zip(addend) {
            *sum += factor * addend;
        }
    }
}
