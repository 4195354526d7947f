//! A matrix applied to rows of taps behind one another.

use super::clamp::clamp;
use super::rows::{Places, Rows, Words};
use crate::kernels::{OutputRange, Parameters, Summand};

/// Filters, and where results of 8 bits lie.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    /// Taps of a row.
    pub fan_in: usize,
    /// o filters of them in pairs.
    pub parameters: Parameters<'a>,
    /// Where results lie: [`Rows`] saturates at 8 bits, whoever calls it clamps.
    pub range: OutputRange,
}

/// Rows that are better taken four at once, though some be missing, than one at a time.
pub const WORTH_FOUR: usize = 3;

/// Results of as many rows as there are values for; with a summand, added to what is there. None where [`Rows::new`] gives
/// none.
pub fn multiply(matrix: Matrix<'_>, values: &[i8], output: &mut [i8], summand: Option<Summand>) -> Option<()> {
    let mut words = Words::new();
    let mut rows = Rows::new(matrix, &mut words)?;
    let (fan_in, outputs) = (matrix.fan_in, matrix.parameters.biases.len());
    let count = (values.len() / fan_in).min(output.len() / outputs);
    let mut first = 0;
    while first < count {
        let values = &values[first * fan_in..];
        let results = &mut output[first * outputs..];
        let left = count - first;
        let is_four = rows.takes_four() && (left >= WORTH_FOUR || summand.is_some());
        let taken = if is_four { left.min(4) } else { 1 };
        match summand {
            _ if is_four => {
                rows.widen(0, fan_in, Places { values, step: fan_in, count: taken });
                rows.four(results, outputs, taken, summand);
            }
            Some(summand) => rows.one_added(values, &mut results[..outputs], summand),
            None => rows.one(values, results),
        }
        first += taken;
    }
    clamp(&mut output[..count * outputs], matrix.range);
    Some(())
}
