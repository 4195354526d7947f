//! Any filter window as one of ours, which is square, with one step and one padding: zeros fill it up.

/// Where an ONNX filter stands; two values each, for rows and for columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Of the input.
    pub extent: [usize; 2],
    /// Of the output.
    pub out: [usize; 2],
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    /// Zeros above and left of the input; those below and right follow from `out`.
    pub before: [usize; 2],
}

/// The same filter in a square: tap (u, v) of the window stands at `offset + dilation·(u, v)` of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Square {
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
    pub offset: [usize; 2],
}

/// The greatest square that is looked for: the format of models has no greater one.
const MOST: usize = 255;

impl Window {
    /// Rows and columns from the first tap to the last.
    pub fn reach(&self, axis: usize) -> usize {
        (self.kernel[axis] - 1).saturating_mul(self.dilation[axis]).saturating_add(1)
    }

    /// The smallest square that computes the same with zeros in its other taps. None exists where both steps matter and
    /// differ.
    pub fn square(&self) -> Option<Square> {
        let least = self.reach(0).max(self.reach(1));
        let candidates = (least..=MOST).flat_map(|kernel| (0..kernel).map(move |padding| (kernel, padding)));
        candidates.into_iter().find_map(|(kernel, padding)| {
            let stride = self.step(kernel, padding)?;
            let square = Square { kernel, stride, padding, offset: [0, 0] };
            let [row, column] = [self.fits(0, square)?, self.fits(1, square)?];
            Some(Square { offset: [row, column], ..square })
        })
    }

    /// The step of both axes; where there is one output only, any that leaves it alone.
    fn step(&self, kernel: usize, padding: usize) -> Option<usize> {
        match self.out {
            [1, 1] => {
                let slack = |axis: usize| (self.extent[axis] + 2 * padding).checked_sub(kernel);
                Some(self.stride[0].max(slack(0)?.max(slack(1)?) + 1))
            }
            [1, _] => Some(self.stride[1]),
            [_, 1] => Some(self.stride[0]),
            _ => (self.stride[0] == self.stride[1]).then_some(self.stride[0]),
        }
    }

    /// Where the first tap stands along `axis`, if the square holds the window and gives as many outputs.
    fn fits(&self, axis: usize, square: Square) -> Option<usize> {
        let offset = square.padding.checked_sub(self.before[axis])?;
        let slack = (self.extent[axis] + 2 * square.padding).checked_sub(square.kernel)?;
        let holds = offset + self.reach(axis) <= square.kernel && slack / square.stride + 1 == self.out[axis];
        holds.then_some(offset)
    }

    /// The same for a pool, where nothing may fill the window up: taps outside of the input are no taps.
    pub fn square_pool(&self) -> Option<Square> {
        let covers = |axis: usize| self.before[axis] == 0 && self.reach(axis) >= self.extent[axis];
        if self.out == [1, 1] && covers(0) && covers(1) && self.dilation == [1, 1] {
            return Some(covering(self.extent));
        }
        let same = |pair: [usize; 2]| pair[0] == pair[1];
        let plain = same(self.kernel) && same(self.before) && self.dilation == [1, 1];
        let square = self.square().filter(|_| plain)?;
        (square.kernel == self.kernel[0]).then_some(square)
    }
}

/// One window that reaches over all of a map.
pub fn covering([height, width]: [usize; 2]) -> Square {
    let padding = height.abs_diff(width);
    let kernel = height.max(width) + padding;
    Square { kernel, stride: padding + 1, padding, offset: [0, 0] }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Window =
        Window { extent: [10, 7], out: [5, 4], kernel: [3, 3], stride: [2, 2], dilation: [1, 1], before: [1, 1] };

    #[test]
    fn a_square_window_stays_what_it_is() {
        let square = Square { kernel: 3, stride: 2, padding: 1, offset: [0, 0] };
        assert_eq!((PLAIN.square(), PLAIN.square_pool()), (Some(square), Some(square)));
    }

    #[test]
    fn padding_on_one_side_becomes_zeros_in_the_filter() {
        let window = Window { extent: [8, 8], out: [4, 4], before: [0, 0], ..PLAIN };
        let square = Square { kernel: 4, stride: 2, padding: 1, offset: [1, 1] };
        assert_eq!((window.square(), window.square_pool()), (Some(square), None));
    }

    /// One-dimensional: which inputs the taps of every output see.
    fn taps(
        extent: usize,
        out: usize,
        first: impl Fn(usize) -> isize,
        reach: usize,
        dilation: usize,
    ) -> Vec<Vec<usize>> {
        let inside = |at: isize| usize::try_from(at).ok().filter(|at| *at < extent);
        let seen = |o| (0..reach).step_by(dilation).filter_map(|u| inside(first(o) + u as isize)).collect();
        (0..out).map(seen).collect()
    }

    #[test]
    fn every_square_sees_what_its_window_sees() {
        let windows = [
            Window { extent: [16, 8], out: [1, 1], kernel: [16, 8], stride: [1, 1], before: [0, 0], ..PLAIN },
            Window { extent: [9, 6], out: [9, 6], kernel: [1, 7], stride: [1, 1], before: [0, 3], ..PLAIN },
            Window { extent: [9, 6], out: [9, 6], kernel: [3, 3], stride: [1, 1], dilation: [2, 3], before: [2, 3] },
            Window { extent: [5, 6], out: [7, 8], kernel: [1, 1], stride: [1, 1], before: [1, 1], ..PLAIN },
            Window { extent: [3, 9], out: [1, 4], kernel: [3, 3], stride: [9, 2], before: [0, 0], ..PLAIN },
        ];
        for window in windows {
            let square = window.square().unwrap_or_else(|| panic!("{window:?}"));
            assert!(square.padding < square.kernel);
            for axis in [0, 1] {
                let (extent, out, stride) = (window.extent[axis], window.out[axis], window.stride[axis]);
                let theirs = |o: usize| (o * stride) as isize - window.before[axis] as isize;
                let ours = |o: usize| (o * square.stride + square.offset[axis]) as isize - square.padding as isize;
                let reach = window.reach(axis);
                let [a, b] = [
                    taps(extent, out, theirs, reach, window.dilation[axis]),
                    taps(extent, out, ours, reach, window.dilation[axis]),
                ];
                assert_eq!(a, b, "{window:?} {square:?}");
            }
        }
    }

    #[test]
    fn two_steps_are_no_square_and_a_map_is_covered_whole() {
        assert_eq!(Window { out: [5, 7], stride: [2, 1], ..PLAIN }.square(), None);
        for extent in [[8, 4], [4, 8], [5, 5], [1, 3]] {
            let Square { kernel, stride, padding, .. } = covering(extent);
            for extent in extent {
                assert!(
                    padding < kernel && kernel - padding >= extent && (extent + 2 * padding - kernel) / stride == 0
                );
            }
        }
    }
}
