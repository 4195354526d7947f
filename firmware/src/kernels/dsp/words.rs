//! Room for taps that are brought from bytes into pairs of 16 bits.

use core::mem::MaybeUninit;
use core::ops::Range;

use deja_shared::model::pairs::padded;

use super::widen;

/// Most taps of four rows that fit; one row may have four times as many.
pub const TAPS: usize = 448;

/// Two taps of one row.
type Pair = [MaybeUninit<i16>; 2];

/// Widened taps, 3.5 KB: of four rows `[pair of taps][row]`, or of one. Lent to those who use it, because what is moved may
/// lie on the stack twice.
#[repr(align(4))]
pub struct Words([Pair; 2 * TAPS]);

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

/// Windows of three rows of nine taps each.
#[derive(Clone, Copy)]
pub struct Windows<'a> {
    /// From the first tap of the first window on.
    pub values: &'a [i8],
    /// From row to row of a window.
    pub row: usize,
    /// From window to window.
    pub step: usize,
}

impl Words {
    /// Without values yet.
    pub const fn new() -> Self {
        Self([[MaybeUninit::uninit(); 2]; 2 * TAPS])
    }

    /// Where they lie.
    pub const fn as_ptr(&self) -> *const u32 {
        self.0.as_ptr().cast()
    }

    /// Where they lie, to be written.
    pub const fn as_mut_ptr(&mut self) -> *mut u32 {
        self.0.as_mut_ptr().cast()
    }

    /// Widens taps of four rows, as number `first` and following, a multiple of four: false where some are not there.
    pub fn four(&mut self, first: usize, taps: usize, places: Places<'_>) -> bool {
        let Places { values, step, count } = places;
        let last = (count - 1) * step;
        let room = self.0.get_mut(2 * first..).and_then(|words| words.get_mut(..2 * padded(taps)));
        let rest = values.len().checked_sub(last).filter(|&rest| rest >= taps);
        let (Some(words), Some(rest)) = (room, rest) else { return false };
        // Behind the last tap the weights are zeros, so any value will do.
        let whole = if rest >= padded(taps) { padded(taps) } else { taps & !3 };
        // Not with `map`, of which the compiler makes loops.
        let starts = [0, step.min(last), (2 * step).min(last), (3 * step).min(last)];
        if whole > 0 {
            let at = |start| values.as_ptr().wrapping_add(start);
            let rows = [at(starts[0]), at(starts[1]), at(starts[2]), at(starts[3])];
            // SAFETY: even the last row has that many taps, and there are two words for each.
            unsafe { widen::four_rows(words.as_mut_ptr().cast(), &rows, whole / 4) };
        }
        if let Some(words) = words.get_mut(2 * whole..).filter(|_| whole < taps) {
            widen_rest(words, starts.map(|start| values.get(start + whole..start + taps).unwrap_or_default()));
        }
        true
    }

    /// Widens four windows: false where some are not there.
    pub fn windows(&mut self, windows: Windows<'_>) -> bool {
        let Windows { values, row, step } = windows;
        let are_there = values.len() >= 3 * step + 2 * row + 9;
        if are_there {
            // SAFETY: that is what is read; there is always room for so few taps.
            unsafe { widen::four_windows(self.as_mut_ptr(), values.as_ptr(), row, step) };
        }
        are_there
    }

    /// Writes one value over taps of one of four rows.
    pub fn fill(&mut self, row: usize, taps: Range<usize>, value: i8) {
        let value = MaybeUninit::new(value.into());
        let mut tap = taps.start;
        while tap < taps.end {
            let Some(pair) = self.0.get_mut(tap / 2 * 4 + row) else { return };
            let is_whole = tap.is_multiple_of(2) && tap + 1 < taps.end;
            if is_whole {
                *pair = [value; 2];
            } else {
                pair[tap % 2] = value;
            }
            tap += 1 + usize::from(is_whole);
        }
    }

    /// Widens one row, of which there may be 4·[`TAPS`] taps.
    pub fn one(&mut self, row: &[i8]) {
        let fours = row.len().min(4 * TAPS) / 4;
        if fours > 0 {
            // SAFETY: the row has so many taps, and there is room for them.
            unsafe { widen::one_row(self.as_mut_ptr(), row.as_ptr(), fours) };
        }
        let rest = row.get(4 * fours..).unwrap_or_default();
        if let (Some(words), false) = (self.0.get_mut(2 * fours..), rest.is_empty()) {
            words.iter_mut().zip(pairs_of(rest)).for_each(|(word, pair)| *word = pair);
        }
    }
}

/// Widens the last taps of four rows, fewer than four of each.
#[inline(never)]
fn widen_rest(words: &mut [Pair], rows: [&[i8]; 4]) {
    let Some((first, second)) = words.split_at_mut_checked(rows.len()) else { return };
    for ((first, second), taps) in first.iter_mut().zip(second).zip(rows) {
        [*first, *second] = pairs_of(taps);
    }
}

/// Up to four taps, zeros behind them.
fn pairs_of(taps: &[i8]) -> [Pair; 2] {
    let tap = |index: usize| MaybeUninit::new(taps.get(index).copied().unwrap_or(0).into());
    [[tap(0), tap(1)], [tap(2), tap(3)]]
}
