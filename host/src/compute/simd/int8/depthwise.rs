//! One filter per channel: four rows woven into registers, so that one instruction adds four products.

use super::lanes::ByteLanes;
use crate::compute::int8::{Channelwise, Windowed};

/// Panics unless all that [`depthwise`] reads and writes is there.
pub fn check(job: &Windowed<'_, Channelwise>) {
    let ((input, from), (output, to)) = (&job.input, &job.output);
    from.check(input);
    to.check(output);
    from.check_window(&job.window, to);
    let Channelwise { channels, repeat, ref weights, ref biases, .. } = *job.constants;
    assert_eq!(from.channels, to.channels, "channels");
    assert_eq!(channels, to.channels * repeat, "packed channels");
    assert!(repeat == 1 || (repeat == to.width && job.window.stride == 1), "packed for other rows");
    let taps = usize::from(job.window.kernel_height).div_ceil(4) * usize::from(job.window.kernel_width);
    assert_eq!(weights.len(), biases.len() * taps * 4, "weights of the filters");
}

/// See `deja_firmware::kernels::reference::depthwise`.
///
/// # Safety
/// Needs the instruction set of `L`, and a job that [`check`] accepts.
#[inline(always)]
pub unsafe fn depthwise<L: ByteLanes>(job: Windowed<'_, Channelwise>) {
    // SAFETY: as the caller vouches. The usual extents are constants for the compiler.
    unsafe {
        match (job.window.kernel_height, job.window.kernel_width, job.window.stride) {
            (3, 3, 1) => run::<L>(job, [3, 3, 1]),
            (3, 3, 2) => run::<L>(job, [3, 3, 2]),
            (height, width, stride) => run::<L>(job, [height, width, stride].map(usize::from)),
        }
    }
}

#[inline(always)]
unsafe fn run<L: ByteLanes>(job: Windowed<'_, Channelwise>, [height, width, stride]: [usize; 3]) {
    let ((input, from), (output, to)) = (job.input, job.output);
    let Channelwise { channels, repeat, ref weights, ref biases, ref multipliers } = *job.constants;
    let origin = from.at(0, 0)
        - from.pitch() * usize::from(job.window.padding_top)
        - from.channels * usize::from(job.window.padding_left);
    let block = 4 * L::N;
    let filter = height.div_ceil(4) * width * 4 * block;
    for first in (0..channels).step_by(block) {
        let columns = Columns {
            height,
            width,
            stride,
            pitch: from.pitch(),
            channels: from.channels,
            weights: weights.as_ptr().wrapping_add(first / block * filter),
            biases: biases.as_ptr().wrapping_add(first),
            multipliers: multipliers.as_ptr().wrapping_add(first),
            count: channels - first,
        };
        for row in 0..to.height {
            let mut x = input.as_ptr().wrapping_add(origin + row * stride * from.pitch() + first);
            let mut y = output.as_mut_ptr().wrapping_add(to.at(row, 0) + first);
            let mut left = to.width / repeat;
            // SAFETY: as the caller vouches; each position's window lies in the input and its halo.
            unsafe {
                let range = L::range(job.range);
                while left > 0 {
                    let done = if L::COLUMNS == 4 && left >= 4 {
                        columns.tile::<L, 4>(x, y, range)
                    } else if left >= 2 {
                        columns.tile::<L, 2>(x, y, range)
                    } else {
                        columns.tile::<L, 1>(x, y, range)
                    };
                    x = x.wrapping_add(done * stride * from.channels);
                    y = y.wrapping_add(done * to.channels);
                    left -= done;
                }
            }
        }
    }
}

/// A block of channels of the filters, and how the input lies under them.
struct Columns {
    height: usize,
    width: usize,
    stride: usize,
    pitch: usize,
    channels: usize,
    weights: *const i8,
    biases: *const i32,
    multipliers: *const i32,
    /// Channels from the block's first on.
    count: usize,
}

impl Columns {
    /// T neighbouring positions; returns T.
    #[inline(always)]
    unsafe fn tile<L: ByteLanes, const T: usize>(&self, x: *const u8, y: *mut u8, range: L::Range) -> usize {
        // SAFETY: the caller vouches for the windows; stores end with the last channel.
        unsafe {
            for (t, mut values) in self.sums::<L, T>(x).into_iter().enumerate() {
                for (k, value) in values.iter_mut().enumerate() {
                    let multipliers = L::multipliers(self.multipliers.wrapping_add(k * L::N));
                    *value = L::requantize(*value, multipliers, range);
                }
                L::store_woven(values, range, y.wrapping_add(t * self.channels), self.count);
            }
        }
        T
    }

    /// Each column of the input is woven once and serves every position that it lies under.
    #[inline(always)]
    unsafe fn sums<L: ByteLanes, const T: usize>(&self, x: *const u8) -> [[L::Sums; 4]; T] {
        // SAFETY: as in `tile`.
        unsafe {
            let mut bias = [L::sums(self.biases); 4];
            for (k, bias) in bias.iter_mut().enumerate().skip(1) {
                *bias = L::sums(self.biases.wrapping_add(k * L::N));
            }
            let mut sums = [bias; T];
            for group in 0..self.height.div_ceil(4) {
                let weights = self.weights.wrapping_add(group * self.width * 16 * L::N);
                for column in 0..(T - 1) * self.stride + self.width {
                    let woven = self.column::<L>(x.wrapping_add(column * self.channels), 4 * group);
                    for (t, sums) in sums.iter_mut().enumerate() {
                        let tap = column.wrapping_sub(t * self.stride);
                        if tap < self.width {
                            let w = weights.wrapping_add(tap * 16 * L::N);
                            for (k, sum) in sums.iter_mut().enumerate() {
                                *sum = L::dot(*sum, woven[k], L::weights(w.wrapping_add(k * 4 * L::N)));
                            }
                        }
                    }
                }
            }
            sums
        }
    }

    /// Up to four rows of a column, from row `first` of the filter on.
    #[inline(always)]
    unsafe fn column<L: ByteLanes>(&self, x: *const u8, first: usize) -> [L::Bytes; 4] {
        // SAFETY: as in `tile`; a row beyond the filter is not read, and its weights are zero.
        unsafe {
            let mut rows = [L::byte(0); 4];
            for (u, row) in rows.iter_mut().enumerate() {
                if first + u < self.height {
                    *row = L::load(x.wrapping_add((first + u) * self.pitch));
                }
            }
            L::weave(rows)
        }
    }
}
