//! The sum of an activation and of a convolution of 1×1 of another.

use super::matrix::{Matrix, Rows, Words};
use crate::kernels::{PointwiseAdd, reference};

/// As [`reference::pointwise_add`].
pub fn pointwise_add(arguments: PointwiseAdd<'_>) {
    let PointwiseAdd { input, parameters, summand, range, values } = arguments;
    let fan_in = usize::from(input.shape.channels);
    let mut words = Words::new();
    let Some(mut rows) = Rows::new(Matrix { fan_in, parameters, range }, &mut words) else {
        return reference::pointwise_add(PointwiseAdd { input, parameters, summand, range, values });
    };
    let outputs = parameters.biases.len();
    let count = (input.data.len() / fan_in).min(values.len() / outputs);
    let in_fours = if rows.takes_four() { count & !3 } else { 0 };
    let row = |number: usize| &input.data[number * fan_in..][..fan_in];
    let mut add = |place: usize, output: usize, sum: i32| {
        let requantizer = range.requantizer(parameters.multipliers[output]);
        let value = &mut values[place * outputs + output];
        // The requantizer has clamped it.
        *value = requantizer.round(requantizer.product(sum) + summand.term(*value)) as i8;
    };
    for first in (0..in_fours).step_by(4) {
        let four = [0, 1, 2, 3].map(|index| row(first + index));
        rows.four_sums(four, |number, output, sum| add(first + number, output, sum));
    }
    for number in in_fours..count {
        rows.one_sums(row(number), |output, sum| add(number, output, sum));
    }
}
