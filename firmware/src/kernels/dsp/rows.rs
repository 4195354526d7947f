//! Rows of taps to which filters are applied: four at a time or one.

use core::ptr::{null, null_mut};
use core::slice::from_raw_parts_mut;

use deja_shared::model::pairs::{bytes, padded};

use super::block::{self, Four, Pairs, Sum};
use super::matrix::Matrix;
use super::row::{self, Row};
use super::widen;
use super::words::{TAPS, Windows, Words};
use crate::kernels::cut::extent;
use crate::kernels::{Parameters, Summand};

/// Outputs whose sums are kept at a time.
const SUMS: usize = 32;

/// A matrix with room for the rows that it is applied to.
pub struct Rows<'a> {
    /// The taps that it is applied to.
    pub words: &'a mut Words,
    matrix: Matrix<'a>,
    /// All pairs, but for what changes from four rows to four.
    four: Four,
    sum: Option<Sum>,
}

impl<'a> Rows<'a> {
    /// None where the filters are not whole, lie on an odd address, or have more taps than one row may have.
    pub fn new(matrix: Matrix<'a>, words: &'a mut Words) -> Option<Self> {
        let Matrix { fan_in, parameters, range, summand } = matrix;
        let Parameters { weights, biases, multipliers } = parameters;
        let is_whole = weights.len() >= bytes(biases.len(), fan_in) && multipliers.len() >= biases.len();
        let fits = fan_in > 0 && padded(fan_in) <= 4 * TAPS && !biases.is_empty();
        let usable = is_whole && fits && (weights.as_ptr() as usize).is_multiple_of(4);
        let pairs = matrix.pairs(0, biases.get(..biases.len() & !1).unwrap_or_default(), multipliers);
        let four = Four { pairs, rows: [0; 3], sum: null() };
        let sum = summand.map(|summand| Sum::new(summand, range.zero_point, biases.len()));
        usable.then_some(Self { words, matrix, four, sum })
    }

    /// Whether four rows can be taken at once.
    pub fn takes_four(&self) -> bool {
        self.four.pairs.taps <= TAPS
    }

    /// Results of as many fours of rows behind one another as there are taps and results for, not clamped to the range;
    /// gives the number of these rows: 0 if not [`Rows::takes_four`].
    pub fn fours(&mut self, values: &[i8], results: &mut [i8]) -> usize {
        let (fan_in, outputs) = (extent(self.matrix.fan_in), extent(self.matrix.parameters.biases.len()));
        let taps = self.four.pairs.taps;
        // Of the last row, too, taps are read up to a multiple of four: their weights are zeros.
        let rows = (values.len() + fan_in).saturating_sub(taps) / fan_in;
        let rows = if self.takes_four() { rows.min(results.len() / outputs) & !3 } else { 0 };
        let (mut from, mut to) = (values.as_ptr(), results.as_mut_ptr());
        self.set(4);
        for _ in 0..rows / 4 {
            let at = |row| from.wrapping_add(row * fan_in);
            let four = [at(0), at(1), at(2), at(3)];
            // SAFETY: there are taps and results of so many rows, and four of them fit the words.
            unsafe {
                widen::four_rows(self.words.as_mut_ptr(), &four, taps / 4);
                self.apply(to, 4);
            }
            (from, to) = (at(4), to.wrapping_add(4 * outputs));
        }
        rows
    }

    /// Results of `fours` times four windows as [`Words::windows`] widens them, one behind the other, not clamped to the
    /// range; nothing where some are not there.
    pub fn windows(&mut self, windows: Windows<'_>, results: &mut [i8], fours: usize) {
        let Windows { values, row, step } = windows;
        let outputs = self.matrix.parameters.biases.len();
        let are_there = fours > 0 && values.len() >= (4 * fours - 1) * step + 2 * row + 9;
        if !are_there || results.len() < 4 * fours * outputs {
            return;
        }
        self.set(4);
        let (mut from, mut to) = (values.as_ptr(), results.as_mut_ptr());
        for _ in 0..fours {
            // SAFETY: there are windows and room for results; there is always room for so few taps.
            unsafe {
                widen::four_windows(self.words.as_mut_ptr(), from, row, step);
                self.apply(to, 4);
            }
            (from, to) = (from.wrapping_add(4 * step), to.wrapping_add(4 * outputs));
        }
    }

    /// Results of the first `count` of the four rows among the words, not clamped to the range; only if
    /// [`Rows::takes_four`].
    ///
    /// # Shapes
    /// `results` `count` × o.
    pub fn four(&mut self, results: &mut [i8], count: usize) {
        if results.len() >= count * self.matrix.parameters.biases.len() {
            self.set(count);
            // SAFETY: there is room for all results.
            unsafe { self.apply(results.as_mut_ptr(), count) };
        }
    }

    /// Says where the results of `count` rows go from the first one's.
    fn set(&mut self, count: usize) {
        let outputs = self.matrix.parameters.biases.len();
        let last = (count - 1) * outputs;
        // The bytes of a slice fit an isize.
        let place = |start: usize| start.min(last) as isize - 2;
        self.four.rows = [place(outputs), place(2 * outputs), place(3 * outputs)];
        if let Some(sum) = &mut self.sum {
            sum.rows = count;
            self.four.sum = sum;
        }
    }

    /// Results of the rows among the words, after [`Rows::set`].
    ///
    /// # Safety
    /// Four rows are not too long for the words, and `to` has room for the results of `count`.
    #[inline]
    unsafe fn apply(&mut self, to: *mut i8, count: usize) {
        let outputs = self.matrix.parameters.biases.len();
        (self.four.pairs.values, self.four.pairs.output) = (self.words.as_ptr(), to);
        if outputs > 1 {
            // SAFETY: `new` has checked the constants; the caller, the values and results.
            unsafe { block::four(&self.four) };
        }
        if outputs % 2 == 1 {
            // SAFETY: says the caller.
            self.last_of_four(unsafe { from_raw_parts_mut(to, count * outputs) });
        }
    }

    /// Results of an odd last output.
    #[inline(never)]
    fn last_of_four(&self, results: &mut [i8]) {
        let Parameters { biases, multipliers, .. } = self.matrix.parameters;
        let Some((last, biases, multipliers)) = last_pair(biases, multipliers) else { return };
        let mut room = [[0_i8; 2]; 4];
        for (row, room) in results.chunks_exact(extent(last + 1)).zip(&mut room) {
            room[0] = row.last().copied().unwrap_or_default();
        }
        let mut pairs = self.matrix.pairs(last, &biases, &multipliers);
        (pairs.values, pairs.output) = (self.words.as_ptr(), room.as_mut_ptr().cast());
        let sum = self.sum.map(|sum| Sum { step: 2, ..sum });
        let four = Four { pairs, rows: [0, 2, 4], sum: sum.as_ref().map_or(null(), |sum| sum) };
        // SAFETY: as in `apply`; the filter beside the last one is zeros, and there is room for its results.
        unsafe { block::four(&four) };
        for (row, room) in results.chunks_exact_mut(extent(last + 1)).zip(room) {
            row.iter_mut().last().into_iter().for_each(|result| *result = room[0]);
        }
    }

    /// Results of 8 bits of one row, not clamped to the range.
    pub fn one(&mut self, row: &[i8], results: &mut [i8]) {
        self.widen(row);
        self.outputs(0, 1, results);
    }

    /// Results of 16 bits of one row.
    pub fn one_wide(&mut self, row: &[i8], results: &mut [i16]) {
        self.widen(row);
        self.outputs(0, 2, bytemuck::cast_slice_mut(results));
    }

    /// Adds the results of one row to what is there.
    ///
    /// # Shapes
    /// `results` o.
    pub fn one_added(&mut self, row: &[i8], results: &mut [i8], summand: Summand) {
        self.widen(row);
        let Matrix { parameters, range, .. } = self.matrix;
        let multipliers = parameters.multipliers.chunks(SUMS);
        for ((number, results), multipliers) in results.chunks_mut(SUMS).enumerate().zip(multipliers) {
            let mut sums = [0; SUMS];
            self.outputs(number * SUMS, 4, bytemuck::cast_slice_mut(&mut sums));
            for ((result, sum), &multiplier) in results.iter_mut().zip(sums).zip(multipliers) {
                let requantizer = range.requantizer(multiplier);
                // The requantizer has clamped it.
                *result = requantizer.round(requantizer.product(sum) + summand.term(*result)) as i8;
            }
        }
    }

    fn widen(&mut self, row: &[i8]) {
        self.words.one(row.get(..self.matrix.fan_in).unwrap_or_default());
    }

    /// Results of `size` bytes (4: sums) of the row among the words, from output number `first` on, which is even.
    fn outputs(&self, first: usize, size: usize, results: &mut [i8]) {
        let Parameters { biases, multipliers, .. } = self.matrix.parameters;
        let count = biases.len().saturating_sub(first).min(results.len() / extent(size));
        let whole = count & !1;
        let (Some(of_pairs), Some(multipliers)) = (biases.get(first..first + whole), multipliers.get(first..)) else {
            return;
        };
        if whole > 0 {
            // SAFETY: there is room for so many results.
            unsafe { self.run(self.matrix.pairs(first, of_pairs, multipliers), size, results.as_mut_ptr()) };
        }
        if let Some((last, biases, multipliers)) = last_pair(biases, multipliers).filter(|_| whole < count) {
            let mut room = [0_i32; 2];
            let pairs = self.matrix.pairs(last, &biases, &multipliers);
            // SAFETY: there is room for two results of any size.
            unsafe { self.run(pairs, size, room.as_mut_ptr().cast()) };
            let bytes = bytemuck::cast_slice::<i32, i8>(&room).iter().take(size);
            results.iter_mut().skip(whole * size).zip(bytes).for_each(|(result, byte)| *result = *byte);
        }
    }

    /// Results of pairs of filters.
    ///
    /// # Safety
    /// The constants of the pairs are borrowed, and so is room for their results.
    unsafe fn run(&self, pairs: Pairs, size: usize, output: *mut i8) {
        let pairs = Pairs { values: self.words.as_ptr(), output, ..pairs };
        // SAFETY: `new` has checked the weights; a filter beside the last one is zeros.
        unsafe { row::one(&Row { pairs, size }) };
    }
}

impl Matrix<'_> {
    /// Pairs of filters from output number `first` on, without values and output.
    fn pairs(&self, first: usize, biases: &[i32], multipliers: &[i32]) -> Pairs {
        let taps = padded(self.fan_in);
        let biases = biases.as_ptr_range();
        Pairs {
            values: null(),
            zero_point: self.range.zero_point.into(),
            multipliers: multipliers.as_ptr(),
            output: null_mut(),
            biases: biases.start,
            biases_end: biases.end,
            weights: self.parameters.weights.as_ptr().wrapping_add(first * taps),
            taps,
        }
    }
}

/// The last output, with biases and multipliers of it and of what it is paired with.
fn last_pair(biases: &[i32], multipliers: &[i32]) -> Option<(usize, [i32; 2], [i32; 2])> {
    let last = biases.len().checked_sub(1)?;
    Some((last, [*biases.get(last)?, 0], [*multipliers.get(last)?, 0]))
}
