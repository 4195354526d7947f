//! Negative values scaled channel by channel.

use deja_shared::quant::scaled;

use super::narrow;
use crate::kernels::PRelu;
use crate::kernels::cut::extent;

/// `y[n,c] = round(scaled(x[n,c] − zp, m))`, where m is `positive` if x ≥ zp, else `negative[c]`.
pub fn prelu(arguments: PRelu<'_>) {
    let PRelu { zero_point, positive, negative, requantizer, values } = arguments;
    for row in values.chunks_exact_mut(extent(negative.len())) {
        for (value, &negative) in row.iter_mut().zip(negative) {
            let difference = i32::from(*value) - i32::from(zero_point);
            let multiplier = if difference < 0 { negative } else { positive };
            *value = narrow(requantizer.round(scaled(difference, multiplier)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use proptest::prelude::*;

    /// Slopes ¼ and −1 below 10, one half above: by hand.
    #[test]
    fn golden_vectors() {
        let mut values = [10, 9, 0, 0, 13, -117];
        prelu(PRelu {
            zero_point: 10,
            positive: 1 << 23,
            negative: &[1 << 22, -1 << 24],
            requantizer: range(-3, -128, 120).requantizer(0),
            values: &mut values,
        });
        // 0 and 1; −2.5, which rounds up, and 10; 1.5, which does too, and 127; each minus 3.
        assert_eq!(values, [-3, -2, -5, 7, -1, 120]);
    }

    proptest! {
        #[test]
        fn equals_its_twin(
            (negative, input) in (1..9usize, 1..6usize)
                .prop_flat_map(|(c, n)| (proptest::collection::vec(any::<i32>(), c), values(n * c))),
            (zero_point, positive, range) in (any::<i8>(), summand_multiplier(), output_range()),
        ) {
            let mut results = input.clone();
            let requantizer = range.requantizer(0);
            prelu(PRelu { zero_point, positive, negative: &negative, requantizer, values: &mut results });
            for (index, (&result, &x)) in results.iter().zip(&input).enumerate() {
                let difference = i128::from(x) - i128::from(zero_point);
                let multiplier = if x < zero_point { negative[index % negative.len()] } else { positive };
                prop_assert_eq!(i64::from(result), twin_round(difference * i128::from(multiplier) * 256, bounds(range)));
            }
        }
    }
}
