//! The mean over all positions.

use super::narrow;
use crate::kernels::GlobalAveragePool;
use crate::kernels::cut::extent;

/// `y[c] = requantize(bias + Σ x[i,j,c])`.
pub fn global_average_pool(arguments: GlobalAveragePool<'_>) {
    let GlobalAveragePool { input, bias, requantizer, output } = arguments;
    let channels = extent(input.shape.channels);
    for (channel, result) in output.iter_mut().enumerate() {
        let values = input.data.iter().skip(channel).step_by(channels);
        let accumulator = values.map(|&value| i32::from(value)).fold(bias, i32::wrapping_add);
        *result = narrow(requantizer.apply(accumulator));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use deja_shared::tensor::Shape;
    use proptest::prelude::*;
    use std::vec;

    /// Four positions and two channels around a zero point of 1, at one half of the input's scale: by hand.
    #[test]
    fn golden_vectors() {
        let mut output = [0; 2];
        global_average_pool(GlobalAveragePool {
            input: view(Shape::new(2, 2, 2), &[1, 9, 5, -7, 3, 1, 127, -3]),
            bias: -4,
            requantizer: range(7, -128, 127).requantizer(QUARTER / 2),
            output: &mut output,
        });
        // (0 + 4 + 2 + 126)/8 + 7 = 23.5, which rounds up; (8 − 8 + 0 − 4)/8 + 7 = 6.5, which does too.
        assert_eq!(output, [24, 7]);
    }

    proptest! {
        #[test]
        fn equals_its_twin(
            (shape, data) in input_of(1..6, 1..6, 1..20),
            (bias, range, multiplier) in (-(1 << 30)..(1 << 30), output_range(), 0..=i32::MAX),
        ) {
            let mut output = vec![0; shape.channels.into()];
            let requantizer = range.requantizer(multiplier);
            global_average_pool(GlobalAveragePool { input: view(shape, &data), bias, requantizer, output: &mut output });
            for (c, &result) in output.iter().enumerate() {
                let mut accumulator = i64::from(bias);
                for position in 0..shape.positions() as usize {
                    accumulator += i64::from(data[position * output.len() + c]);
                }
                prop_assert_eq!(i64::from(result), twin_requantize(accumulator, multiplier, bounds(range)));
            }
        }
    }
}
