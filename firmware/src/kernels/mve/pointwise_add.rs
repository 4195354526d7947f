//! The sum of an activation and of a convolution of 1×1 of another.

use super::matrix::{Matrix, multiply};
use crate::kernels::PointwiseAdd;

/// As [`crate::kernels::reference::pointwise_add`].
pub fn pointwise_add(arguments: PointwiseAdd<'_>) {
    let PointwiseAdd { input, parameters, summand, range, values } = arguments;
    let (fan_in, summand) = (usize::from(input.shape.channels), Some(summand));
    multiply(&Matrix { values: input.data, fan_in, parameters, summand, range }, values);
}
