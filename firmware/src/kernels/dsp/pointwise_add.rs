//! The sum of an activation and of a convolution of 1×1 of another.

use super::matrix::{Matrix, multiply};
use crate::kernels::{PointwiseAdd, reference};

/// As [`reference::pointwise_add`].
pub fn pointwise_add(arguments: PointwiseAdd<'_>) {
    let PointwiseAdd { input, parameters, summand, range, values } = arguments;
    let matrix = Matrix { fan_in: input.shape.channels.into(), parameters, range };
    if multiply(matrix, input.data, values, Some(summand)).is_none() {
        reference::pointwise_add(PointwiseAdd { input, parameters, summand, range, values });
    }
}
