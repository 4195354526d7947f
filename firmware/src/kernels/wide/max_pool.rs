//! The greatest value of each window.

use deja_shared::tensor::Shape;

use super::elements::Elements;
use super::{Input, Window};
use crate::kernels::cut::extent;

/// `y[i,j,c] = clamp(max x[i·s−p+u, j·s−p+v, c])` over the positions that lie on the input; `shape` is the output's.
pub(super) fn max_pool(input: Input<'_>, window: Window, shape: Shape, mut elements: Elements<'_>) {
    let (width, channels) = (extent(shape.width), usize::from(shape.channels));
    for position in 0..shape.positions() as usize {
        let (i, j) = (position / width, position % width);
        let (rows, columns) = (window.rows(input.shape.height, i), window.columns(input.shape.width, j));
        for channel in 0..channels {
            let mut greatest = elements.rule.low;
            for y in rows.start..rows.start + rows.taps.len() {
                for x in columns.start..columns.start + columns.taps.len() {
                    let place = (y * usize::from(input.shape.width) + x) * channels + channel;
                    greatest = greatest.max(input.values.get(place));
                }
            }
            elements.output.set(position * channels + channel, greatest.min(elements.rule.high));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::kernels::reference::testing::{output_extents, window};
    use deja_shared::tensor::Width;
    use proptest::prelude::*;

    fn case() -> impl Strategy<Value = (Shape, Window, Shape)> {
        (1..7u16, 1..7u16, 1..6u16, window()).prop_flat_map(|(height, width, channels, window)| {
            let shape = Shape::new(height, width, channels);
            let extents = output_extents(shape, window);
            extents.prop_map(move |(height, width)| (shape, window, Shape::new(height, width, channels)))
        })
    }

    proptest! {
        #[test]
        fn any_width_equals_its_twin((shape, window, results) in case(), values in operand(200), output in result()) {
            let values = values.take(shape.len() as usize);
            let output = Output { width: values.width, rule: output.bounded(values.width) };
            let found = output.run(results.len() as usize, None, |elements| {
                max_pool(values.input(shape), window, results, elements);
            });
            for (index, result) in found.into_iter().enumerate() {
                let (position, c) = (index / usize::from(results.channels), index % usize::from(results.channels));
                let (i, j) = (position / usize::from(results.width), position % usize::from(results.width));
                // Whether a window, given where it starts in the padded input, covers a place.
                let covers = |at: usize, padding: u8, kernel: u8, start: usize| {
                    (start * usize::from(window.stride)..).take(kernel.into()).any(|row| row == at + usize::from(padding))
                };
                let inside = |place: &usize| {
                    let (y, x) = (place / usize::from(shape.width), place % usize::from(shape.width));
                    covers(y, window.padding_top, window.kernel_height, i)
                        && covers(x, window.padding_left, window.kernel_width, j)
                };
                let places = (0..shape.positions() as usize).filter(inside);
                let greatest = places.map(|place| values.integers[place * usize::from(shape.channels) + c]).max();
                prop_assert_eq!(Some(result), greatest.map(|x| x.clamp(output.rule.low, output.rule.high)));
                prop_assert!(values.width == Width::Sixteen || result.abs() <= 128);
            }
        }
    }
}
