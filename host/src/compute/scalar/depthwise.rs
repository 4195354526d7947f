//! One filter per channel: forward, and the two gradients.

use crate::compute::Window;

/// y\[i,j,c\] = Σ x\[i·s−p+u, j·s−p+v, c\]·w\[u,v,c\]
pub fn forward(window: &Window, input: &[f32], weight: &[f32], output: &mut [f32]) {
    window.check(input, weight, output);
    let c = window.channels;
    output[..window.output_len()].fill(0.0);
    for_each_tap(window, |at, from, tap| {
        let (out, x, w) = (&mut output[at..at + c], &input[from..from + c], &weight[tap..tap + c]);
        for ((out, x), w) in out.iter_mut().zip(x).zip(w) {
            *out += x * w;
        }
    });
}

/// dx\[i·s−p+u, j·s−p+v, c\] = Σ dy\[i,j,c\]·w\[u,v,c\]
pub fn input_gradient(window: &Window, d_output: &[f32], weight: &[f32], d_input: &mut [f32]) {
    window.check(d_input, weight, d_output);
    let c = window.channels;
    d_input[..window.input_len()].fill(0.0);
    for_each_tap(window, |at, from, tap| {
        let (dx, dy, w) = (&mut d_input[from..from + c], &d_output[at..at + c], &weight[tap..tap + c]);
        for ((dx, dy), w) in dx.iter_mut().zip(dy).zip(w) {
            *dx += dy * w;
        }
    });
}

/// dw\[u,v,c\] += Σ x\[i·s−p+u, j·s−p+v, c\]·dy\[i,j,c\]
pub fn weight_gradient(window: &Window, input: &[f32], d_output: &[f32], d_weight: &mut [f32]) {
    window.check(input, d_weight, d_output);
    let c = window.channels;
    for_each_tap(window, |at, from, tap| {
        let (dw, x, dy) = (&mut d_weight[tap..tap + c], &input[from..from + c], &d_output[at..at + c]);
        for ((dw, x), dy) in dw.iter_mut().zip(x).zip(dy) {
            *dw += x * dy;
        }
    });
}

/// Calls `visit(output, input, weight)` with the offsets of the rows of channels that meet.
fn for_each_tap(window: &Window, mut visit: impl FnMut(usize, usize, usize)) {
    let (c, out_width) = (window.channels, window.out_width());
    for i in 0..window.out_height() {
        for j in 0..out_width {
            for u in window.taps(i, window.height) {
                for v in window.taps(j, window.width) {
                    let row = i * window.stride + u - window.padding;
                    let column = j * window.stride + v - window.padding;
                    visit((i * out_width + j) * c, (row * window.width + column) * c, (u * window.kernel + v) * c);
                }
            }
        }
    }
}
