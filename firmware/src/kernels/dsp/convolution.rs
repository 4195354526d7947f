//! Dense convolution: windows laid out as rows of taps, four at a time.

use core::ops::Range;

use deja_shared::tensor::View;

use super::clamp::clamp;
use super::matrix::{Matrix, WORTH_FOUR};
use super::rows::Rows;
use super::widen::{self, Runs};
use super::words::{Places, TAPS, Windows, Words};
use crate::kernels::cut::extent;
use crate::kernels::{Overlap, Window, Windowed, reference};

/// As [`reference::convolution`].
// Its buffers are on the stack only while it runs.
#[inline(never)]
pub fn convolution(arguments: Windowed<'_>) {
    let Windowed { input, window, groups, parameters, range, .. } = arguments;
    let channels = usize::from(input.shape.channels);
    let row_len = usize::from(window.kernel_width) * channels;
    let fan_in = usize::from(window.kernel_height) * row_len;
    let mut words = Words::new();
    let rows = Rows::new(Matrix { fan_in, parameters, range, summand: None }, &mut words);
    match rows {
        Some(rows) if groups == 1 && rows.takes_four() => {
            let patches = Patches {
                rows,
                input,
                zero_point: arguments.input_zero_point,
                window,
                fan_in,
                row_len,
                is_nines: row_len == 9 && fan_in == 27,
                input_row: usize::from(input.shape.width) * channels,
                step: usize::from(window.stride) * channels,
                padding: usize::from(window.padding_left) * channels,
                taps: &mut [0; 4 * TAPS],
            };
            patches.run(arguments);
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
    /// Whether the window is three rows of nine taps.
    is_nines: bool,
    /// Values of a row of the input.
    input_row: usize,
    /// Values from position to position.
    step: usize,
    /// Values of padding on the left.
    padding: usize,
    /// Of windows that lie on padding or cannot be widened where they lie, one behind the other.
    taps: &'a mut [i8; 4 * TAPS],
}

impl<'a> Patches<'a> {
    fn run(mut self, arguments: Windowed<'_>) {
        let shape = arguments.output.shape;
        let (width, outputs) = (extent(shape.width), extent(shape.channels));
        let inside = self.inside(width);
        for (i, mut results) in arguments.output.data.chunks_exact_mut(width * outputs).enumerate() {
            let rows = self.window.rows(self.input.shape.height, i);
            let is_inside = rows.taps.len() == usize::from(self.window.kernel_height);
            let mut first = 0;
            while first < width {
                let fours = inside.end.saturating_sub(first) / 4;
                let taken = if self.is_nines && is_inside && first >= inside.start && fours > 0 {
                    let windows = self.windows(rows.start, first);
                    self.rows.windows(windows, results, fours);
                    4 * fours
                } else {
                    self.few(&rows, first, width - first, results, &inside)
                };
                results = results.get_mut(taken * outputs..).unwrap_or_default();
                first += taken;
            }
        }
        clamp(arguments.output.data, arguments.range);
    }

    /// Results of up to four positions from one on, of the `left` ones of a row; gives their number.
    fn few(&mut self, rows: &Overlap, first: usize, left: usize, results: &mut [i8], inside: &Range<usize>) -> usize {
        let count = if left >= WORTH_FOUR { left.min(4) } else { 1 };
        let is_inside = rows.taps.len() == usize::from(self.window.kernel_height);
        if !(is_inside && count == 4 && self.widen_there(rows.start, first)) {
            (0..count).for_each(|number| self.gather(number, rows, first + number));
            let places = Places { values: &self.taps[..], step: self.fan_in, count };
            self.rows.words.four(0, self.fan_in, places);
        } else if first < inside.start || first + 4 > inside.end {
            (0..4).for_each(|number| self.pad(number, first + number));
        }
        if count > 1 {
            self.rows.four(results, count);
        } else {
            self.rows.one(&self.taps[..], results);
        }
        count
    }

    /// Positions of `width` whose windows have no column on padding.
    fn inside(&self, width: usize) -> Range<usize> {
        let stride = extent(self.window.stride);
        let [padding, kernel] = [self.window.padding_left, self.window.kernel_width].map(usize::from);
        let beyond = (usize::from(self.input.shape.width) + padding + 1).saturating_sub(kernel);
        padding.div_ceil(stride)..beyond.div_ceil(stride).min(width)
    }

    /// The windows from a row of the input and a position on; none where the first of them begins before the input.
    fn windows(&self, row: usize, first: usize) -> Windows<'a> {
        let start = (row * self.input_row + first * self.step).checked_sub(self.padding);
        let values = start.and_then(|start| self.input.data.get(start..)).unwrap_or_default();
        Windows { values, row: self.input_row, step: self.step }
    }

    /// Widens four windows where they lie, from a row of the input and a position on, with whatever lies where columns of
    /// theirs are on padding: false where nothing does, or if their rows are neither whole words nor nine taps.
    fn widen_there(&mut self, row: usize, first: usize) -> bool {
        let windows = self.windows(row, first);
        if self.is_nines {
            return self.rows.words.windows(windows);
        }
        let Windows { values, row, step } = windows;
        let mut widen = |u: usize| {
            let values = values.get(u * row..).unwrap_or_default();
            self.rows.words.four(u * self.row_len, self.row_len, Places { values, step, count: 4 })
        };
        self.row_len.is_multiple_of(4) && (0..usize::from(self.window.kernel_height)).all(&mut widen)
    }

    /// Writes the zero point over the columns of a widened window that are on padding.
    #[inline(never)]
    fn pad(&mut self, number: usize, position: usize) {
        let columns = self.window.columns(self.input.shape.width, position).taps;
        let channels = usize::from(self.input.shape.channels);
        for u in 0..usize::from(self.window.kernel_height) {
            let start = u * self.row_len;
            let inside = start + columns.start * channels..start + columns.end * channels;
            self.rows.words.fill(number, start..inside.start, self.zero_point);
            self.rows.words.fill(number, inside.end..start + self.row_len, self.zero_point);
        }
    }

    /// Lays the window at a position out as taps, over these rows.
    fn gather(&mut self, number: usize, rows: &Overlap, position: usize) {
        let columns = self.window.columns(self.input.shape.width, position);
        let (from_step, to_step, channels) = (self.input_row, self.row_len, usize::from(self.input.shape.channels));
        let (count, len) = (rows.taps.len(), columns.taps.len() * channels);
        let taps = self.taps.get_mut(number * self.fan_in..).and_then(|taps| taps.get_mut(..self.fan_in));
        let taps = taps.unwrap_or_default();
        if count * len < taps.len() {
            taps.fill(self.zero_point);
        }
        if count * len > 0 {
            let (to, from) = (
                rows.taps.start * to_step + columns.taps.start * channels,
                rows.start * from_step + columns.start * channels,
            );
            let to = taps.get_mut(to..to + (count - 1) * to_step + len);
            let from = self.input.data.get(from..from + (count - 1) * from_step + len);
            if let Some((to, from)) = to.zip(from) {
                // SAFETY: both have that many runs, the last of them without what is behind it.
                unsafe { widen::copy(to.as_mut_ptr(), from.as_ptr(), &Runs { len, count, to_step, from_step }) };
            }
        }
    }
}
