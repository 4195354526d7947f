//! The sum of an activation and of a convolution of 1×1 of another.

use super::narrow;
use crate::kernels::PointwiseAdd;
use crate::kernels::cut::extent;

/// `y[i,j,o] = round((bias[o] + Σ x[i,j,c] · w[o,c])·multiplier[o] + term(a[i,j,o]))`.
pub fn pointwise_add(arguments: PointwiseAdd<'_>) {
    let PointwiseAdd { input, parameters, summand, range, values } = arguments;
    let (fan_in, channels) = (extent(input.shape.channels), extent(parameters.biases.len()));
    // Not zipped, as in `pointwise`.
    let mut positions = input.data.chunks_exact(fan_in);
    for results in values.chunks_exact_mut(channels) {
        let Some(inputs) = positions.next() else { return };
        for (result, (filter, bias, multiplier)) in results.iter_mut().zip(parameters.filters(fan_in)) {
            let requantizer = range.requantizer(multiplier);
            let product = requantizer.product(bias.wrapping_add(filter.dot(inputs)));
            *result = narrow(requantizer.round(product + summand.term(*result)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::kernels::Summand;
    use deja_shared::tensor::Shape;
    use proptest::prelude::*;

    /// Two channels into one at a quarter, added to half a sum around −2: by hand.
    #[test]
    fn golden_vectors() {
        let mut values = [-2, 7];
        pointwise_add(PointwiseAdd {
            input: view(Shape::new(1, 2, 2), &[10, -20, 3, 1]),
            parameters: parameters(&interleaved(&[4, 1], 1), &[1], &[QUARTER]),
            summand: Summand { zero_point: -2, multiplier: 1 << 23 },
            range: range(1, -128, 127),
            values: &mut values,
        });
        // (40 − 20 + 1)/4 + 0 = 5.25; (12 + 1 + 1)/4 + 4.5 = 8, where 3.5 and 4.5 alone would round to 4 and 5.
        assert_eq!(values, [6, 9]);
    }

    proptest! {
        #[test]
        fn equals_its_twin(
            (case, sum) in pointwise_case().prop_flat_map(|case| {
                let n = case.twin().len();
                (Just(case), values(n))
            }),
            (sum_zero_point, sum_multiplier) in (any::<i8>(), summand_multiplier()),
        ) {
            let summand = Summand { zero_point: sum_zero_point, multiplier: sum_multiplier };
            let results = case.run_add(pointwise_add, summand, &sum);
            let accumulators = case.accumulators();
            for (index, (&result, &accumulator)) in results.iter().zip(&accumulators).enumerate() {
                let product = i128::from(accumulator) * i128::from(case.multipliers[index % case.biases.len()]);
                let summand = (i128::from(sum[index]) - i128::from(sum_zero_point)) * i128::from(sum_multiplier) * 256;
                prop_assert_eq!(i64::from(result), twin_round(product + summand, bounds(case.range)));
            }
        }
    }
}
