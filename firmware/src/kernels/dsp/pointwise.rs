//! Convolution of 1×1.

use super::matrix::{Matrix, multiply};
use crate::kernels::{Pointwise, reference};

/// As [`reference::pointwise`].
pub fn pointwise(arguments: Pointwise<'_>) {
    let Pointwise { input, parameters, range, output } = arguments;
    let matrix = Matrix { fan_in: input.shape.channels.into(), parameters, range, summand: None };
    if multiply(matrix, input.data, output.data).is_none() {
        reference::pointwise(Pointwise { input, parameters, range, output });
    }
}
