//! A matrix applied to rows of taps behind one another.

use super::clamp::clamp;
use super::rows::Rows;
use super::words::{Places, Words};
use crate::kernels::cut::extent;
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
    /// What results are added to, where they go.
    pub summand: Option<Summand>,
}

/// Rows that are better taken four at once, though some be missing, than one at a time.
pub const WORTH_FOUR: usize = 3;

/// Results of as many rows as there are values for. None where [`Rows::new`] gives none.
pub fn multiply(matrix: Matrix<'_>, values: &[i8], output: &mut [i8]) -> Option<()> {
    let mut words = Words::new();
    let mut rows = Rows::new(matrix, &mut words)?;
    let (fan_in, outputs) = (extent(matrix.fan_in), extent(matrix.parameters.biases.len()));
    let count = (values.len() / fan_in).min(output.len() / outputs);
    let mut done = rows.fours(values, output);
    while let Some((values, results)) = values.get(done * fan_in..).zip(output.get_mut(done * outputs..)) {
        let left = count - done;
        if left == 0 {
            break;
        }
        let is_four = rows.takes_four() && (left >= WORTH_FOUR || matrix.summand.is_some());
        let taken = if is_four { left.min(4) } else { 1 };
        match matrix.summand {
            _ if is_four => {
                rows.words.four(0, fan_in, Places { values, step: fan_in, count: taken });
                rows.four(results, taken);
            }
            Some(summand) => rows.one_added(values, results.get_mut(..outputs)?, summand),
            None => rows.one(values, results),
        }
        done += taken;
    }
    clamp(output.get_mut(..count * outputs)?, matrix.range);
    Some(())
}
