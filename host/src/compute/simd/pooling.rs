//! Maxima over windows, a register of channels at a time; channel scales, a strip of channels at a time.

use super::lanes::Lanes;
use super::normalization::{Rows, for_each_strip};
use crate::compute::Window;

/// See [`crate::compute::scalar::pooling::max_pool`].
///
/// # Safety
/// Needs the instruction set of `L`, and lengths that [`Window::check_pool`] accepts.
#[inline(always)]
pub unsafe fn max_pool<L: Lanes>(window: &Window, input: &[f32], output: &mut [f32]) {
    for channel in (0..window.channels).step_by(L::N) {
        // SAFETY: as the caller vouches; channels beyond the last are masked.
        unsafe {
            let mask = L::mask((window.channels - channel).min(L::N));
            for_each_output(window, |at, taps| {
                let best = greatest::<L>(input.as_ptr().wrapping_add(channel), mask, taps);
                best.store_partial(output.as_mut_ptr().wrapping_add(at + channel), mask);
            });
        }
    }
}

/// See [`crate::compute::scalar::pooling::max_pool_gradient`].
///
/// # Safety
/// As [`max_pool`], and `d_input` has at least [`Window::input_len`] values.
#[inline(always)]
pub unsafe fn max_pool_gradient<L: Lanes>(window: &Window, input: &[f32], d_output: &[f32], d_input: &mut [f32]) {
    d_input[..window.input_len()].fill(0.0);
    for channel in (0..window.channels).step_by(L::N) {
        let (x, dx) = (input.as_ptr().wrapping_add(channel), d_input.as_mut_ptr().wrapping_add(channel));
        // SAFETY: as the caller vouches; channels beyond the last are masked.
        unsafe {
            let mask = L::mask((window.channels - channel).min(L::N));
            let (infinity, minus_one) = (L::splat(f32::INFINITY), L::splat(-1.0));
            for_each_output(window, |at, taps| {
                let best = greatest::<L>(x, mask, taps.clone());
                let mut rest = L::load_partial(d_output.as_ptr().wrapping_add(at + channel), mask);
                for from in taps {
                    // What is still to be given stays with the lanes whose value is below the greatest.
                    let kept = rest.where_inside(best, L::load_partial(x.wrapping_add(from), mask), infinity);
                    let given = kept.mul_add(minus_one, rest);
                    let to = dx.wrapping_add(from);
                    L::load_partial(to, mask).add(given).store_partial(to, mask);
                    rest = kept;
                }
            });
        }
    }
}

/// See [`crate::compute::scalar::pooling::scale`].
///
/// # Safety
/// Needs the instruction set of `L`, and maps of one length, whole rows of as many channels as factors.
#[inline(always)]
pub unsafe fn scale<L: Lanes>(factor: &[f32], input: &[f32], output: &mut [f32], accumulate: bool) {
    let (x, out) = (input.as_ptr(), output.as_mut_ptr());
    for_each_strip!(factor.len(), input.len(), scale(factor, x, out, accumulate));
}

/// See [`crate::compute::scalar::pooling::dot`].
///
/// # Safety
/// Needs the instruction set of `L`, and maps of one length, whole rows of as many channels as sums.
#[inline(always)]
pub unsafe fn dot<L: Lanes>(a: &[f32], b: &[f32], sums: &mut [f32]) {
    let (x, y) = (a.as_ptr(), b.as_ptr());
    for_each_strip!(sums.len(), a.len(), dot(x, y, sums));
}

/// The greatest of the taps at `x`.
#[inline(always)]
unsafe fn greatest<L: Lanes>(x: *const f32, mask: L::Mask, taps: impl Iterator<Item = usize>) -> L {
    // SAFETY: the caller vouches for the taps and the instruction set.
    unsafe {
        let mut best = L::splat(f32::NEG_INFINITY);
        for from in taps {
            best = best.max(L::load_partial(x.wrapping_add(from), mask));
        }
        best
    }
}

/// Calls `visit` with the offset of each row of output channels and the offsets of the input rows that it sees.
#[inline(always)]
fn for_each_output<'a>(window: &'a Window, mut visit: impl FnMut(usize, Taps<'a>)) {
    for i in 0..window.out_height() {
        let rows = window.taps(i, window.height);
        for j in 0..window.out_width() {
            let columns = window.taps(j, window.width);
            let at = (i * window.out_width() + j) * window.channels;
            let (row, column) = (i * window.stride + rows.start, j * window.stride + columns.start);
            let first = ((row - window.padding) * window.width + column - window.padding) * window.channels;
            visit(at, Taps { window, first, rows: rows.len(), columns: columns.len(), row: 0, column: 0 });
        }
    }
}

/// The offsets of the input rows of channels in one window, in reading order.
#[derive(Clone)]
struct Taps<'a> {
    window: &'a Window,
    first: usize,
    rows: usize,
    columns: usize,
    row: usize,
    column: usize,
}

impl Iterator for Taps<'_> {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        if self.column == self.columns {
            (self.row, self.column) = (self.row + 1, 0);
        }
        if self.row >= self.rows || self.columns == 0 {
            return None;
        }
        let offset = self.first + (self.row * self.window.width + self.column) * self.window.channels;
        self.column += 1;
        Some(offset)
    }
}

impl Rows {
    #[inline(always)]
    unsafe fn scale<L: Lanes, const J: usize, const WHOLE: bool>(
        self,
        factor: &[f32],
        x: *const f32,
        out: *mut f32,
        accumulate: bool,
    ) {
        // SAFETY: each row is inside both arrays.
        unsafe {
            let factor = self.of::<L, J, WHOLE>(factor);
            let mut at = self.channel;
            for _ in 0..self.count {
                let mut values = self.load::<L, J, WHOLE>(x.wrapping_add(at));
                let sums = if accumulate { self.load::<L, J, WHOLE>(out.wrapping_add(at)) } else { [L::zero(); J] };
                for j in 0..J {
                    values[j] = values[j].mul_add(factor[j], sums[j]);
                }
                self.store::<L, J, WHOLE>(values, out.wrapping_add(at));
                at += self.channels;
            }
        }
    }

    #[inline(always)]
    unsafe fn dot<L: Lanes, const J: usize, const WHOLE: bool>(self, a: *const f32, b: *const f32, sums: &mut [f32]) {
        // SAFETY: each row is inside both arrays, and there is a sum a channel.
        unsafe {
            let mut parts = self.of::<L, J, WHOLE>(sums);
            let mut at = self.channel;
            for _ in 0..self.count {
                let a = self.load::<L, J, WHOLE>(a.wrapping_add(at));
                let b = self.load::<L, J, WHOLE>(b.wrapping_add(at));
                for j in 0..J {
                    parts[j] = a[j].mul_add(b[j], parts[j]);
                }
                at += self.channels;
            }
            self.store::<L, J, WHOLE>(parts, sums.as_mut_ptr().wrapping_add(self.channel));
        }
    }
}
