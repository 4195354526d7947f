//! Depthwise convolution: every channel has its own filter.
//!
//! The output falls into parts of at most 32 columns and 16 rows. Four channels at a time, the input under a part is
//! widened to 16 bits on the stack, and each channel's filter is swept over it.

use heapless::Vec;

use super::clamp::clamp;
use super::filters::Filters;
use super::plane::{LANES, PITCH, Planes, ROW, ROWS, Span};
use super::taps::{self, Frame, Sweep};
use crate::kernels::cut::extent;
use crate::kernels::{Windowed, reference};

/// Which functions apply a filter of `size`×`size`.
#[derive(Clone, Copy)]
struct Taps {
    size: usize,
    stride: usize,
    /// Two rows of outputs a turn.
    two_rows: Option<Sweep>,
    /// One row.
    one_row: Sweep,
}

/// `y[i,j,c] = requantize(bias[c] + Σ x[i·s−p+u, j·s−p+v, c] · w[u,v,c])`, where x beyond the edge is the input's zero
/// point.
///
/// For filters of 3×3 and 5×5 at strides 1 and 2 and at least four channels; others go to the reference. Takes 5.5 KB of
/// stack.
// Its buffers are on the stack only while it runs.
#[inline(never)]
pub fn depthwise(arguments: Windowed<'_>) {
    match taps_of(&arguments) {
        Some(taps) => parts(arguments, taps),
        None => reference::depthwise(arguments),
    }
}

/// None where the operands are not as [`Windowed`] says, or for extents that are not served here.
fn taps_of(arguments: &Windowed<'_>) -> Option<Taps> {
    let Windowed { input, window, parameters, output, .. } = arguments;
    let (size, stride) = (usize::from(window.kernel_height), usize::from(window.stride));
    let (two_rows, one_row): (Option<Sweep>, Sweep) = match (size, stride) {
        (3, 1) => (Some(taps::three_two_rows), taps::three),
        (3, 2) => (None, taps::three_by_two),
        (5, 1) => (None, taps::five),
        (5, 2) => (None, taps::five_by_two),
        _ => return None,
    };
    let channels = usize::from(output.shape.channels);
    let fits = input.shape.channels == output.shape.channels
        && input.data.len() as u64 == input.shape.len()
        && output.data.len() as u64 == output.shape.len()
        && parameters.weights.len() >= size * size * channels
        && parameters.biases.len().min(parameters.multipliers.len()) >= channels;
    let serves = window.kernel_width == window.kernel_height && channels >= LANES;
    (fits && serves).then_some(Taps { size, stride, two_rows, one_row })
}

/// Goes through the parts of the output.
fn parts(mut arguments: Windowed<'_>, taps: Taps) {
    let Windowed { input, window, ref output, range, .. } = arguments;
    let (height, width) = (usize::from(output.shape.height), usize::from(output.shape.width));
    let most = |inputs: usize| (inputs - taps.size) / taps.stride.max(1) + 1;
    let (rows, columns) = (share(height, most(ROWS)), share(width, most(2 * ROW) & !1));
    let step = usize::from(output.shape.channels);
    let (mut planes, mut filters) = (Planes::new(), Filters::new());
    for row in (0..height).step_by(rows) {
        for column in (0..width).step_by(columns) {
            let (rows, columns) = (rows.min(height - row), columns.min(width - column));
            let span = |first: usize, count: usize, padding: u8, extent: u16| {
                let inputs = (count - 1) * taps.stride + taps.size;
                Span::new(first * taps.stride, inputs, padding.into(), extent.into())
            };
            let part = Part {
                rows: span(row, rows, window.padding_top, input.shape.height),
                columns: span(column, columns, window.padding_left, input.shape.width),
                target: (row * width + column) * step,
                passes: passes(taps, [rows, columns], [width * step, step], range.zero_point),
            };
            sweep(&mut arguments, taps, &part, &mut planes, &mut filters);
        }
    }
    clamp(arguments.output.data, range);
}

/// The extent of parts, at most `most` and even where there are several, of which `total` has as few as can be.
#[inline]
fn share(total: usize, most: usize) -> usize {
    let parts = extent(total.div_ceil(extent(most)));
    extent(total.div_ceil(parts).next_multiple_of(2).min(most))
}

/// Of the output, with what lies under it.
struct Part {
    rows: Span,
    columns: Span,
    /// Where its first value lies in the output.
    target: usize,
    passes: Vec<Pass, 4>,
}

/// Rows and columns of a part in which one function serves.
struct Pass {
    sweep: Sweep,
    /// Words from the part's beginning.
    source: usize,
    /// Bytes from the part's beginning.
    target: usize,
    /// But for what depends on the channel.
    frame: Frame,
}

/// Pairs of rows and columns first, then what is left of either: an odd last column is a pair whose members are one place.
fn passes(taps: Taps, [rows, columns]: [usize; 2], [row, step]: [usize; 2], zero_point: i8) -> Vec<Pass, 4> {
    let paired = taps.two_rows.map_or(0, |_| rows & !1);
    let mut passes = Vec::new();
    for (sweep, first, count, at_once) in
        [(taps.two_rows.unwrap_or(taps.one_row), 0, paired, 2), (taps.one_row, paired, rows - paired, 1)]
    {
        for (column, pairs, apart) in [(0, columns / 2, step), (columns & !1, columns % 2, 0)] {
            if count == 0 || pairs == 0 {
                continue;
            }
            let frame = Frame {
                step: apart,
                row,
                zero_point: zero_point.into(),
                source_skip: (at_once * PITCH - pairs) * taps.stride * size_of::<u32>(),
                target_skip: at_once * row - 2 * pairs * apart,
                pairs,
                turns: count / extent(at_once),
            };
            let source = (first * PITCH + column / 2) * taps.stride;
            // There is room for all four.
            let _ = passes.push(Pass { sweep, source, target: first * row + column * step, frame });
        }
    }
    passes
}

/// Applies all channels' filters in a part.
fn sweep(arguments: &mut Windowed<'_>, taps: Taps, part: &Part, planes: &mut Planes, filters: &mut Filters) {
    let Windowed { input, input_zero_point, parameters, output, .. } = arguments;
    let (step, width) = (usize::from(input.shape.channels), usize::from(input.shape.width));
    let source = (part.rows.first * width + part.columns.first) * step;
    // One column more is read, though not used, where they are odd.
    let words = (part.columns.total + taps.stride).div_ceil(2).min(ROW);
    planes.clear(&part.rows, &part.columns, words, *input_zero_point);
    for first in (0..step).step_by(LANES) {
        // The last four channels may have been among the ones before.
        let first = first.min(step - LANES);
        // SAFETY: the spans lie within the input, which has four channels from the first one on, and so have taps, biases and
        // multipliers, of which there are enough by `taps_of`.
        unsafe {
            let source = input.data.as_ptr().wrapping_add(source + first);
            planes.gather(source, &part.rows, &part.columns, step, width, *input_zero_point);
            let constants = [parameters.biases, parameters.multipliers].map(|values| values.as_ptr().add(first));
            filters.take(taps.size, parameters.weights.as_ptr().add(first), step, constants);
        }
        let target = output.data.as_mut_ptr().wrapping_add(part.target + first);
        for pass in &part.passes {
            let (source, target) = (planes.rows().wrapping_add(pass.source), target.wrapping_add(pass.target));
            // SAFETY: the planes hold the rows and columns under the part, the target its outputs of four channels.
            unsafe { (pass.sweep)(source, target, pass.frame.step, filters, pass.frame) };
        }
    }
}
