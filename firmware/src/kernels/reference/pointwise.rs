//! Convolution of 1×1.

use super::narrow;
use crate::kernels::Pointwise;
use crate::kernels::cut::extent;

/// `y[i,j,o] = requantize(bias[o] + Σ x[i,j,c] · w[o,c])`.
pub fn pointwise(arguments: Pointwise<'_>) {
    let Pointwise { input, parameters, range, output } = arguments;
    let (fan_in, channels) = (extent(input.shape.channels), extent(output.shape.channels));
    // Not zipped: that is code of its own, which could divide by an extent of 0 for all it knows.
    let mut positions = input.data.chunks_exact(fan_in);
    for results in output.data.chunks_exact_mut(channels) {
        let Some(values) = positions.next() else { return };
        for (result, (filter, bias, multiplier)) in results.iter_mut().zip(parameters.filters(fan_in)) {
            let accumulator = bias.wrapping_add(filter.dot(values));
            *result = narrow(range.requantizer(multiplier).apply(accumulator));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::kernels::OutputRange;
    use deja_shared::tensor::Shape;
    use proptest::prelude::*;

    /// Two positions, two channels into three: by hand.
    #[test]
    fn golden_vectors() {
        let mut data = [0; 6];
        pointwise(Pointwise {
            input: view(Shape::new(1, 2, 2), &[10, -20, 127, -128]),
            parameters: parameters(
                &interleaved(&[4, 2, -127, 127, 1, 1], 3),
                &[8, 0, -3],
                &[QUARTER, QUARTER / 64, QUARTER],
            ),
            range: OutputRange { zero_point: -5, low: -5, high: 100 },
            output: view_mut(Shape::new(1, 2, 3), &mut data),
        });
        // (40 − 40 + 8)/4 − 5; (−1270 − 2540)/256 − 5 = −19.9; (10 − 20 − 3)/4 − 5 = −8.25;
        // (508 − 256 + 8)/4 − 5 = 60; (−127·127 − 128·127)/256 − 5 = −131.5; (127 − 128 − 3)/4 − 5 = −6.
        assert_eq!(data, [-3, -5, -5, 60, -5, -5]);
    }

    proptest! {
        #[test]
        fn equals_its_twin(case in pointwise_case()) {
            prop_assert_eq!(case.run(pointwise), case.twin());
        }
    }
}
