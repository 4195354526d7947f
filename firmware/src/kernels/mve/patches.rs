//! Windows over an input, laid out one behind the other with the zero point for what lies beyond the edge.

use core::mem::MaybeUninit;
use core::ops::Range;

use deja_shared::tensor::{Shape, View};

use super::rows::{Steps, copy, fill};
use crate::kernels::cut::extent;
use crate::kernels::{Overlap, Window, Windowed};

/// Bytes of laid out windows.
pub const ROOM: usize = 4096;

/// What windows are cut from.
pub struct Patches<'a> {
    input: View<'a>,
    padding: i8,
    window: Window,
    /// Columns of the output.
    width: usize,
    /// Values of one row of a window.
    row_len: usize,
    /// Values of a window.
    pub fan_in: usize,
}

impl<'a> Patches<'a> {
    /// Those of a convolution.
    pub fn of(arguments: &Windowed<'a>) -> Self {
        let Windowed { input, input_zero_point: padding, window, .. } = *arguments;
        let width = extent(arguments.output.shape.width);
        let row_len = usize::from(window.kernel_width) * usize::from(input.shape.channels);
        Self { input, padding, window, width, row_len, fan_in: usize::from(window.kernel_height) * row_len }
    }

    /// The windows of these positions of the output, counted row by row; as many as find room.
    pub fn lay_out<'r>(&self, positions: Range<usize>, room: &'r mut [MaybeUninit<i8>; ROOM]) -> &'r [i8] {
        let (mut position, mut to) = (positions.start, room.as_mut_ptr().cast::<i8>());
        let end = positions.end.min(positions.start + ROOM / extent(self.fan_in));
        while position < end {
            let (i, j) = (position / extent(self.width), position % extent(self.width));
            let count = (self.width - j).min(end - position);
            // SAFETY: the windows before `end` find room.
            unsafe { self.lay_out_row(i, j..j + count, to) };
            to = to.wrapping_add(count * self.fan_in);
            position += count;
        }
        let len = (position - positions.start) * self.fan_in;
        // SAFETY: all values of the windows have been written.
        unsafe { core::slice::from_raw_parts(room.as_ptr().cast(), len) }
    }

    /// Windows of one row of the output.
    ///
    /// # Safety
    /// `to` begins room for all of them, borrowed for writing.
    unsafe fn lay_out_row(&self, i: usize, columns: Range<usize>, to: *mut i8) {
        let (stride, left) = (extent(self.window.stride), usize::from(self.window.padding_left));
        let rows = self.window.rows(self.input.shape.height, i);
        // Windows from the first that begins on the input to the last that ends there.
        let kernel_width = usize::from(self.window.kernel_width);
        let reach = (usize::from(self.input.shape.width) + left).checked_sub(kernel_width);
        let start = left.div_ceil(stride).max(columns.start).min(columns.end);
        let end = reach.map_or(0, |reach| reach / stride + 1).max(start).min(columns.end);
        let place = |j: usize| to.wrapping_add((j - columns.start) * self.fan_in);
        for j in (columns.start..start).chain(end..columns.end) {
            // SAFETY: by the caller, there is room for this window.
            unsafe { self.lay_out_one(&rows, j, place(j)) };
        }
        if start < end {
            // SAFETY: by the caller, and all of the columns lie on the input.
            unsafe { self.lay_out_inner(&rows, start * stride - left, end - start, place(start)) };
        }
    }

    /// A window that may lie beyond the edge on any side.
    ///
    /// # Safety
    /// `to` begins room for it, borrowed for writing.
    unsafe fn lay_out_one(&self, rows: &Overlap, j: usize, to: *mut i8) {
        let columns = self.window.columns(self.input.shape.width, j);
        let channels = usize::from(self.input.shape.channels);
        let inside = to.wrapping_add(rows.taps.start * self.row_len + columns.taps.start * channels);
        let (len, count) = (columns.taps.len() * channels, rows.taps.len());
        // SAFETY: by the caller, `to` has room; the overlap's rows and columns lie on the input.
        unsafe {
            fill(Steps { start: to, step: 0 }, self.padding, self.fan_in, 1);
            copy(Steps { start: inside, step: self.row_len }, self.from(rows.start, columns.start), len, count);
        }
    }

    /// `count` windows, the first from column `x` of the input on, which may lie beyond the edge above and below.
    ///
    /// # Safety
    /// `to` begins room for them, borrowed for writing; all columns lie on the input.
    unsafe fn lay_out_inner(&self, rows: &Overlap, x: usize, count: usize, to: *mut i8) {
        let step = usize::from(self.window.stride) * usize::from(self.input.shape.channels);
        for u in 0..usize::from(self.window.kernel_height) {
            let to = Steps { start: to.wrapping_add(u * self.row_len), step: self.fan_in };
            if rows.taps.contains(&u) {
                let from = Steps { step, ..self.from(rows.start + u - rows.taps.start, x) };
                // SAFETY: by the caller, and the overlap's rows lie on the input.
                unsafe { copy(to, from, self.row_len, count) };
            } else {
                // SAFETY: by the caller.
                unsafe { fill(to, self.padding, self.row_len, count) };
            }
        }
    }

    /// The input from a position on, row by row.
    fn from(&self, y: usize, x: usize) -> Steps<*const i8> {
        let Shape { width, channels, .. } = self.input.shape;
        let step = usize::from(width) * usize::from(channels);
        Steps { start: self.input.data.as_ptr().wrapping_add(y * step + x * usize::from(channels)), step }
    }
}
