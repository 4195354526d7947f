//! The matrix that makes the raw embedding.

use deja_shared::quant::{INT16, Requantizer};

use super::matrix::{Matrix, Rows, Words};
use crate::kernels::{FullyConnected, OutputRange, reference};

/// As [`reference::fully_connected`].
pub fn fully_connected(arguments: FullyConnected<'_>) {
    let FullyConnected { input, parameters, low, output } = arguments;
    // Results are made here, from sums.
    let range = OutputRange { zero_point: 0, low: i8::MIN, high: i8::MAX };
    let mut words = Words::new();
    let Some(mut rows) = Rows::new(Matrix { fan_in: input.len(), parameters, range }, &mut words) else {
        return reference::fully_connected(FullyConnected { input, parameters, low, output });
    };
    rows.one_sums(input, |number, sum| {
        let multiplier = parameters.multipliers[number];
        let requantizer = Requantizer { multiplier, zero_point: 0, low, high: INT16.1 };
        if let Some(result) = output.get_mut(number) {
            // The requantizer has clamped it to 16 bits.
            *result = requantizer.apply(sum) as i16;
        }
    });
}
