//! The matrix that makes the raw embedding.

use deja_shared::quant::INT16;

use super::matrix::multiply_wide;
use crate::kernels::FullyConnected;

/// As [`crate::kernels::reference::fully_connected`].
pub fn fully_connected(arguments: FullyConnected<'_>) {
    let FullyConnected { input, parameters, low, output } = arguments;
    multiply_wide(input, parameters, (low, INT16.1), output);
}
