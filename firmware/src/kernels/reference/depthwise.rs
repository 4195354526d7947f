//! Depthwise convolution: every channel has its own filter.

use super::narrow;
use crate::kernels::Windowed;
use crate::kernels::cut::{cut, extent};

/// Channels whose accumulators are held at once.
const BLOCK: usize = 32;

/// `y[i,j,c] = requantize(bias[c] + Σ x[i·s−p+u, j·s−p+v, c] · w[u,v,c])`, where x beyond the edge is the input's zero
/// point.
pub fn depthwise(arguments: Windowed<'_>) {
    let Windowed { input, input_zero_point, window, parameters, range, output, .. } = arguments;
    let (width, channels) = (extent(output.shape.width), extent(output.shape.channels));
    let kernel_width = extent(window.kernel_width);
    let input_width = usize::from(input.shape.width);
    for (i, output_row) in output.data.chunks_exact_mut(width * channels).enumerate() {
        let rows = window.rows(input.shape.height, i);
        for (j, results) in output_row.chunks_exact_mut(channels).enumerate() {
            let columns = window.columns(input.shape.width, j);
            // The input's values under one weight of the filter, or nothing where that is padding.
            let values = |u: usize, v: usize| {
                let inside = rows.taps.contains(&u) && columns.taps.contains(&v);
                inside.then(|| {
                    let (y, x) = (rows.start + u - rows.taps.start, columns.start + v - columns.taps.start);
                    cut(input.data, (y * input_width + x) * channels, channels)
                })
            };
            for (block, results) in results.chunks_mut(BLOCK).enumerate() {
                let first = block * BLOCK;
                let mut accumulators = [0; BLOCK];
                let biases = cut(parameters.biases, first, results.len());
                accumulators.iter_mut().zip(biases).for_each(|(accumulator, &bias)| *accumulator = bias);
                let taps = parameters.weights.chunks_exact(channels).enumerate();
                for (tap, weights) in taps {
                    let weights = cut(weights, first, results.len());
                    match values(tap / kernel_width, tap % kernel_width) {
                        Some(values) => add_products(&mut accumulators, cut(values, first, results.len()), weights),
                        None => add_padding(&mut accumulators, input_zero_point, weights),
                    }
                }
                let multipliers = cut(parameters.multipliers, first, results.len());
                for ((result, &accumulator), &multiplier) in results.iter_mut().zip(&accumulators).zip(multipliers) {
                    *result = narrow(range.requantizer(multiplier).apply(accumulator));
                }
            }
        }
    }
}

fn add_products(accumulators: &mut [i32; BLOCK], values: &[i8], weights: &[i8]) {
    for ((accumulator, &value), &weight) in accumulators.iter_mut().zip(values).zip(weights) {
        *accumulator = accumulator.wrapping_add(i32::from(value) * i32::from(weight));
    }
}

fn add_padding(accumulators: &mut [i32; BLOCK], zero_point: i8, weights: &[i8]) {
    for (accumulator, &weight) in accumulators.iter_mut().zip(weights) {
        *accumulator = accumulator.wrapping_add(i32::from(zero_point) * i32::from(weight));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::kernels::Window;
    use deja_shared::tensor::Shape;
    use proptest::prelude::*;

    /// Two channels, a row of three positions, a filter of 1×3 with one column of padding, stride 2: by hand.
    #[test]
    fn golden_vectors() {
        let window = Window { kernel_height: 1, kernel_width: 3, stride: 2, padding_top: 0, padding_left: 1 };
        let mut data = [0; 4];
        depthwise(Windowed {
            input: view(Shape::new(1, 3, 2), &[4, 8, 12, -8, 20, 0]),
            input_zero_point: 4,
            window,
            groups: 1,
            // Σ w is 6 and 0: the folded biases are 0 − 4·6 and 2 − 4·0.
            parameters: parameters(&[1, -1, 2, 0, 3, 1], &[-24, 2], &[QUARTER, QUARTER]),
            range: FULL,
            output: view_mut(Shape::new(1, 2, 2), &mut data),
        });
        // Channel 0 holds 0, 8, 16: (0·2 + 8·3)/4 = 6 and (8·1 + 16·2)/4 = 10. Channel 1 holds 4, −12, −4:
        // (2 + 4·0 − 12·1)/4 = −2.5, which rounds up, and (2 + 12 − 0)/4 = 3.5, which does too.
        assert_eq!(data, [6, -2, 10, 4]);
    }

    proptest! {
        #[test]
        fn equals_its_twin(case in windowed_case(Channels::Depthwise)) {
            prop_assert_eq!(case.run(depthwise), case.twin());
        }
    }
}
