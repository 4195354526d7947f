//! The greatest value of each window.

use crate::kernels::MaxPool;
use crate::kernels::cut::{cut, extent};

/// `y[i,j,c] = clamp(max x[i·s−p+u, j·s−p+v, c])` over the positions that lie on the input.
pub fn max_pool(arguments: MaxPool<'_>) {
    let MaxPool { input, window, range, output } = arguments;
    let (width, channels) = (extent(output.shape.width), extent(output.shape.channels));
    for (i, output_row) in output.data.chunks_exact_mut(width * channels).enumerate() {
        let rows = window.rows(input.shape.height, i);
        for (j, results) in output_row.chunks_exact_mut(channels).enumerate() {
            let columns = window.columns(input.shape.width, j);
            results.fill(range.low);
            for y in rows.start..rows.start + rows.taps.len() {
                let start = (y * usize::from(input.shape.width) + columns.start) * channels;
                for values in cut(input.data, start, columns.taps.len() * channels).chunks_exact(channels) {
                    for (result, &value) in results.iter_mut().zip(values) {
                        *result = value.max(*result).min(range.high);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::kernels::Window;
    use deja_shared::tensor::Shape;
    use proptest::prelude::*;
    use std::vec;

    /// Two channels, 2×3, windows of 3×3 with padding, stride 2: by hand.
    #[test]
    fn golden_vectors() {
        let mut data = [0; 4];
        max_pool(MaxPool {
            input: view(Shape::new(2, 3, 2), &[-9, 1, -8, 2, -7, 99, -6, 4, -128, 5, -128, 6]),
            window: Window { kernel_height: 3, kernel_width: 3, stride: 2, padding_top: 1, padding_left: 1 },
            range: range(0, -8, 90),
            output: view_mut(Shape::new(1, 2, 2), &mut data),
        });
        assert_eq!(data, [-6, 5, -7, 90]);
    }

    fn case() -> impl Strategy<Value = (Shape, vec::Vec<i8>, Window, Shape)> {
        (input_of(1..8, 1..8, 1..20), window()).prop_flat_map(|((shape, input), window)| {
            let (rows, columns) = output_extents(shape, window);
            (rows, columns).prop_map(move |(height, width)| {
                (shape, input.clone(), window, Shape::new(height, width, shape.channels))
            })
        })
    }

    proptest! {
        #[test]
        fn equals_its_twin((shape, input, window, output) in case(), range in output_range()) {
            let mut data = vec![0; output.len() as usize];
            max_pool(MaxPool { input: view(shape, &input), window, range, output: view_mut(output, &mut data) });
            for (index, &result) in data.iter().enumerate() {
                let (position, c) = (index / usize::from(output.channels), index % usize::from(output.channels));
                let (i, j) = (position / usize::from(output.width), position % usize::from(output.width));
                let mut greatest = i8::MIN;
                for y in 0..usize::from(shape.height) {
                    for x in 0..usize::from(shape.width) {
                        let stride = usize::from(window.stride);
                        let (top, left) = (y + usize::from(window.padding_top), x + usize::from(window.padding_left));
                        let rows = i * stride..i * stride + usize::from(window.kernel_height);
                        let columns = j * stride..j * stride + usize::from(window.kernel_width);
                        if rows.contains(&top) && columns.contains(&left) {
                            let place = (y * usize::from(shape.width) + x) * usize::from(shape.channels) + c;
                            greatest = greatest.max(input[place]);
                        }
                    }
                }
                prop_assert_eq!(result, greatest.clamp(range.low, range.high));
            }
        }
    }
}
