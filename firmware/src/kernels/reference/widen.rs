//! The raw embedding of a network that does not end in a matrix.

/// `y = x − zp`, to 16 bits.
pub fn widen(input: &[i8], zero_point: i8, output: &mut [i16]) {
    for (result, &value) in output.iter_mut().zip(input) {
        *result = i16::from(value) - i16::from(zero_point);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn is_the_difference(input: [i8; 5], zero_point: i8) {
            let mut output = [0; 5];
            widen(&input, zero_point, &mut output);
            for (y, x) in output.into_iter().zip(input) {
                prop_assert_eq!(i32::from(y), i32::from(x) - i32::from(zero_point));
            }
        }
    }
}
