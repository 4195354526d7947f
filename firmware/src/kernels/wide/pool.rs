//! The mean over all positions.

use super::Input;
use super::elements::Elements;

/// `y[c] = requantize(bias + Σ x[i,j,c])`.
pub(super) fn global_average_pool(input: Input<'_>, bias: i32, mut elements: Elements<'_>) {
    let channels = usize::from(input.shape.channels);
    for channel in 0..channels {
        let values = (channel..input.values.len()).step_by(channels).map(|index| input.values.get(index));
        elements.output.set(channel, elements.rule.apply(values.fold(bias, i32::wrapping_add)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use deja_shared::tensor::Shape;
    use proptest::prelude::*;
    use std::vec::Vec;

    proptest! {
        #[test]
        fn any_widths_equal_their_twin(
            (width, height, channels) in (1..6u16, 1..6u16, 1..9u16),
            values in operand(200),
            (output, bias) in (result(), -(1 << 29)..(1 << 29)),
        ) {
            let shape = Shape::new(height, width, channels);
            let values = values.take(shape.len() as usize);
            let found = output.run(channels.into(), None, |elements| {
                global_average_pool(values.input(shape), bias, elements);
            });
            let sum = |c: usize| values.integers.iter().skip(c).step_by(channels.into()).map(|&x| i64::from(x)).sum::<i64>();
            let product = |c: usize| i128::from(sum(c) + i64::from(bias)) * i128::from(output.rule.multiplier);
            let expected: Vec<i32> = (0..channels.into()).map(|c| twin(product(c), output.rule)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
