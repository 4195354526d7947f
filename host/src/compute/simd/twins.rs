//! Every table against the plain loops, over random shapes and values.

use proptest::prelude::*;

use crate::compute::{Affine, Combination, Kernels, Matmul, Moments, Pullback, Window};

/// Reproducible numbers in −1..1.
fn values(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// Runs `compute` with the plain loops and with every other table, and compares what it returns.
///
/// `terms` is how many products of numbers in −1..1 each value sums: rounding grows with it.
fn same_as_plain(terms: usize, compute: impl Fn(&Kernels) -> Vec<f32>) -> Result<(), TestCaseError> {
    let expected = compute(&Kernels::SCALAR);
    for kernels in Kernels::available() {
        for (index, (got, want)) in compute(kernels).iter().zip(&expected).enumerate() {
            let error = (got - want).abs();
            prop_assert!(error <= 2e-6 * (terms as f32 + 1.0), "{} [{index}]: {got} not {want}", kernels.name);
        }
    }
    Ok(())
}

fn windows() -> impl Strategy<Value = Window> {
    let extents = (1_usize..12, 1_usize..12, 1_usize..40, prop::sample::select(vec![2_usize, 3, 5]), 1_usize..4);
    extents.prop_flat_map(|(height, width, channels, kernel, stride)| {
        let height = height.max(kernel);
        let width = width.max(kernel);
        (0..kernel).prop_map(move |padding| Window { height, width, channels, kernel, stride, padding })
    })
}

proptest! {
    #[test]
    fn matmul(rows in 1_usize..20, columns in 1_usize..120, depth in 0_usize..40, turned: bool, accumulate: bool) {
        let (a, b) = (values(rows * depth.max(1), 1), values(depth * columns, 2));
        let (a_row, a_step) = if turned { (1, rows) } else { (depth, 1) };
        let job = Matmul { rows, columns, depth, a: &a, a_row, a_step, b: &b, accumulate };
        same_as_plain(depth, |kernels| {
            let mut c = values(rows * columns, 3);
            (kernels.matmul)(&job, &mut c);
            c
        })?;
    }

    #[test]
    fn depthwise(window in windows()) {
        let taps = window.kernel * window.kernel;
        let (x, w) = (values(window.input_len(), 1), values(taps * window.channels, 2));
        let dy = values(window.output_len(), 3);
        same_as_plain(taps, |kernels| {
            let mut y = values(window.output_len(), 4);
            (kernels.depthwise)(&window, &x, &w, &mut y);
            y
        })?;
        same_as_plain(taps, |kernels| {
            let mut dx = values(window.input_len(), 4);
            (kernels.depthwise_input_gradient)(&window, &dy, &w, &mut dx);
            dx
        })?;
        same_as_plain(window.output_len() / window.channels, |kernels| {
            let mut dw = values(taps * window.channels, 4);
            (kernels.depthwise_weight_gradient)(&window, &x, &dy, &mut dw);
            dw
        })?;
    }

    #[test]
    fn normalization(rows in 1_usize..50, channels in 1_usize..70, clamp in 0_usize..3) {
        let [z, g] = [1, 2].map(|seed| values(rows * channels, seed));
        let [scale, shift, unit, offset] = [3, 4, 5, 6].map(|seed| values(channels, seed));
        let (low, high) = [(f32::NEG_INFINITY, f32::INFINITY), (0.0, f32::INFINITY), (0.0, 0.5)][clamp];
        let map = Affine { scale: &scale, shift: &shift, low, high };
        same_as_plain(1, |kernels| {
            let mut y = vec![9.0; rows * channels];
            (kernels.affine)(&map, &z, &mut y);
            y
        })?;
        same_as_plain(rows, |kernels| {
            let mut sums = [values(channels, 7), values(channels, 8)];
            let [first, second] = &mut sums;
            (kernels.moments)(&z, Moments { first, second });
            sums.concat()
        })?;
        let map = Pullback { affine: map, unit: &unit, offset: &offset };
        same_as_plain(2 * rows, |kernels| {
            let (mut g, mut sums) = (g.clone(), [values(channels, 7), values(channels, 8)]);
            let [first, second] = &mut sums;
            (kernels.pull_back)(&map, &z, &mut g, Moments { first, second });
            [g, sums.concat()].concat()
        })?;
        let factors = Combination { a: &scale, b: &shift, k: &unit };
        same_as_plain(3, |kernels| {
            let mut out = vec![9.0; rows * channels];
            (kernels.combine)(&factors, &g, &z, &mut out);
            out
        })?;
    }

    #[test]
    fn max_pool(window in windows(), flat: bool) {
        // Values of which many are equal, as behind a ReLU.
        let mut x = values(window.input_len(), 1);
        x.iter_mut().filter(|_| flat).for_each(|x| *x = (*x * 2.0).round().max(0.0));
        let dy = values(window.output_len(), 3);
        same_as_plain(window.kernel * window.kernel, |kernels| {
            let [mut y, mut dx] = [window.output_len(), window.input_len()].map(|len| values(len, 4));
            (kernels.max_pool)(&window, &x, &mut y);
            (kernels.max_pool_gradient)(&window, &x, &dy, &mut dx);
            [y, dx].concat()
        })?;
    }

    #[test]
    fn channel_scale(rows in 1_usize..50, channels in 1_usize..70, accumulate: bool) {
        let [x, dy] = [1, 2].map(|seed| values(rows * channels, seed));
        let factor = values(channels, 3);
        same_as_plain(rows, |kernels| {
            let (mut y, mut sums) = (values(rows * channels, 4), values(channels, 5));
            (kernels.scale)(&factor, &x, &mut y, accumulate);
            (kernels.dot)(&x, &dy, &mut sums);
            [y, sums].concat()
        })?;
    }
}
