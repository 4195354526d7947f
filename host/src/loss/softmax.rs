//! Softmax and log-sum-exp that cannot overflow.

/// Turns values into their softmax, eˣ / Σ eˣ, and returns ln Σ eˣ; −∞ where there are no values.
///
/// The largest of *these* values is subtracted first. (A maximum taken over more than the members, such as over masked
/// zeros, lets all weights vanish together.)
pub(super) fn softmax(values: &mut [f32]) -> f32 {
    let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for value in values.iter_mut() {
        *value = (*value - largest).exp();
        sum += *value;
    }
    values.iter_mut().for_each(|value| *value /= sum);
    largest + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_sum_to_one_however_large_or_small_the_values() {
        for offset in [-1e4, -80.0, 0.0, 80.0, 1e4] {
            let mut values = [offset, offset + 1.0, offset - 2.0];
            let expected = offset + (1.0 + 1.0f32.exp() + (-2.0f32).exp()).ln();
            assert!((softmax(&mut values) - expected).abs() <= 1e-6 * (1.0 + expected.abs()));
            assert!((values.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{values:?}");
            assert!(values[1] > values[0] && values[0] > values[2]);
        }
        assert_eq!(softmax(&mut []), f32::NEG_INFINITY);
    }
}
