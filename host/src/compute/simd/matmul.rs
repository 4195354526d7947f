//! C = A·B by register tiles of ROWS × 3 registers.

use super::lanes::Lanes;
use crate::compute::Matmul;

/// See [`Matmul`].
///
/// # Safety
/// Needs the instruction set of `L`, and lengths that [`Matmul::check`] accepts.
#[inline(always)]
pub unsafe fn matmul<L: Lanes>(job: &Matmul, c: &mut [f32]) {
    let mut column = 0;
    while column < job.columns {
        let rest = job.columns - column;
        let registers = rest.div_ceil(L::N).min(3);
        let width = rest.min(registers * L::N);
        let tile = Tile { job, column, last: width - (registers - 1) * L::N };
        let c = c.as_mut_ptr();
        // SAFETY: the caller has the instruction set; columns column..column + width are inside B and C.
        unsafe {
            match (registers, width == registers * L::N) {
                (3, true) => tile.strip::<L, 3, true>(c),
                (3, false) => tile.strip::<L, 3, false>(c),
                (2, true) => tile.strip::<L, 2, true>(c),
                (2, false) => tile.strip::<L, 2, false>(c),
                (_, true) => tile.strip::<L, 1, true>(c),
                (_, false) => tile.strip::<L, 1, false>(c),
            }
        }
        column += width;
    }
}

/// A strip of columns of the product.
struct Tile<'a> {
    job: &'a Matmul<'a>,
    column: usize,
    /// Columns in the last register.
    last: usize,
}

impl Tile<'_> {
    /// All rows of a strip of J registers.
    #[inline(always)]
    unsafe fn strip<L: Lanes, const J: usize, const WHOLE: bool>(&self, c: *mut f32) {
        let mut row = 0;
        // SAFETY: each tile's rows are below `rows`.
        unsafe {
            if L::ROWS == 8 {
                while row + 8 <= self.job.rows {
                    self.tile::<L, 8, J, WHOLE>(row, c);
                    row += 8;
                }
            }
            while row + 4 <= self.job.rows {
                self.tile::<L, 4, J, WHOLE>(row, c);
                row += 4;
            }
            while row < self.job.rows {
                self.tile::<L, 1, J, WHOLE>(row, c);
                row += 1;
            }
        }
    }

    /// R rows by J registers, kept in registers over the whole depth.
    #[inline(always)]
    unsafe fn tile<L: Lanes, const R: usize, const J: usize, const WHOLE: bool>(&self, row: usize, c: *mut f32) {
        let Matmul { a_row, a_step, columns, depth, accumulate, .. } = *self.job;
        // SAFETY: rows row..row + R and the strip's columns lie inside A, B and C; the mask ends the last register.
        unsafe {
            let mask = L::mask(self.last);
            let mut sums = [[L::zero(); J]; R];
            let mut a = self.job.a.as_ptr().wrapping_add(row * a_row);
            let mut b = self.job.b.as_ptr().wrapping_add(self.column);
            for _ in 0..depth {
                let mut right = [L::zero(); J];
                for (j, right) in right.iter_mut().enumerate() {
                    let from = b.wrapping_add(j * L::N);
                    *right = if j + 1 == J { L::load_if::<WHOLE>(from, mask) } else { L::load(from) };
                }
                for (r, sums) in sums.iter_mut().enumerate() {
                    let left = L::splat(*a.wrapping_add(r * a_row));
                    for (sum, right) in sums.iter_mut().zip(right) {
                        *sum = left.mul_add(right, *sum);
                    }
                }
                a = a.wrapping_add(a_step);
                b = b.wrapping_add(columns);
            }
            for (r, sums) in sums.iter().enumerate() {
                for (j, sum) in sums.iter().enumerate() {
                    let to = c.wrapping_add((row + r) * columns + self.column + j * L::N);
                    if j + 1 == J {
                        let before = if accumulate { L::load_if::<WHOLE>(to, mask) } else { L::zero() };
                        sum.add(before).store_if::<WHOLE>(to, mask);
                    } else {
                        let before = if accumulate { L::load(to) } else { L::zero() };
                        sum.add(before).store(to);
                    }
                }
            }
        }
    }
}
