//! Rounded weights and clipped activations shift the mean of what a layer computes: its bias takes that back.

/// The mean over all positions of `float` − `int8`, one a channel (Nagel et al. 2019, §4.2, with the means measured).
/// Added to the layer's bias, both have the same mean.
///
/// # Shapes
/// `pairs`: what the layer computes from float and from int8 inputs, each `[positions, channels]`.
pub fn shift<'a>(pairs: impl Iterator<Item = (&'a [f32], &'a [f32])>, channels: usize) -> Vec<f32> {
    let mut sums = vec![0.0f64; channels];
    let mut positions = 0usize;
    for (float, int8) in pairs {
        for (float, int8) in float.chunks_exact(channels).zip(int8.chunks_exact(channels)) {
            for (sum, (x, y)) in sums.iter_mut().zip(float.iter().zip(int8)) {
                *sum += f64::from(*x) - f64::from(*y);
            }
            positions += 1;
        }
    }
    sums.iter().map(|sum| (sum / positions.max(1) as f64) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_shifted_layer_has_the_mean_of_the_float_one(values in proptest::collection::vec((-9.0..9.0f32, -9.0..9.0f32), 1..60)) {
            let channels = if values.len().is_multiple_of(3) { 3 } else { 1 };
            let (float, mut int8): (Vec<f32>, Vec<f32>) = values.into_iter().unzip();
            let shift = shift([(&float[..], &int8[..])].into_iter(), channels);
            int8.chunks_exact_mut(channels).flatten().zip(shift.iter().cycle()).for_each(|(y, s)| *y += s);
            let mean = |all: &[f32], c: usize| all.iter().skip(c).step_by(channels).sum::<f32>();
            for channel in 0..channels {
                prop_assert!((mean(&float, channel) - mean(&int8, channel)).abs() < 1e-3);
            }
        }
    }

    #[test]
    fn nothing_seen_shifts_nothing() {
        assert_eq!(shift(std::iter::empty(), 2), [0.0, 0.0]);
    }
}
