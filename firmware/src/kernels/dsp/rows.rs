//! Rows of taps to which filters are applied: four at a time or one.

use core::mem::MaybeUninit;
use core::ptr::null;

use deja_shared::model::pairs::{bytes, padded};
use deja_shared::quant::MULTIPLIER_BITS;

use super::block::{self, Four, Pairs, Sum};
use super::matrix::Matrix;
use super::row::{self, Row};
use super::widen;
use crate::kernels::{Parameters, Summand};

/// Most taps of four rows that fit the buffer; one row may have four times as many.
pub const TAPS: usize = 448;
/// Outputs whose sums are kept at a time.
const SUMS: usize = 32;

/// Room for widened taps, 3.5 KB; lent to [`Rows`], because what is moved may lie on the stack twice.
pub struct Words([MaybeUninit<u32>; 2 * TAPS]);

impl Words {
    /// Without values yet.
    pub const fn new() -> Self {
        Self([MaybeUninit::uninit(); 2 * TAPS])
    }
}

/// Up to four rows of taps among values.
#[derive(Clone, Copy)]
pub struct Places<'a> {
    /// From the first tap of the first row on.
    pub values: &'a [i8],
    /// From row to row.
    pub step: usize,
    /// Rows; the last of them also stands for those that lack to four.
    pub count: usize,
}

/// A matrix with room for the rows that it is applied to.
pub struct Rows<'a> {
    matrix: Matrix<'a>,
    words: &'a mut [MaybeUninit<u32>; 2 * TAPS],
}

impl<'a> Rows<'a> {
    /// None where the filters are not whole, lie on an odd address, or have more taps than one row may have.
    pub fn new(matrix: Matrix<'a>, words: &'a mut Words) -> Option<Self> {
        let Matrix { fan_in, parameters, .. } = matrix;
        let Parameters { weights, biases, multipliers } = parameters;
        let is_whole = weights.len() >= bytes(biases.len(), fan_in) && multipliers.len() >= biases.len();
        let fits = fan_in > 0 && padded(fan_in) <= 4 * TAPS && !biases.is_empty();
        let usable = is_whole && fits && (weights.as_ptr() as usize).is_multiple_of(4);
        usable.then_some(Self { matrix, words: &mut words.0 })
    }

    /// Whether four rows can be taken at once.
    pub fn takes_four(&self) -> bool {
        padded(self.matrix.fan_in) <= TAPS
    }

    /// Widens taps of four rows as number `first` and following, a multiple of four; only if [`Rows::takes_four`].
    pub fn widen(&mut self, first: usize, taps: usize, places: Places<'_>) {
        let Places { values, step, count } = places;
        let last = (count - 1) * step;
        let Some(rest) = values.len().checked_sub(last).filter(|&rest| rest >= taps) else { return };
        // Behind the last tap the weights are zeros, so any value will do.
        let whole = if rest >= padded(taps) { padded(taps) } else { taps & !3 };
        let words = &mut self.words[2 * first..][..2 * padded(taps)];
        let starts = [0, 1, 2, 3].map(|row| last.min(row * step));
        if whole > 0 {
            let rows = starts.map(|start| values.as_ptr().wrapping_add(start));
            // SAFETY: even the last row has that many taps, and there are two words for each.
            unsafe { widen::four_rows(words.as_mut_ptr().cast(), &rows, whole / 4) };
        }
        if whole < taps {
            for (row, start) in starts.into_iter().enumerate() {
                let [low, high] = pairs_of(&values[start + whole..][..taps - whole]);
                words[2 * whole + row].write(low);
                words[2 * whole + 4 + row].write(high);
            }
        }
    }

    /// Widens four windows that begin `step` apart, with three rows of nine taps each, as rows of 27.
    pub fn widen_windows(&mut self, values: &[i8], row: usize, step: usize) {
        let values = &values[..3 * step + 2 * row + 9];
        // SAFETY: that is what is read; there is always room for so few taps.
        unsafe { widen::four_windows(self.words.as_mut_ptr().cast(), values.as_ptr(), row, step) };
    }

    /// Results of the four rows that were widened, `count` of them `step` bytes apart, not clamped to the range; with a
    /// summand, added to what is there.
    ///
    /// # Shapes
    /// Each row fan_in; `results` `count` − 1 steps and o more.
    pub fn four(&mut self, results: &mut [i8], step: usize, count: usize, summand: Option<Summand>) {
        let Parameters { biases, multipliers, .. } = self.matrix.parameters;
        let (outputs, last) = (biases.len(), (count - 1) * step);
        let mut sum = summand.map(|summand| Sum { rows: count, step, ..self.sum(summand) });
        let results = &mut results[..last + outputs];
        let whole = outputs & !1;
        if whole > 0 {
            let pairs = self.pairs(0, &biases[..whole], multipliers, results.as_mut_ptr());
            let rows = [1, 2, 3].map(|row| last.min(row * step) as isize - 2);
            // SAFETY: the taps were widened; `new` has checked the constants; the results were measured above.
            unsafe { block::four(&Four { pairs, rows, sum: sum.as_ref().map_or(null(), |sum| sum) }) };
        }
        if whole < outputs {
            let mut room = [0; 8];
            (0..count).for_each(|row| room[2 * row] = results[row * step + whole]);
            sum = sum.map(|sum| Sum { step: 2, ..sum });
            let [biases, multipliers] = [[biases[whole], 0], [multipliers[whole], 0]];
            let pairs = self.pairs(whole, &biases, &multipliers, room.as_mut_ptr());
            // SAFETY: as above; the filter beside the last one is zeros, and there is room for its results.
            unsafe { block::four(&Four { pairs, rows: [0, 2, 4], sum: sum.as_ref().map_or(null(), |sum| sum) }) };
            (0..count).for_each(|row| results[row * step + whole] = room[2 * row]);
        }
    }

    /// Results of 8 bits of one row, not clamped to the range.
    pub fn one(&mut self, row: &[i8], results: &mut [i8]) {
        self.widen_one(row);
        self.outputs(0, 1, results);
    }

    /// Results of 16 bits of one row.
    pub fn one_wide(&mut self, row: &[i8], results: &mut [i16]) {
        self.widen_one(row);
        self.outputs(0, 2, bytemuck::cast_slice_mut(results));
    }

    /// Adds the results of one row to what is there.
    pub fn one_added(&mut self, row: &[i8], results: &mut [i8], summand: Summand) {
        self.widen_one(row);
        let Matrix { parameters, range, .. } = self.matrix;
        for (number, results) in results.chunks_mut(SUMS).enumerate() {
            let (mut sums, first) = ([0; SUMS], number * SUMS);
            self.outputs(first, 4, bytemuck::cast_slice_mut(&mut sums[..results.len()]));
            for ((result, sum), &multiplier) in results.iter_mut().zip(sums).zip(&parameters.multipliers[first..]) {
                let requantizer = range.requantizer(multiplier);
                // The requantizer has clamped it.
                *result = requantizer.round(requantizer.product(sum) + summand.term(*result)) as i8;
            }
        }
    }

    fn widen_one(&mut self, row: &[i8]) {
        let row = &row[..self.matrix.fan_in];
        let fours = row.len() / 4;
        if fours > 0 {
            // SAFETY: the row has so many taps, and `new` has seen to it that there is room for them.
            unsafe { widen::one_row(self.words.as_mut_ptr().cast(), row.as_ptr(), fours) };
        }
        if !row.len().is_multiple_of(4) {
            let [low, high] = pairs_of(&row[4 * fours..]);
            self.words[2 * fours].write(low);
            self.words[2 * fours + 1].write(high);
        }
    }

    /// Results of `size` bytes (4: sums) of the row that was widened, from output number `first` on, which is even.
    fn outputs(&self, first: usize, size: usize, results: &mut [i8]) {
        let Parameters { biases, multipliers, .. } = self.matrix.parameters;
        let outputs = biases.len().min(first + results.len() / size);
        let whole = outputs & !1;
        let (results, rest) = results.split_at_mut((whole - first) * size);
        if first < whole {
            let pairs = self.pairs(first, &biases[first..whole], &multipliers[first..], results.as_mut_ptr());
            // SAFETY: the taps were widened; `new` has checked the constants; the results are as many.
            unsafe { row::one(&Row { pairs, size }) };
        }
        if whole < outputs {
            let mut room = [0_i32; 2];
            let [biases, multipliers] = [[biases[whole], 0], [multipliers[whole], 0]];
            let pairs = self.pairs(whole, &biases, &multipliers, room.as_mut_ptr().cast());
            // SAFETY: as above; the filter beside the last one is zeros, and there is room for its result.
            unsafe { row::one(&Row { pairs, size }) };
            rest[..size].copy_from_slice(&bytemuck::cast_slice(&room)[..size]);
        }
    }

    /// Pairs of filters from output number `first` on.
    fn pairs(&self, first: usize, biases: &[i32], multipliers: &[i32], output: *mut i8) -> Pairs {
        let taps = padded(self.matrix.fan_in);
        let biases = biases.as_ptr_range();
        Pairs {
            values: self.words.as_ptr().cast(),
            zero_point: self.matrix.range.zero_point.into(),
            multipliers: multipliers.as_ptr(),
            output,
            biases: biases.start,
            biases_end: biases.end,
            weights: self.matrix.parameters.weights[first * taps..].as_ptr(),
            taps,
        }
    }

    /// What a summand adds to one row: `multiplier·2⁸·value + constant`, the rounding and the zero points in the latter.
    fn sum(&self, summand: Summand) -> Sum {
        let zero_point = i64::from(self.matrix.range.zero_point) << MULTIPLIER_BITS;
        let constant = zero_point + (1 << (MULTIPLIER_BITS - 1)) + summand.term(0);
        Sum { constant, multiplier: summand.multiplier, step: 0, rows: 1 }
    }
}

/// Up to four taps as two pairs of 16 bits, zeros behind them.
fn pairs_of(taps: &[i8]) -> [u32; 2] {
    let tap = |index: usize| u32::from(i16::from(taps.get(index).copied().unwrap_or(0)) as u16);
    [tap(0) | tap(1) << 16, tap(2) | tap(3) << 16]
}
