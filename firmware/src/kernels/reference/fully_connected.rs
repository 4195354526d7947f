//! The matrix that makes the raw embedding.

use deja_shared::quant::{INT16, Requantizer};

use crate::kernels::FullyConnected;

/// `y[o] = requantize(bias[o] + Σ x[c] · w[o,c])`, to 16 bits around zero, from `low` on.
pub fn fully_connected(arguments: FullyConnected<'_>) {
    let FullyConnected { input, parameters, low, output } = arguments;
    for (result, (filter, bias, multiplier)) in output.iter_mut().zip(parameters.filters(input.len())) {
        let requantizer = Requantizer { multiplier, zero_point: 0, low, high: INT16.1 };
        // The requantizer has clamped it to 16 bits.
        *result = requantizer.apply(bias.wrapping_add(filter.dot(input))) as i16;
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use proptest::prelude::*;
    use std::vec;

    #[test]
    fn golden_vectors() {
        let mut output = [0; 3];
        fully_connected(FullyConnected {
            input: &[1, 2, -3],
            parameters: parameters(
                &interleaved(&[1, 1, 1, 100, 100, -100, 0, 0, 1], 3),
                &[0, 2, 1 << 30],
                &[QUARTER; 3],
            ),
            low: INT16.0,
            output: &mut output,
        });
        // 0; 602/4 = 150.5, which rounds up; far beyond 16 bits.
        assert_eq!(output, [0, 151, 32_767]);
    }

    proptest! {
        #[test]
        fn equals_its_twin(case in pointwise_case(), low in prop_oneof![Just(0), Just(INT16.0)]) {
            let input = &case.input[..case.fan_in];
            let mut output = vec![0; case.biases.len()];
            let weights = interleaved(&case.weights, case.biases.len());
            let parameters = parameters(&weights, &case.biases, &case.multipliers);
            fully_connected(FullyConnected { input, parameters, low, output: &mut output });
            for (o, &result) in output.iter().enumerate() {
                let products = (0..case.fan_in).map(|c| i64::from(input[c]) * i64::from(case.weights[o * case.fan_in + c]));
                let accumulator = i64::from(case.biases[o]) + products.sum::<i64>();
                let bounds = (0, low.into(), 32_767);
                prop_assert_eq!(i64::from(result), twin_requantize(accumulator, case.multipliers[o], bounds));
            }
        }
    }
}
