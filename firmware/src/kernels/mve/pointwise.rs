//! Convolution of 1×1.

use super::matrix::{Matrix, multiply};
use crate::kernels::Pointwise;

/// As [`crate::kernels::reference::pointwise`].
pub fn pointwise(arguments: Pointwise<'_>) {
    let Pointwise { input, parameters, range, output } = arguments;
    let matrix =
        Matrix { values: input.data, fan_in: usize::from(input.shape.channels), parameters, summand: None, range };
    multiply(&matrix, output.data);
}
