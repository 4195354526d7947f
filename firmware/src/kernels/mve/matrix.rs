//! A matrix applied to rows of taps, whatever their number and length.

use deja_shared::model::pairs::{bytes, padded};

use super::block::{self, Block};
use crate::kernels::cut::{cut, extent};
use crate::kernels::{OutputRange, Parameters, Summand};

/// Outputs that are computed together.
const OUTPUTS: usize = 4;
/// Taps of a vector.
const TAPS: usize = 16;
/// Rows of a last block with less than four outputs, which takes a way round.
const ROWS: usize = 16;

/// Rows of taps, one behind the other, and what is applied to them.
pub struct Matrix<'a> {
    /// n × fan_in.
    pub values: &'a [i8],
    /// Taps of a row, at least one.
    pub fan_in: usize,
    /// o filters of `fan_in` taps in pairs.
    pub parameters: Parameters<'a>,
    /// What is added, if anything.
    pub summand: Option<Summand>,
    /// Where results lie.
    pub range: OutputRange,
}

/// `output[n,o] = requantize(bias[o] + Σ values[n,t]·w[o,t])`, plus the summand in the output's place where there is one.
///
/// # Shapes
/// `output` n × o.
pub fn multiply(matrix: &Matrix<'_>, output: &mut [i8]) {
    let Parameters { weights, biases, multipliers } = matrix.parameters;
    let (fan_in, outputs) = (matrix.fan_in, biases.len());
    let is_whole = weights.len() >= bytes(outputs, fan_in) && multipliers.len() >= outputs;
    if fan_in == 0 || outputs == 0 || !is_whole {
        return;
    }
    let rows = (matrix.values.len() / fan_in).min(output.len() / outputs);
    if rows == 0 {
        return;
    }
    let mut filters = Filters::new(matrix);
    for first in (0..outputs).step_by(OUTPUTS) {
        filters.choose(first);
        let results = output.get_mut(first..).unwrap_or_default();
        if outputs - first >= OUTPUTS {
            // SAFETY: `values` holds `rows` rows, and `results` four results of each, `outputs` apart.
            unsafe { filters.run(matrix.values, rows, results.as_mut_ptr(), outputs) };
        } else {
            filters.run_few(matrix.values, rows, results, outputs);
        }
    }
}

/// One row into 16 bits around zero, from `low` to `high`.
///
/// # Shapes
/// `values` fan_in, `output` o.
pub fn multiply_wide(values: &[i8], parameters: Parameters<'_>, (low, high): (i32, i32), output: &mut [i16]) {
    let (fan_in, outputs) = (values.len(), output.len().min(parameters.biases.len()));
    let is_whole = parameters.weights.len() >= bytes(outputs, fan_in) && parameters.multipliers.len() >= outputs;
    if fan_in == 0 || !is_whole {
        return;
    }
    let range = OutputRange { zero_point: 0, low: 0, high: 0 };
    let mut filters = Filters::new(&Matrix { values, fan_in, parameters, summand: None, range });
    (filters.block.low, filters.block.high) = (low, high);
    for (number, results) in output.get_mut(..outputs).unwrap_or_default().chunks_mut(OUTPUTS).enumerate() {
        filters.choose(number * OUTPUTS);
        let mut four = [0_i16; OUTPUTS];
        filters.block.rest = filters.rest.0.as_ptr();
        filters.block.values = values.as_ptr();
        filters.block.output = four.as_mut_ptr().cast();
        // SAFETY: `choose` has set what belongs to the filters; one row and four results of 16 bits are borrowed.
        unsafe { block::one_wide(&filters.block) };
        results.iter_mut().zip(four).for_each(|(result, value)| *result = value);
    }
}

/// Weights behind the whole vectors of taps, for two pairs of outputs.
#[repr(align(8))]
struct Rest([i8; 4 * TAPS]);

/// Four filters out of a matrix.
struct Filters<'a> {
    parameters: Parameters<'a>,
    fan_in: usize,
    has_summand: bool,
    block: Block,
    rest: Rest,
}

impl<'a> Filters<'a> {
    fn new(matrix: &Matrix<'a>) -> Self {
        let Matrix { fan_in, parameters, summand, range, .. } = *matrix;
        let steps = fan_in / TAPS;
        let Summand { zero_point, multiplier } = summand.unwrap_or(Summand { zero_point: 0, multiplier: 0 });
        let block = Block {
            biases: [0; OUTPUTS],
            steps,
            filters: [parameters.weights.as_ptr(); 2],
            // Two rows further than where the row began.
            advance: (2 * fan_in - TAPS * steps) as isize,
            zero_point: range.zero_point.into(),
            output_step: 0,
            end: parameters.weights.as_ptr(),
            rest: parameters.weights.as_ptr(),
            summand_offset: i32::from(zero_point) << 8,
            summand_multiplier: multiplier,
            rest_taps: fan_in % TAPS,
            count: 0,
            multipliers: [0; OUTPUTS],
            low: range.low.into(),
            high: range.high.into(),
            values: parameters.weights.as_ptr(),
            next_values: parameters.weights.as_ptr(),
            output: core::ptr::null_mut(),
            values_step: fan_in,
        };
        Self { parameters, fan_in, has_summand: summand.is_some(), block, rest: Rest([0; 4 * TAPS]) }
    }

    /// Takes the four outputs from `first` on, or as many as there are.
    fn choose(&mut self, first: usize) {
        let Parameters { weights, biases, multipliers } = self.parameters;
        let pair_bytes = 2 * padded(self.fan_in);
        let pair = weights.get(first / 2 * pair_bytes..).unwrap_or_default();
        // Without a second pair, the first one stands in: nobody looks at its results.
        let pairs = [pair, pair.get(pair_bytes..).filter(|second| !second.is_empty()).unwrap_or(pair)];
        self.block.filters = pairs.map(<[i8]>::as_ptr);
        self.block.biases = four(biases.get(first..).unwrap_or_default());
        self.block.multipliers = four(multipliers.get(first..).unwrap_or_default());
        let (start, end) = (2 * TAPS * self.block.steps, pair_bytes);
        if start < end {
            for (rest, pair) in self.rest.0.chunks_exact_mut(2 * TAPS).zip(pairs) {
                if let (Some(rest), Some(weights)) = (rest.get_mut(..end - start), pair.get(start..end)) {
                    rest.copy_from_slice(weights);
                }
            }
        }
    }

    /// Applies them to `rows` rows.
    ///
    /// # Safety
    /// `values` holds that many rows, and from `output` on there are four results for each, `step` bytes apart, borrowed
    /// for writing.
    unsafe fn run(&mut self, values: &[i8], rows: usize, output: *mut i8, step: usize) {
        self.block.rest = self.rest.0.as_ptr();
        self.block.output_step = step;
        self.block.output = output;
        self.block.values = values.as_ptr();
        if self.fan_in <= TAPS && !self.has_summand {
            // SAFETY: of the rows by the caller, of the filters by `choose`.
            return unsafe { self.run_small(rows) };
        }
        // Rows shorter than a vector have no step that a pair could begin with.
        let in_pairs = if self.block.steps == 0 { 0 } else { rows & !1 };
        if in_pairs > 0 {
            self.block.next_values = values.as_ptr().wrapping_add(self.fan_in);
            self.block.end = self.block.values.wrapping_add(in_pairs * self.fan_in);
            let pairs = match (self.block.rest_taps > 0, self.has_summand) {
                (false, false) => block::pairs_whole,
                (true, false) => block::pairs_rest,
                (false, true) => block::pairs_whole_sum,
                (true, true) => block::pairs_rest_sum,
            };
            // SAFETY: as above.
            unsafe { pairs(&self.block) };
        }
        let one = if self.has_summand { block::one_sum } else { block::one };
        for row in in_pairs..rows {
            self.block.values = values.as_ptr().wrapping_add(row * self.fan_in);
            self.block.output = output.wrapping_add(row * step);
            // SAFETY: as above.
            unsafe { one(&self.block) };
        }
    }

    /// The same for at most 16 taps.
    ///
    /// # Safety
    /// As [`Filters::run`], which has set everything else.
    unsafe fn run_small(&mut self, rows: usize) {
        let behind = self.block.rest_taps;
        if self.block.steps == 0 {
            self.block.filters = [self.rest.0.as_ptr(), self.rest.0[2 * TAPS..].as_ptr()];
        }
        self.block.rest_taps = self.fan_in;
        self.block.count = rows;
        // SAFETY: by the caller; filters of 16 taps have 32 bytes, and so has each half of the rest.
        unsafe { block::small(&self.block) };
        self.block.rest_taps = behind;
    }

    /// Applies the last one to three outputs by way of results in fours.
    fn run_few(&mut self, values: &[i8], rows: usize, results: &mut [i8], step: usize) {
        let few = self.parameters.biases.len() % OUTPUTS;
        for start in (0..rows).step_by(ROWS) {
            let count = ROWS.min(rows - start);
            let mut fours = [[0_i8; OUTPUTS]; ROWS];
            let places = || (start * step..).step_by(extent(step));
            for (four, place) in fours.iter_mut().take(count).zip(places()) {
                four.iter_mut().zip(cut(results, place, few)).for_each(|(value, &result)| *value = result);
            }
            let values = cut(values, start * self.fan_in, count * self.fan_in);
            // SAFETY: these are `count` rows, and `fours` has room for their results.
            unsafe { self.run(values, count, fours.as_mut_ptr().cast(), OUTPUTS) };
            for (four, place) in fours.iter().take(count).zip(places()) {
                let results = results.iter_mut().skip(place).take(few);
                results.zip(four).for_each(|(result, &value)| *result = value);
            }
        }
    }
}

/// The first four, with zeros for those that are missing.
fn four(numbers: &[i32]) -> [i32; OUTPUTS] {
    match numbers.first_chunk() {
        Some(four) => *four,
        None => core::array::from_fn(|i| numbers.get(i).copied().unwrap_or(0)),
    }
}
