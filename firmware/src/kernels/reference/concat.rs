//! The channels of two activations one behind the other.

use super::narrow;
use crate::kernels::Concat;
use crate::kernels::cut::{cut, extent};

/// `y[n, ..] = round(term(a[n, ..])), round(term(b[n, ..]))`.
pub fn concat(arguments: Concat<'_>) {
    let Concat { inputs, summands, requantizer, output } = arguments;
    let [a, b] = inputs.map(|input| usize::from(input.shape.channels));
    for (n, row) in output.chunks_exact_mut(extent(a + b)).enumerate() {
        let mut results = row.iter_mut();
        for (input, summand) in inputs.iter().zip(summands) {
            let channels = usize::from(input.shape.channels);
            for (&value, result) in cut(input.data, n * channels, channels).iter().zip(&mut results) {
                *result = narrow(requantizer.round(summand.term(value)));
            }
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
    use std::vec;

    /// Two positions, two channels at half a scale and one that passes as it is: by hand.
    #[test]
    fn golden_vectors() {
        let mut output = [0; 6];
        concat(Concat {
            inputs: [view(Shape::new(1, 2, 2), &[0, 4, -128, 127]), view(Shape::new(1, 2, 1), &[9, -9])],
            summands: [Summand { zero_point: 0, multiplier: 1 << 23 }, Summand { zero_point: 2, multiplier: 1 << 24 }],
            requantizer: range(2, -20, 127).requantizer(0),
            output: &mut output,
        });
        assert_eq!(output, [2, 4, 9, -20, 66, -9]);
    }

    proptest! {
        #[test]
        fn equals_its_twin(
            (n, a, b) in (1..6u16, 1..6usize, 1..6usize),
            data in values(60),
            (zero_points, multipliers) in ([any::<i8>(); 2], [summand_multiplier(), summand_multiplier()]),
            range in output_range(),
        ) {
            let rows = usize::from(n);
            let inputs = [(a, &data[..rows * a]), (b, &data[30..30 + rows * b])];
            let [first, second] = [0, 1].map(|i| Summand { zero_point: zero_points[i], multiplier: multipliers[i] });
            let mut output = vec![0; rows * (a + b)];
            concat(Concat {
                inputs: inputs.map(|(channels, data)| view(Shape::new(1, n, channels as u16), data)),
                summands: [first, second],
                requantizer: range.requantizer(0),
                output: &mut output,
            });
            for (index, &result) in output.iter().enumerate() {
                let (row, c) = (index / (a + b), index % (a + b));
                let (i, value) = if c < a { (0, inputs[0].1[row * a + c]) } else { (1, inputs[1].1[row * b + c - a]) };
                let difference = i128::from(value) - i128::from(zero_points[i]);
                prop_assert_eq!(i64::from(result), twin_round(difference * i128::from(multipliers[i]) * 256, bounds(range)));
            }
        }
    }
}
