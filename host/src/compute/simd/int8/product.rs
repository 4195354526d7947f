//! Dense convolutions (pointwise ones, matrices) by register tiles of ROWS positions × REGISTERS registers of channels.

use super::lanes::ByteLanes;
use crate::compute::int8::{ConvolutionAdd, Layout, Matrix, Windowed, biased};

/// Panics unless all that [`convolution`] reads and writes is there.
pub fn check(job: &Windowed<'_, Matrix>) {
    let ((input, from), (output, to)) = (&job.input, &job.output);
    from.check(input);
    to.check(output);
    from.check_window(&job.window, to);
    let matrix = job.constants;
    assert_eq!(to.channels, matrix.channels, "output channels");
    assert_eq!(matrix.segments, usize::from(job.window.kernel_height), "rows of the filter");
    let values = usize::from(job.window.kernel_width) * from.channels;
    assert_eq!(matrix.quads, values.div_ceil(4), "values of a filter's row");
}

/// Panics unless all that [`convolution_add`] reads and writes is there.
pub fn check_add(job: &ConvolutionAdd<'_>) {
    check(&job.convolution);
    let ((summand, from), to) = (job.summand, job.convolution.output.1);
    from.check(summand);
    assert_eq!([from.height, from.width, from.channels], [to.height, to.width, to.channels], "extents of the summand");
}

/// Panics unless `row` is as long as the matrix reads.
pub fn check_row(matrix: &Matrix, row: &[u8]) {
    assert!(matrix.segments == 1 && 4 * matrix.quads <= row.len(), "the row is shorter than the matrix");
}

/// See `deja_firmware::kernels::reference::convolution`.
///
/// # Safety
/// Needs the instruction set of `L`, and a job that [`check`] accepts.
#[inline(always)]
pub unsafe fn convolution<L: ByteLanes>(job: Windowed<'_, Matrix>) {
    // SAFETY: as the caller vouches.
    unsafe { strips::<L>(job, None) }
}

/// See `deja_firmware::kernels::reference::pointwise_add`.
///
/// # Safety
/// Needs the instruction set of `L`, and a job that [`check_add`] accepts.
#[inline(always)]
pub unsafe fn convolution_add<L: ByteLanes>(job: ConvolutionAdd<'_>) {
    let (summand, from) = job.summand;
    // SAFETY: as the caller vouches.
    unsafe {
        let zero = L::all(biased(job.rule.zero_point).into());
        let factors = L::multipliers([job.rule.multiplier; 16].as_ptr());
        let places = Places { base: summand.as_ptr().cast_mut(), steps: Steps::of(&from) };
        strips::<L>(job.convolution, Some(Term { places, zero, factors }));
    }
}

/// All registers of output channels, as many at once as a tile holds.
#[inline(always)]
unsafe fn strips<L: ByteLanes>(job: Windowed<'_, Matrix>, term: Option<Term<L>>) {
    let ((input, from), (output, to)) = (job.input, job.output);
    let stride = usize::from(job.window.stride);
    let origin = from.at(0, 0)
        - from.pitch() * usize::from(job.window.padding_top)
        - from.channels * usize::from(job.window.padding_left);
    let read = Steps { origin, row: stride * from.pitch(), column: stride * from.channels };
    let walk = Walk {
        x: Places { base: input.as_ptr().cast_mut(), steps: read },
        y: Places { base: output.as_mut_ptr(), steps: Steps::of(&to) },
        term,
        extents: to,
    };
    let blocks = job.constants.biases.len() / L::N;
    let mut block = 0;
    while block < blocks {
        let registers = (blocks - block).min(L::REGISTERS);
        let strip = Strip { matrix: job.constants, block, pitch: from.pitch() };
        // SAFETY: as the caller vouches; the strip's blocks exist.
        unsafe {
            let range = L::range(job.range);
            match registers {
                3 => strip.run::<L, 3>(&walk, range),
                2 => strip.run::<L, 2>(&walk, range),
                _ => strip.run::<L, 1>(&walk, range),
            }
        }
        block += registers;
    }
}

/// The accumulators of one row.
///
/// # Safety
/// Needs the instruction set of `L`, and lengths that [`check_row`] accepts.
#[inline(always)]
pub unsafe fn accumulate<L: ByteLanes>(matrix: &Matrix, row: &[u8], sums: &mut Vec<i32>) {
    sums.resize(matrix.biases.len(), 0);
    let blocks = matrix.biases.len() / L::N;
    let mut block = 0;
    while block < blocks {
        let strip = Strip { matrix, block, pitch: 0 };
        // SAFETY: as the caller vouches; there is a sum for each lane of each block.
        unsafe {
            let to = sums.as_mut_ptr().wrapping_add(block * L::N);
            if block + 4 <= blocks {
                for (j, sums) in strip.sums::<L, 1, 4>([row.as_ptr().cast_mut()])[0].iter().enumerate() {
                    L::store_sums(*sums, to.wrapping_add(j * L::N));
                }
                block += 4;
            } else {
                L::store_sums(strip.sums::<L, 1, 1>([row.as_ptr().cast_mut()])[0][0], to);
                block += 1;
            }
        }
    }
    sums.truncate(matrix.channels);
}

/// Where positions stand.
#[derive(Clone, Copy)]
struct Steps {
    origin: usize,
    row: usize,
    column: usize,
}

impl Steps {
    fn of(layout: &Layout) -> Self {
        Self { origin: layout.at(0, 0), row: layout.pitch(), column: layout.channels }
    }
}

/// Positions in a buffer.
#[derive(Clone, Copy)]
struct Places {
    base: *mut u8,
    steps: Steps,
}

impl Places {
    /// R positions from `first` on, in rows of `width`.
    #[inline(always)]
    fn from<const R: usize>(&self, first: usize, width: usize) -> [*mut u8; R] {
        let (mut row, mut column) = (first / width, first % width);
        let mut places = [self.base; R];
        for place in &mut places {
            *place = place.wrapping_add(self.steps.origin + row * self.steps.row + column * self.steps.column);
            column += 1;
            if column == width {
                (row, column) = (row + 1, 0);
            }
        }
        places
    }
}

/// What is added to each result.
#[derive(Clone, Copy)]
struct Term<L: ByteLanes> {
    places: Places,
    zero: L::Sums,
    factors: L::Multipliers,
}

/// All positions of an output, in order.
struct Walk<L: ByteLanes> {
    x: Places,
    y: Places,
    term: Option<Term<L>>,
    extents: Layout,
}

/// Some registers of output channels from `block` on.
struct Strip<'a> {
    matrix: &'a Matrix,
    block: usize,
    /// Bytes between the rows of the filter's window.
    pitch: usize,
}

impl Strip<'_> {
    /// All positions.
    #[inline(always)]
    unsafe fn run<L: ByteLanes, const J: usize>(&self, walk: &Walk<L>, range: L::Range) {
        let positions = walk.extents.height * walk.extents.width;
        let mut position = 0;
        // SAFETY: each tile's positions are below `positions`.
        unsafe {
            if L::ROWS == 8 {
                while position + 8 <= positions {
                    self.tile::<L, 8, J>(walk, position, range);
                    position += 8;
                }
            }
            while position + 4 <= positions {
                self.tile::<L, 4, J>(walk, position, range);
                position += 4;
            }
            while position < positions {
                self.tile::<L, 1, J>(walk, position, range);
                position += 1;
            }
        }
    }

    #[inline(always)]
    unsafe fn tile<L: ByteLanes, const R: usize, const J: usize>(
        &self,
        walk: &Walk<L>,
        position: usize,
        range: L::Range,
    ) {
        let width = walk.extents.width;
        let y = walk.y.from::<R>(position, width);
        let first = self.block * L::N;
        // SAFETY: the caller vouches for the positions; stores end with the last channel.
        unsafe {
            let sums = self.sums::<L, R, J>(walk.x.from(position, width));
            let mut multipliers = [L::multipliers(self.matrix.multipliers.as_ptr().wrapping_add(first)); J];
            for (j, next) in multipliers.iter_mut().enumerate().skip(1) {
                *next = L::multipliers(self.matrix.multipliers.as_ptr().wrapping_add(first + j * L::N));
            }
            let summands = match &walk.term {
                None => y,
                Some(term) => term.places.from(position, width),
            };
            for ((sums, to), summand) in sums.into_iter().zip(y).zip(summands) {
                for (j, sum) in sums.into_iter().enumerate() {
                    let channel = first + j * L::N;
                    let values = match &walk.term {
                        None => L::requantize(sum, multipliers[j], range),
                        Some(Term { zero, factors, .. }) => {
                            let difference = L::subtract(L::widen(summand.wrapping_add(channel)), *zero);
                            L::requantize_with(sum, multipliers[j], (difference, *factors), range)
                        }
                    };
                    L::store(values, range, to.wrapping_add(channel), self.matrix.channels - channel);
                }
            }
        }
    }

    /// R positions by J registers, kept in registers over the whole window.
    #[inline(always)]
    unsafe fn sums<L: ByteLanes, const R: usize, const J: usize>(&self, x: [*mut u8; R]) -> [[L::Sums; J]; R] {
        let Matrix { segments, quads, ref weights, ref biases, .. } = *self.matrix;
        let block = segments * quads * 4 * L::N;
        let mut w = weights.as_ptr().wrapping_add(self.block * block);
        // SAFETY: the caller vouches for the window at each position; blocks of weights and biases exist.
        unsafe {
            let bias = biases.as_ptr().wrapping_add(self.block * L::N);
            let mut sums = [[L::sums(bias); J]; R];
            for j in 1..J {
                let bias = L::sums(bias.wrapping_add(j * L::N));
                for sums in &mut sums {
                    sums[j] = bias;
                }
            }
            for segment in 0..segments {
                let start = segment * self.pitch;
                for quad in 0..quads {
                    let mut right = [L::weights(w); J];
                    for (j, right) in right.iter_mut().enumerate().skip(1) {
                        *right = L::weights(w.wrapping_add(j * block));
                    }
                    for (sums, x) in sums.iter_mut().zip(x) {
                        let left = L::splat(x.wrapping_add(start + 4 * quad));
                        for (sum, right) in sums.iter_mut().zip(right) {
                            *sum = L::dot(*sum, left, right);
                        }
                    }
                    w = w.wrapping_add(4 * L::N);
                }
            }
            sums
        }
    }
}
