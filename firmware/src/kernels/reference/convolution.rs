//! Dense convolution.

use deja_shared::model::pairs::Filter;
use deja_shared::tensor::Shape;

use super::narrow;
use crate::kernels::cut::extent;
use crate::kernels::{Overlap, Windowed};

/// `y[i,j,o] = requantize(bias[o] + Σ x[i·s−p+u, j·s−p+v, c] · w[o,u,v,c])`, where x beyond the edge is the input's zero
/// point, and c runs over the channels of o's group.
pub fn convolution(arguments: Windowed<'_>) {
    let Windowed { input, input_zero_point, window, groups, parameters, range, output } = arguments;
    let (width, channels) = (extent(output.shape.width), extent(output.shape.channels));
    let group = extent(input.shape.channels / groups.max(1));
    let outputs = extent(channels / extent(groups));
    let row_len = usize::from(window.kernel_width) * group;
    let fan_in = usize::from(window.kernel_height) * row_len;
    for (i, output_row) in output.data.chunks_exact_mut(width * channels).enumerate() {
        let rows = window.rows(input.shape.height, i);
        for (j, results) in output_row.chunks_exact_mut(channels).enumerate() {
            let columns = window.columns(input.shape.width, j);
            let mut filters = parameters.filters(fan_in);
            for (number, results) in results.chunks_exact_mut(outputs).enumerate() {
                let (rows, columns, padding) = (&rows, &columns, input_zero_point.into());
                let (source, shape, first) = (input.data, input.shape, number * group);
                let place = Place { source, shape, rows, columns, padding, row_len, group, first };
                for (result, (filter, bias, multiplier)) in results.iter_mut().zip(&mut filters) {
                    let accumulator = bias.wrapping_add(place.products(filter, fan_in));
                    *result = narrow(range.requantizer(multiplier).apply(accumulator));
                }
            }
        }
    }
}

/// Values that filters are laid on.
pub(in crate::kernels) trait Source: Copy {
    /// Σ x·w, modulo 2³², of the values from `start` on.
    fn dot(self, start: usize, filter: Filter<'_>) -> i32;
}

impl Source for &[i8] {
    fn dot(self, start: usize, filter: Filter<'_>) -> i32 {
        filter.dot(self.get(start..).unwrap_or_default())
    }
}

/// A window at one position of the input, over the channels of one group.
pub(in crate::kernels) struct Place<'a, S> {
    /// The input's values.
    pub source: S,
    /// Its extents.
    pub shape: Shape,
    pub rows: &'a Overlap,
    pub columns: &'a Overlap,
    /// What stands beyond the edge.
    pub padding: i32,
    /// Weights of one row of the filter: columns × channels of the group.
    pub row_len: usize,
    /// Channels of the group.
    pub group: usize,
    /// The first of them.
    pub first: usize,
}

impl<S: Source> Place<'_, S> {
    /// Σ x·w over the whole window, padding included.
    pub fn products(&self, filter: Filter<'_>, fan_in: usize) -> i32 {
        let rows = (0..fan_in).step_by(extent(self.row_len)).map(|start| filter.part(start..start + self.row_len));
        rows.enumerate().map(|(u, row)| self.row_products(u, row)).fold(0, i32::wrapping_add)
    }

    fn row_products(&self, u: usize, row: Filter<'_>) -> i32 {
        if !self.rows.taps.contains(&u) {
            return self.padding.wrapping_mul(row.sum());
        }
        let channels = usize::from(self.shape.channels);
        let y = self.rows.start + u - self.rows.taps.start;
        let start = (y * usize::from(self.shape.width) + self.columns.start) * channels;
        let (from, to) = (self.columns.taps.start * self.group, self.columns.taps.end * self.group);
        let beside = row.part(0..from).sum().wrapping_add(row.part(to..self.row_len).sum());
        let inside = if self.group == channels {
            // The filter's row lies as the input's does.
            self.source.dot(start, row.part(from..to))
        } else {
            let places = (start + self.first..).step_by(extent(channels));
            let taps = places.zip((from..to).step_by(extent(self.group)));
            let dot = |(at, tap): (usize, usize)| self.source.dot(at, row.part(tap..tap + self.group));
            taps.map(dot).fold(0, i32::wrapping_add)
        };
        self.padding.wrapping_mul(beside).wrapping_add(inside)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::kernels::Window;
    use deja_shared::tensor::Shape;
    use proptest::prelude::*;

    /// A picture of 2×2 with one channel, a filter of 3×3 and padding all round: by hand, at scale ¼.
    #[test]
    fn golden_vectors() {
        let weights = [1, 2, 3, 4, 5, 6, 7, 8, 9];
        let window = Window { kernel_height: 3, kernel_width: 3, stride: 1, padding_top: 1, padding_left: 1 };
        let mut data = [0; 4];
        convolution(Windowed {
            input: view(Shape::new(2, 2, 1), &[11, 12, 13, 14]),
            input_zero_point: 10,
            window,
            groups: 1,
            // 4 − 10·45: a bias of 4 with the zero point folded in over the whole window.
            parameters: parameters(&interleaved(&weights, 1), &[4 - 450], &[QUARTER]),
            range: FULL,
            output: view_mut(Shape::new(2, 2, 1), &mut data),
        });
        // 4 + 1·5 + 2·6 + 3·8 + 4·9 = 81, 4 + 4 + 10 + 21 + 32 = 71, 4 + 2 + 6 + 15 + 24 = 51, 4 + 1 + 4 + 12 + 20 = 41;
        // a quarter of each is 20.25, 17.75, 12.75, 10.25.
        assert_eq!(data, [20, 18, 13, 10]);
    }

    /// One position, four channels in two groups with two outputs each: by hand.
    #[test]
    fn a_group_sees_its_own_channels() {
        let mut data = [0; 4];
        convolution(Windowed {
            input: view(Shape::new(1, 1, 4), &[4, 8, 40, 80]),
            input_zero_point: 0,
            window: Window { kernel_height: 1, kernel_width: 1, stride: 1, padding_top: 0, padding_left: 0 },
            groups: 2,
            parameters: parameters(&interleaved(&[1, 0, 0, 1, 1, 1, -1, 1], 4), &[0; 4], &[QUARTER; 4]),
            range: FULL,
            output: view_mut(Shape::new(1, 1, 4), &mut data),
        });
        assert_eq!(data, [1, 2, 30, 10]);
    }

    proptest! {
        #[test]
        fn equals_its_twin(case in windowed_case(Channels::Dense)) {
            prop_assert_eq!(case.run(convolution), case.twin());
        }

        #[test]
        fn groups_equal_their_twin(case in windowed_case(Channels::Groups)) {
            prop_assert_eq!(case.run(convolution), case.twin());
        }
    }
}
