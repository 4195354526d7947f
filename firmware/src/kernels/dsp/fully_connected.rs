//! The matrix that makes the raw embedding.

use super::matrix::Matrix;
use super::rows::Rows;
use super::words::Words;
use crate::kernels::{FullyConnected, OutputRange, reference};

/// As [`reference::fully_connected`].
pub fn fully_connected(arguments: FullyConnected<'_>) {
    let FullyConnected { input, parameters, low, output } = arguments;
    // Results are saturated at 16 bits around zero.
    let range = OutputRange { zero_point: 0, low: i8::MIN, high: i8::MAX };
    let mut words = Words::new();
    let matrix = Matrix { fan_in: input.len(), parameters, range, summand: None };
    let Some(mut rows) = Rows::new(matrix, &mut words) else {
        return reference::fully_connected(FullyConnected { input, parameters, low, output });
    };
    rows.one_wide(input, output);
    // The least result is 0 or that of 16 bits but one.
    output.iter_mut().for_each(|result| *result = (*result).max(low as i16));
}
