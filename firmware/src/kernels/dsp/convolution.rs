//! Dense convolution: windows laid out as rows of taps, four at a time.

use super::block;
use super::matrix::{Matrix, Rows, TAPS, Words, one};
use crate::kernels::{Overlap, Windowed, reference};

/// As [`reference::convolution`].
pub fn convolution(arguments: Windowed<'_>) {
    let Windowed { input, window, groups, parameters, range, .. } = arguments;
    let row_len = usize::from(window.kernel_width) * usize::from(input.shape.channels);
    let fan_in = usize::from(window.kernel_height) * row_len;
    let mut words = Words::new();
    let rows = Rows::new(Matrix { fan_in, parameters, range }, &mut words);
    match rows {
        Some(rows) if groups == 1 && rows.takes_four() => {
            Patches { rows, fan_in, row_len, taps: &mut [[0; TAPS]; 4] }.run(arguments);
        }
        _ => reference::convolution(arguments),
    }
}

/// The taps under four positions, side by side.
struct Patches<'a> {
    rows: Rows<'a>,
    fan_in: usize,
    /// Taps of one row of the window.
    row_len: usize,
    taps: &'a mut [[i8; TAPS]; 4],
}

impl Patches<'_> {
    fn run(&mut self, arguments: Windowed<'_>) {
        let Windowed { ref input, window, .. } = arguments;
        let shape = arguments.output.shape;
        let (width, outputs) = (usize::from(shape.width), usize::from(shape.channels));
        for (i, results) in arguments.output.data.chunks_exact_mut(width * outputs).enumerate() {
            let rows = window.rows(input.shape.height, i);
            for first in (0..width).step_by(4) {
                let count = 4.min(width - first);
                for number in 0..count {
                    let columns = window.columns(input.shape.width, first + number);
                    self.gather(number, input, arguments.input_zero_point, (&rows, &columns));
                }
                let results = &mut results[first * outputs..];
                let taps = self.taps.each_ref().map(|taps| &taps[..self.fan_in]);
                if count == 4 {
                    self.rows.four(taps, results, outputs);
                } else {
                    let places = taps.into_iter().zip(results.chunks_exact_mut(outputs));
                    places.for_each(|(taps, results)| one(&mut self.rows, taps, results));
                }
            }
        }
    }

    /// Lays the window over these rows and columns out as taps.
    fn gather(
        &mut self,
        number: usize,
        input: &deja_shared::tensor::View<'_>,
        zero_point: i8,
        (rows, columns): (&Overlap, &Overlap),
    ) {
        let (row_len, channels) = (self.row_len, usize::from(input.shape.channels));
        let input_row = usize::from(input.shape.width) * channels;
        let taps = &mut self.taps[number][..self.fan_in];
        let (from, len) = (columns.taps.start * channels, columns.taps.len() * channels);
        if rows.taps.len() * row_len < taps.len() || len < row_len {
            taps.fill(zero_point);
        }
        for (u, y) in rows.taps.clone().zip(rows.start..) {
            let source = &input.data[y * input_row + columns.start * channels..][..len];
            let place = &mut taps[u * row_len + from..][..len];
            // SAFETY: both slices have `len` bytes.
            unsafe { block::copy(place.as_mut_ptr(), source.as_ptr(), len) };
        }
    }
}
