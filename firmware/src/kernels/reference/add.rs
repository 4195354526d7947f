//! The sum of two activations.

use super::narrow;
use crate::kernels::Add;

/// `y = requantize(a·multiplier_a + b·multiplier_b + bias)`, value by value.
pub fn add(arguments: Add<'_>) {
    let Add { b, multiplier_a, multiplier_b, bias, requantizer, values } = arguments;
    let (factor_a, factor_b) = (i32::from(multiplier_a), i32::from(multiplier_b));
    for (value, &b) in values.iter_mut().zip(b) {
        let sum = (i32::from(*value) * factor_a).wrapping_add(i32::from(b) * factor_b);
        *value = narrow(requantizer.apply(sum.wrapping_add(bias)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use proptest::prelude::*;

    /// a − 10 in steps of 3 plus b + 4 in steps of 2, into steps of 4 around −1: by hand.
    #[test]
    fn golden_vectors() {
        let mut values = [10, 11, 127, -128];
        add(Add {
            b: &[-4, 0, 127, -128],
            multiplier_a: 3,
            multiplier_b: 2,
            bias: -10 * 3 + 4 * 2,
            requantizer: range(-1, -100, 127).requantizer(QUARTER),
            values: &mut values,
        });
        // 0 − 1; (3 + 8)/4 − 1 = 1.75; (351 + 262)/4 − 1 = 152.25; (−414 − 248)/4 − 1 = −166.5.
        assert_eq!(values, [-1, 2, 127, -100]);
    }

    proptest! {
        #[test]
        fn equals_its_twin(
            (a, b) in (1..40usize).prop_flat_map(|n| (values(n), values(n))),
            (multiplier_a, multiplier_b, bias) in (any::<i16>(), any::<i16>(), -(1 << 30)..(1 << 30)),
            (range, multiplier) in (output_range(), 0..=i32::MAX),
        ) {
            let mut sums = a.clone();
            let requantizer = range.requantizer(multiplier);
            add(Add { b: &b, multiplier_a, multiplier_b, bias, requantizer, values: &mut sums });
            for ((&result, &a), &b) in sums.iter().zip(&a).zip(&b) {
                let products = i64::from(a) * i64::from(multiplier_a) + i64::from(b) * i64::from(multiplier_b);
                let exact = twin_requantize(products + i64::from(bias), multiplier, bounds(range));
                prop_assert_eq!(i64::from(result), exact);
            }
        }
    }
}
