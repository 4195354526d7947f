//! Maxima over windows, and maps scaled channel by channel, with their gradients.

use crate::compute::Window;

/// y\[i,j,c\] = max x\[i·s−p+u, j·s−p+v, c\] over the taps inside the picture.
pub fn max_pool(window: &Window, input: &[f32], output: &mut [f32]) {
    window.check_pool(input, output);
    for (at, y) in output[..window.output_len()].iter_mut().enumerate() {
        *y = greatest(window, input, at).1;
    }
}

/// dx = dy where x was the (first) greatest of its window, summed over windows; zero elsewhere.
pub fn max_pool_gradient(window: &Window, input: &[f32], d_output: &[f32], d_input: &mut [f32]) {
    window.check_pool(input, d_output);
    assert!(d_input.len() >= window.input_len(), "the gradient is shorter than its window says");
    d_input[..window.input_len()].fill(0.0);
    for (at, dy) in d_output[..window.output_len()].iter().enumerate() {
        d_input[greatest(window, input, at).0] += dy;
    }
}

/// The index and the value of the first greatest input of output `at`.
fn greatest(window: &Window, input: &[f32], at: usize) -> (usize, f32) {
    let (c, out_width) = (window.channels, window.out_width());
    let (i, j) = (at / c / out_width, at / c % out_width);
    let mut best: Option<(usize, f32)> = None;
    for u in window.taps(i, window.height) {
        for v in window.taps(j, window.width) {
            let row = i * window.stride + u - window.padding;
            let column = j * window.stride + v - window.padding;
            let from = (row * window.width + column) * c + at % c;
            if best.is_none_or(|(_, value)| input[from] > value) {
                best = Some((from, input[from]));
            }
        }
    }
    // A window that passes `check_pool` meets the picture.
    best.unwrap_or((at % c, f32::NEG_INFINITY))
}

/// out = factor·x (+ out where it accumulates), rows of channels, one factor a channel.
pub fn scale(factor: &[f32], input: &[f32], output: &mut [f32], accumulate: bool) {
    check_rows(factor, input, output);
    for (x, out) in input.chunks_exact(factor.len()).zip(output.chunks_exact_mut(factor.len())) {
        for ((out, x), factor) in out.iter_mut().zip(x).zip(factor) {
            *out = if accumulate { *out + factor * x } else { factor * x };
        }
    }
}

/// sums\[c\] += Σ a\[row, c\]·b\[row, c\]
pub fn dot(a: &[f32], b: &[f32], sums: &mut [f32]) {
    check_rows(sums, a, b);
    for (a, b) in a.chunks_exact(sums.len()).zip(b.chunks_exact(sums.len())) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
}

/// Panics unless both arrays hold the same whole rows of channels.
pub(crate) fn check_rows(channels: &[f32], one: &[f32], other: &[f32]) {
    assert!(!channels.is_empty() && one.len() == other.len(), "maps differ in length");
    assert!(one.len().is_multiple_of(channels.len()), "rows are not whole");
}
