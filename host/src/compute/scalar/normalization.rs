//! Batch norm and activation, forward and backward, over rows of channels.

use crate::compute::{Affine, Combination, Moments, Pullback};

/// See [`Affine`].
pub fn affine(map: &Affine, input: &[f32], output: &mut [f32]) {
    map.check(input, output);
    let channels = map.scale.len();
    for (z, y) in input.chunks_exact(channels).zip(output.chunks_exact_mut(channels)) {
        for c in 0..channels {
            y[c] = (z[c] * map.scale[c] + map.shift[c]).max(map.low).min(map.high);
        }
    }
}

/// Adds Σz to `first` and Σz² to `second`.
pub fn moments(input: &[f32], sums: Moments) {
    sums.check(input);
    for z in input.chunks_exact(sums.first.len()) {
        for ((z, first), second) in z.iter().zip(&mut *sums.first).zip(&mut *sums.second) {
            *first += z;
            *second += z * z;
        }
    }
}

/// Zeroes the gradient where the clamp is active; adds Σg to `first` and Σg·ẑ to `second`.
pub fn pull_back(map: &Pullback, input: &[f32], gradient: &mut [f32], sums: Moments) {
    map.check(input, gradient, &sums);
    let Affine { scale, shift, low, high } = map.affine;
    let channels = scale.len();
    for (z, g) in input.chunks_exact(channels).zip(gradient.chunks_exact_mut(channels)) {
        for c in 0..channels {
            let y = z[c] * scale[c] + shift[c];
            if !(y > low && y < high) {
                g[c] = 0.0;
            }
            sums.first[c] += g[c];
            sums.second[c] += g[c] * (z[c] * map.unit[c] + map.offset[c]);
        }
    }
}

/// See [`Combination`].
pub fn combine(factors: &Combination, gradient: &[f32], input: &[f32], output: &mut [f32]) {
    factors.check(gradient, input, output);
    let Combination { a, b, k } = factors;
    let channels = a.len();
    let rows = gradient.chunks_exact(channels).zip(input.chunks_exact(channels));
    for ((g, z), out) in rows.zip(output.chunks_exact_mut(channels)) {
        for c in 0..channels {
            out[c] = a[c] * g[c] + b[c] * z[c] + k[c];
        }
    }
}
