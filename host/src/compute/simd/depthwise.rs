//! One 3×3 or 5×5 filter per channel, a register of channels at a time; other extents run the plain loops.

use super::lanes::Lanes;
use crate::compute::{Window, scalar};

/// See [`scalar::depthwise::forward`].
///
/// # Safety
/// Needs the instruction set of `L`, and lengths that [`Window::check`] accepts.
#[inline(always)]
pub unsafe fn forward<L: Lanes>(window: &Window, input: &[f32], weight: &[f32], output: &mut [f32]) {
    let pass = Pass { window, flipped: false };
    // SAFETY: as the caller vouches.
    unsafe {
        match window.kernel {
            3 => pass.correlate::<L, 3>(input.as_ptr(), weight.as_ptr(), output.as_mut_ptr()),
            5 => pass.correlate::<L, 5>(input.as_ptr(), weight.as_ptr(), output.as_mut_ptr()),
            _ => scalar::depthwise::forward(window, input, weight, output),
        }
    }
}

/// See [`scalar::depthwise::input_gradient`].
///
/// # Safety
/// As [`forward`].
#[inline(always)]
pub unsafe fn input_gradient<L: Lanes>(window: &Window, d_output: &[f32], weight: &[f32], d_input: &mut [f32]) {
    let (dy, w, dx) = (d_output.as_ptr(), weight.as_ptr(), d_input.as_mut_ptr());
    // With stride 1 the gradient is the correlation of the output's gradient with the filter turned around.
    let (height, width, padding) = (window.out_height(), window.out_width(), window.kernel - 1 - window.padding);
    let turned = Pass { window: &Window { height, width, padding, ..*window }, flipped: true };
    let pass = Pass { window, flipped: false };
    // SAFETY: as the caller vouches; the turned window's output is the input's extent.
    unsafe {
        match (window.kernel, window.stride) {
            (3, 1) => turned.correlate::<L, 3>(dy, w, dx),
            (5, 1) => turned.correlate::<L, 5>(dy, w, dx),
            (3, 2) => pass.gather::<L, 3>(dy, w, dx),
            (5, 2) => pass.gather::<L, 5>(dy, w, dx),
            _ => scalar::depthwise::input_gradient(window, d_output, weight, d_input),
        }
    }
}

/// See [`scalar::depthwise::weight_gradient`].
///
/// # Safety
/// As [`forward`].
#[inline(always)]
pub unsafe fn weight_gradient<L: Lanes>(window: &Window, input: &[f32], d_output: &[f32], d_weight: &mut [f32]) {
    let pass = Pass { window, flipped: false };
    // SAFETY: as the caller vouches.
    unsafe {
        match window.kernel {
            3 => pass.weight_gradient::<L, 3>(input.as_ptr(), d_output.as_ptr(), d_weight.as_mut_ptr()),
            5 => pass.weight_gradient::<L, 5>(input.as_ptr(), d_output.as_ptr(), d_weight.as_mut_ptr()),
            _ => scalar::depthwise::weight_gradient(window, input, d_output, d_weight),
        }
    }
}

struct Pass<'a> {
    window: &'a Window,
    /// Whether the filter is turned by 180°.
    flipped: bool,
}

impl Pass<'_> {
    #[inline(always)]
    unsafe fn correlate<L: Lanes, const K: usize>(&self, x: *const f32, w: *const f32, y: *mut f32) {
        let channels = self.window.channels;
        for channel in (0..channels).step_by(L::N) {
            // SAFETY: channels beyond the last are masked.
            unsafe {
                let mask = L::mask((channels - channel).min(L::N));
                if channel + L::N <= channels {
                    self.correlate_channels::<L, K, true>(channel, mask, x, w, y);
                } else {
                    self.correlate_channels::<L, K, false>(channel, mask, x, w, y);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn gather<L: Lanes, const K: usize>(&self, dy: *const f32, w: *const f32, dx: *mut f32) {
        let channels = self.window.channels;
        for channel in (0..channels).step_by(L::N) {
            // SAFETY: channels beyond the last are masked.
            unsafe {
                let mask = L::mask((channels - channel).min(L::N));
                if channel + L::N <= channels {
                    self.gather_channels::<L, K, true>(channel, mask, dy, w, dx);
                } else {
                    self.gather_channels::<L, K, false>(channel, mask, dy, w, dx);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn weight_gradient<L: Lanes, const K: usize>(&self, x: *const f32, dy: *const f32, dw: *mut f32) {
        let channels = self.window.channels;
        for channel in (0..channels).step_by(L::N) {
            // SAFETY: channels beyond the last are masked.
            unsafe {
                let mask = L::mask((channels - channel).min(L::N));
                if channel + L::N <= channels {
                    self.weight_channels::<L, K, true>(channel, mask, x, dy, dw);
                } else {
                    self.weight_channels::<L, K, false>(channel, mask, x, dy, dw);
                }
            }
        }
    }

    /// The filter of one register of channels.
    #[inline(always)]
    unsafe fn filter<L: Lanes, const K: usize, const WHOLE: bool>(&self, w: *const f32, mask: L::Mask) -> [[L; K]; K] {
        // SAFETY: `w` points to a register of the K·K rows of channels.
        unsafe {
            let mut filter = [[L::zero(); K]; K];
            for (u, row) in filter.iter_mut().enumerate() {
                for (v, tap) in row.iter_mut().enumerate() {
                    let at = if self.flipped { K * K - 1 - (u * K + v) } else { u * K + v };
                    *tap = L::load_if::<WHOLE>(w.wrapping_add(at * self.window.channels), mask);
                }
            }
            filter
        }
    }

    #[inline(always)]
    unsafe fn correlate_channels<L: Lanes, const K: usize, const WHOLE: bool>(
        &self,
        channel: usize,
        mask: L::Mask,
        x: *const f32,
        w: *const f32,
        y: *mut f32,
    ) {
        let Window { height, width, channels, stride, .. } = *self.window;
        let inside = self.window.inside(width);
        let mut y = y.wrapping_add(channel);
        // SAFETY: `taps` and `inside` keep reads inside the picture; writes walk the output in order.
        unsafe {
            let filter = self.filter::<L, K, WHOLE>(w.wrapping_add(channel), mask);
            for i in 0..self.window.out_height() {
                let rows = self.window.taps(i, height);
                let mut corner = self.corner(x.wrapping_add(channel), i);
                for j in 0..self.window.out_width() {
                    let columns = if inside.contains(&j) { 0..K } else { self.window.taps(j, width) };
                    let mut sum = L::zero();
                    if rows.len() == K && columns.len() == K {
                        for (u, filter) in filter.iter().enumerate() {
                            let row = corner.wrapping_add(u * width * channels);
                            for (v, tap) in filter.iter().enumerate() {
                                sum = L::load_if::<WHOLE>(row.wrapping_add(v * channels), mask).mul_add(*tap, sum);
                            }
                        }
                    } else {
                        // Constant bounds, so that the filter stays in registers.
                        for (u, filter) in filter.iter().enumerate() {
                            for (v, tap) in filter.iter().enumerate() {
                                if rows.contains(&u) && columns.contains(&v) {
                                    let from = corner.wrapping_add((u * width + v) * channels);
                                    sum = L::load_if::<WHOLE>(from, mask).mul_add(*tap, sum);
                                }
                            }
                        }
                    }
                    sum.store_if::<WHOLE>(y, mask);
                    y = y.wrapping_add(channels);
                    corner = corner.wrapping_add(stride * channels);
                }
            }
        }
    }

    /// dx\[i,j\] = Σ dy\[(i+p−u)/2, (j+p−v)/2\]·w\[u,v\] over the taps for which both divide; only for stride 2.
    #[inline(always)]
    unsafe fn gather_channels<L: Lanes, const K: usize, const WHOLE: bool>(
        &self,
        channel: usize,
        mask: L::Mask,
        dy: *const f32,
        w: *const f32,
        dx: *mut f32,
    ) {
        let Window { height, width, channels, padding, .. } = *self.window;
        let (out_height, out_width) = (self.window.out_height(), self.window.out_width());
        let dy = dy.wrapping_add(channel);
        let mut dx = dx.wrapping_add(channel);
        // SAFETY: only outputs that exist are read; writes walk the input in order.
        unsafe {
            let filter = self.filter::<L, K, WHOLE>(w.wrapping_add(channel), mask);
            for i in 0..height {
                let rows: [Option<usize>; K] = std::array::from_fn(|u| half(i + padding, u, out_height));
                for j in 0..width {
                    let mut sum = L::zero();
                    for v in 0..K {
                        let Some(column) = half(j + padding, v, out_width) else { continue };
                        for (row, filter) in rows.iter().zip(&filter) {
                            let Some(row) = row else { continue };
                            let from = dy.wrapping_add((row * out_width + column) * channels);
                            sum = L::load_if::<WHOLE>(from, mask).mul_add(filter[v], sum);
                        }
                    }
                    sum.store_if::<WHOLE>(dx, mask);
                    dx = dx.wrapping_add(channels);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn weight_channels<L: Lanes, const K: usize, const WHOLE: bool>(
        &self,
        channel: usize,
        mask: L::Mask,
        x: *const f32,
        dy: *const f32,
        dw: *mut f32,
    ) {
        let Window { height, width, channels, stride, .. } = *self.window;
        let inside = self.window.inside(width);
        let dw = dw.wrapping_add(channel);
        let mut dy = dy.wrapping_add(channel);
        // SAFETY: `taps` and `inside` keep reads inside the picture; dy is walked in order.
        unsafe {
            let mut sums = self.filter::<L, K, WHOLE>(dw, mask);
            for i in 0..self.window.out_height() {
                let rows = self.window.taps(i, height);
                let mut corner = self.corner(x.wrapping_add(channel), i);
                for j in 0..self.window.out_width() {
                    let columns = if inside.contains(&j) { 0..K } else { self.window.taps(j, width) };
                    let whole = rows.len() == K && columns.len() == K;
                    let gradient = L::load_if::<WHOLE>(dy, mask);
                    for (u, sums) in sums.iter_mut().enumerate() {
                        for (v, sum) in sums.iter_mut().enumerate() {
                            if whole || rows.contains(&u) && columns.contains(&v) {
                                let from = corner.wrapping_add((u * width + v) * channels);
                                *sum = L::load_if::<WHOLE>(from, mask).mul_add(gradient, *sum);
                            }
                        }
                    }
                    dy = dy.wrapping_add(channels);
                    corner = corner.wrapping_add(stride * channels);
                }
            }
            for (tap, sum) in sums.as_flattened().iter().enumerate() {
                sum.store_if::<WHOLE>(dw.wrapping_add(tap * channels), mask);
            }
        }
    }

    /// The first tap of output `[i, 0]`; it may lie before the picture, and is then not read.
    fn corner(&self, x: *const f32, i: usize) -> *const f32 {
        let Window { width, channels, stride, padding, .. } = *self.window;
        x.wrapping_add(i * stride * width * channels).wrapping_sub((padding * width + padding) * channels)
    }
}

/// (at − tap) / 2, if it divides and is below `extent`.
#[inline(always)]
fn half(at: usize, tap: usize, extent: usize) -> Option<usize> {
    let twice = at.wrapping_sub(tap);
    (twice.is_multiple_of(2) && twice / 2 < extent).then_some(twice / 2)
}
