//! Dense convolution: windows laid out as rows of taps, four at a time.

use core::ops::Range;

use deja_shared::tensor::View;

use super::clamp::clamp;
use super::matrix::{Matrix, WORTH_FOUR};
use super::rows::{Places, Rows, TAPS, Words};
use super::widen::{self, Runs};
use crate::kernels::{Overlap, Window, Windowed, reference};

/// As [`reference::convolution`].
// Its buffers are on the stack only while it runs.
#[inline(never)]
pub fn convolution(arguments: Windowed<'_>) {
    let Windowed { input, window, groups, parameters, range, .. } = arguments;
    let row_len = usize::from(window.kernel_width) * usize::from(input.shape.channels);
    let fan_in = usize::from(window.kernel_height) * row_len;
    let mut words = Words::new();
    let rows = Rows::new(Matrix { fan_in, parameters, range }, &mut words);
    match rows {
        Some(rows) if groups == 1 && rows.takes_four() => {
            let (zero_point, taps) = (arguments.input_zero_point, &mut [0; 4 * TAPS]);
            Patches { rows, input, zero_point, window, fan_in, row_len, taps }.run(arguments);
        }
        _ => reference::convolution(arguments),
    }
}

/// The taps under four positions.
struct Patches<'a> {
    rows: Rows<'a>,
    input: View<'a>,
    zero_point: i8,
    window: Window,
    fan_in: usize,
    /// Taps of one row of the window.
    row_len: usize,
    /// Of windows that lie on padding or cannot be widened where they lie, one behind the other.
    taps: &'a mut [i8; 4 * TAPS],
}

impl Patches<'_> {
    fn run(&mut self, arguments: Windowed<'_>) {
        let shape = arguments.output.shape;
        let (width, outputs) = (usize::from(shape.width), usize::from(shape.channels));
        let inside = self.inside(width);
        for (i, results) in arguments.output.data.chunks_exact_mut(width * outputs).enumerate() {
            let rows = self.window.rows(self.input.shape.height, i);
            let is_inside = rows.taps.len() == usize::from(self.window.kernel_height);
            let mut first = 0;
            while first < width {
                let left = width - first;
                let count = if left >= WORTH_FOUR { left.min(4) } else { 1 };
                let results = &mut results[first * outputs..];
                let lie_inside = is_inside && count == 4 && inside.start <= first && first + 4 <= inside.end;
                if !(lie_inside && self.widen_inside(rows.start, first)) {
                    (0..count).for_each(|number| self.gather(number, &rows, first + number));
                    self.rows.widen(0, self.fan_in, Places { values: &self.taps[..], step: self.fan_in, count });
                }
                if count > 1 {
                    self.rows.four(results, outputs, count, None);
                } else {
                    self.rows.one(&self.taps[..], results);
                }
                first += count;
            }
        }
        clamp(arguments.output.data, arguments.range);
    }

    /// Positions of `width` whose windows have no column on padding.
    fn inside(&self, width: usize) -> Range<usize> {
        let [stride, padding, kernel] =
            [self.window.stride, self.window.padding_left, self.window.kernel_width].map(usize::from);
        let beyond = (usize::from(self.input.shape.width) + padding + 1).saturating_sub(kernel);
        padding.div_ceil(stride)..beyond.div_ceil(stride).min(width)
    }

    /// Widens four windows from a row of the input and a position on, all of them inside, without a copy: false where
    /// their rows are neither whole words nor nine taps.
    fn widen_inside(&mut self, row: usize, first: usize) -> bool {
        let (row_len, channels) = (self.row_len, usize::from(self.input.shape.channels));
        let input_row = usize::from(self.input.shape.width) * channels;
        let column = first * usize::from(self.window.stride) - usize::from(self.window.padding_left);
        let values = &self.input.data[row * input_row + column * channels..];
        let step = usize::from(self.window.stride) * channels;
        if row_len.is_multiple_of(4) {
            for u in 0..usize::from(self.window.kernel_height) {
                let places = Places { values: &values[u * input_row..], step, count: 4 };
                self.rows.widen(u * row_len, row_len, places);
            }
            return true;
        }
        let is_nine = row_len == 9 && self.fan_in == 27;
        if is_nine {
            self.rows.widen_windows(values, input_row, step);
        }
        is_nine
    }

    /// Lays the window at a position out as taps, over these rows.
    fn gather(&mut self, number: usize, rows: &Overlap, position: usize) {
        let columns = self.window.columns(self.input.shape.width, position);
        let (row_len, channels) = (self.row_len, usize::from(self.input.shape.channels));
        let from_step = usize::from(self.input.shape.width) * channels;
        let taps = &mut self.taps[number * self.fan_in..][..self.fan_in];
        let (count, len) = (rows.taps.len(), columns.taps.len() * channels);
        if count * len < self.fan_in {
            taps.fill(self.zero_point);
        }
        if count * len > 0 {
            let to = &mut taps[rows.taps.start * row_len + columns.taps.start * channels..];
            let to = &mut to[..(count - 1) * row_len + len];
            let from = &self.input.data[rows.start * from_step + columns.start * channels..];
            let from = &from[..(count - 1) * from_step + len];
            // SAFETY: both slices have that many runs, the last one without what is behind it.
            unsafe { widen::copy(to.as_mut_ptr(), from.as_ptr(), &Runs { len, count, to_step: row_len, from_step }) };
        }
    }
}
