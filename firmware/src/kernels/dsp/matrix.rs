//! A matrix applied to rows of taps, whatever their number and length.

use core::mem::MaybeUninit;

use deja_shared::model::pairs::{bytes, padded};

use super::block::{self, Block};
use crate::kernels::{OutputRange, Parameters};

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

/// Makes sums of what a block names.
type Routine = unsafe extern "C" fn(&Block);

/// Filters, and where results of 8 bits lie.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    /// Taps of a row.
    pub fan_in: usize,
    /// o filters of them in pairs.
    pub parameters: Parameters<'a>,
    /// Where results lie.
    pub range: OutputRange,
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

    /// Results of four rows, `step` bytes apart; only if [`Rows::takes_four`].
    ///
    /// # Shapes
    /// Each row fan_in; `results` three steps and o more.
    pub fn four(&mut self, rows: [&[i8]; 4], results: &mut [i8], step: usize) {
        let outputs = self.matrix.parameters.biases.len();
        if !self.takes_four() || results.len() < 3 * step + outputs {
            return;
        }
        self.widen(rows);
        let OutputRange { zero_point, low, high } = self.matrix.range;
        let in_pairs = outputs / 2;
        let mut block = self.block(0, results.as_mut_ptr());
        (block.output_step, block.zero_point, block.pairs) = (step, zero_point.into(), in_pairs);
        [block.low, block.high] = [low, high].map(|bound| u32::from_ne_bytes([bound as u8; 4]));
        block.is_bounded = u32::from(low > i8::MIN || high < i8::MAX);
        if in_pairs > 0 {
            // SAFETY: `widen` has filled the words; `new` has checked the constants; the results were measured above.
            unsafe { block::four(&block) };
        }
        if outputs % 2 == 1 {
            let mut sums = [0; 8];
            self.sums_of_four(in_pairs, 1, &mut sums);
            for (row, &sum) in sums[..4].iter().enumerate() {
                results[row * step + outputs - 1] = self.result(outputs - 1, sum);
            }
        }
    }

    /// Every sum of four rows: gives `take` the row, the output and the sum; only if [`Rows::takes_four`].
    pub fn four_sums(&mut self, rows: [&[i8]; 4], mut take: impl FnMut(usize, usize, i32)) {
        if !self.takes_four() {
            return;
        }
        self.widen(rows);
        let outputs = self.matrix.parameters.biases.len();
        for first in (0..outputs).step_by(SUMS) {
            let count = SUMS.min(outputs - first);
            let mut sums = [0; 4 * SUMS];
            self.sums_of_four(first / 2, count.div_ceil(2), &mut sums);
            for (index, sums) in sums.chunks_exact(4).take(count).enumerate() {
                sums.iter().enumerate().for_each(|(row, &sum)| take(row, first + index, sum));
            }
        }
    }

    /// Every sum of one row: gives `take` the output and the sum.
    pub fn one_sums(&mut self, row: &[i8], mut take: impl FnMut(usize, i32)) {
        self.widen_one(row);
        let outputs = self.matrix.parameters.biases.len();
        for first in (0..outputs).step_by(SUMS) {
            let count = SUMS.min(outputs - first);
            let mut sums = [0; SUMS];
            self.run(first / 2, count.div_ceil(2), &mut sums, (block::one_sums, 2));
            sums[..count].iter().enumerate().for_each(|(index, &sum)| take(first + index, sum));
        }
    }

    /// The result of an output's sum.
    fn result(&self, output: usize, sum: i32) -> i8 {
        let multiplier = self.matrix.parameters.multipliers[output];
        // The requantizer has clamped it.
        self.matrix.range.requantizer(multiplier).apply(sum) as i8
    }

    fn sums_of_four(&self, first: usize, pairs: usize, sums: &mut [i32]) {
        self.run(first, pairs, sums, (block::four_sums, 8));
    }

    /// Runs a routine that makes so many sums a pair of outputs; an odd last one with a bias of its own.
    fn run(&self, first: usize, pairs: usize, sums: &mut [i32], (routine, each): (Routine, usize)) {
        let biases = self.matrix.parameters.biases;
        let pairs = pairs.min(sums.len() / each).min((biases.len() - 2 * first).div_ceil(2));
        let whole = pairs.min((biases.len() - 2 * first) / 2);
        let last = [biases[biases.len() - 1], 0];
        let (sums, rest) = sums.split_at_mut(whole * each);
        if whole > 0 {
            let mut block = self.block(first, sums.as_mut_ptr().cast());
            block.pairs = whole;
            // SAFETY: the words are filled, `new` has checked the constants, and there is room for the sums.
            unsafe { routine(&block) };
        }
        if whole < pairs {
            let mut block = self.block(first + whole, rest.as_mut_ptr().cast());
            (block.pairs, block.biases) = (1, last.as_ptr());
            // SAFETY: as above; the last pair has weights of zeros for its missing output.
            unsafe { routine(&block) };
        }
    }

    /// What the routines read from pair number `first` on.
    fn block(&self, first: usize, output: *mut i8) -> Block {
        let Parameters { weights, biases, multipliers } = self.matrix.parameters;
        let taps = padded(self.matrix.fan_in);
        Block {
            values: self.words.as_ptr().cast(),
            weights: weights[first * 2 * taps..].as_ptr(),
            biases: biases[2 * first..].as_ptr(),
            multipliers: multipliers[2 * first..].as_ptr(),
            output,
            output_step: 0,
            sixteens: taps / 16,
            fours: taps % 16 / 4,
            pairs: 0,
            zero_point: 0,
            low: 0,
            high: 0,
            is_bounded: 0,
        }
    }

    fn widen(&mut self, rows: [&[i8]; 4]) {
        let fan_in = self.matrix.fan_in;
        let rows = rows.map(|row| &row[..fan_in]);
        let fours = fan_in / 4;
        if fours > 0 {
            // SAFETY: every row has that many fours of taps, and the words have room for all that `takes_four` admits.
            unsafe { block::widen_four(self.words.as_mut_ptr().cast(), &rows.map(<[i8]>::as_ptr), fours) };
        }
        if !fan_in.is_multiple_of(4) {
            for (number, row) in rows.into_iter().enumerate() {
                let [low, high] = pairs_of(&row[4 * fours..]);
                self.words[8 * fours + number].write(low);
                self.words[8 * fours + 4 + number].write(high);
            }
        }
    }

    fn widen_one(&mut self, row: &[i8]) {
        let row = &row[..self.matrix.fan_in];
        for (words, taps) in self.words.chunks_exact_mut(2).zip(row.chunks(4)) {
            let [low, high] = pairs_of(taps);
            words[0].write(low);
            words[1].write(high);
        }
    }
}

/// Up to four taps as two pairs of 16 bits, zeros behind them.
fn pairs_of(taps: &[i8]) -> [u32; 2] {
    let tap = |index: usize| u32::from(i16::from(taps.get(index).copied().unwrap_or(0)) as u16);
    [tap(0) | tap(1) << 16, tap(2) | tap(3) << 16]
}

/// Rows behind one another: fours by the routine for four, the others one at a time.
pub fn multiply(matrix: Matrix<'_>, values: &[i8], output: &mut [i8]) -> Option<()> {
    let mut words = Words::new();
    let mut rows = Rows::new(matrix, &mut words)?;
    let (fan_in, outputs) = (matrix.fan_in, matrix.parameters.biases.len());
    let count = (values.len() / fan_in).min(output.len() / outputs);
    let in_fours = if rows.takes_four() { count & !3 } else { 0 };
    let row = |number: usize| &values[number * fan_in..][..fan_in];
    for first in (0..in_fours).step_by(4) {
        rows.four([0, 1, 2, 3].map(|index| row(first + index)), &mut output[first * outputs..], outputs);
    }
    for number in in_fours..count {
        one(&mut rows, row(number), &mut output[number * outputs..][..outputs]);
    }
    Some(())
}

/// Results of one row.
pub fn one(rows: &mut Rows<'_>, row: &[i8], results: &mut [i8]) {
    let (range, multipliers) = (rows.matrix.range, rows.matrix.parameters.multipliers);
    rows.one_sums(row, |output, sum| {
        // The requantizer has clamped it.
        results[output] = range.requantizer(multipliers[output]).apply(sum) as i8;
    });
}
