//! The sum of an activation and of a convolution of 1×1 of another.

use super::matrix::{Matrix, multiply};
use crate::kernels::{PointwiseAdd, reference};

/// As [`reference::pointwise_add`].
pub fn pointwise_add(arguments: PointwiseAdd<'_>) {
    let PointwiseAdd { input, parameters, summand, range, values } = arguments;
    let matrix = Matrix { fan_in: input.shape.channels.into(), parameters, range, summand: Some(summand) };
    if multiply(matrix, input.data, values).is_none() {
        reference::pointwise_add(PointwiseAdd { input, parameters, summand, range, values });
    }
}
