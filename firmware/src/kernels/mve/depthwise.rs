//! Depthwise convolution: every channel has its own filter.

use deja_shared::tensor::Shape;

use super::filters::{Filters, LANES};
use super::plane::{CHANNELS, COLUMNS, Plane};
use super::taps::{self, Run};
use crate::kernels::cut::extent;
use crate::kernels::{Window, Windowed, reference};

/// As [`reference::depthwise`], which does it with filters that are not 3×3 or 5×5, with other strides than 1 and 2, and
/// with a weight of −128. The stack holds 5 KB of input and filters.
// Its buffers are on the stack only while it runs.
#[inline(never)]
pub fn depthwise(mut arguments: Windowed<'_>) {
    let kernel = Kernel::of(arguments.window).filter(|_| is_whole(&arguments));
    if kernel.is_none_or(|kernel| kernel.run(&mut arguments).is_err()) {
        reference::depthwise(arguments);
    }
}

/// Whether nothing is missing of what the assembly reads and writes.
fn is_whole(arguments: &Windowed<'_>) -> bool {
    let Windowed { input, window, parameters, output, .. } = arguments;
    let channels = usize::from(output.shape.channels);
    let taps = usize::from(window.kernel_height) * usize::from(window.kernel_width);
    input.shape.channels == output.shape.channels
        && input.data.len() as u64 >= input.shape.len()
        && output.data.len() as u64 >= output.shape.len()
        && parameters.weights.len() >= taps * channels
        && parameters.biases.len() >= channels
        && parameters.multipliers.len() >= channels
}

/// A weight of −128 was met, whose products do not add up in 16 bits.
struct LeastWeight;

/// A filter that the assembly knows.
struct Kernel {
    routine: unsafe extern "C" fn(&mut Run),
    /// Rows and columns.
    size: usize,
    stride: usize,
}

/// Positions of the output that are computed from one plane.
struct Tile {
    rows: core::ops::Range<usize>,
    columns: core::ops::Range<usize>,
}

impl Kernel {
    fn of(window: Window) -> Option<Self> {
        let Window { kernel_height, kernel_width, stride, .. } = window;
        let routine = match (kernel_height, kernel_width, stride) {
            (3, 3, 1) => taps::three,
            (3, 3, 2) => taps::three_by_two,
            (5, 5, 1) => taps::five,
            (5, 5, 2) => taps::five_by_two,
            _ => return None,
        };
        Some(Self { routine, size: kernel_height.into(), stride: stride.into() })
    }

    /// Columns of the plane under this many positions in a row, which are taken in pairs.
    fn columns(&self, positions: usize) -> usize {
        (positions.next_multiple_of(2) - 1) * self.stride + self.size
    }

    /// Rows under this many positions in a column.
    fn rows(&self, positions: usize) -> usize {
        (positions - 1) * self.stride + self.size
    }

    /// Rows and columns of positions that find room: whole rows, if possible.
    fn tile(&self, shape: Shape) -> (usize, usize) {
        let most = |room: usize| (room - self.size) / extent(self.stride) + 1;
        let width = usize::from(shape.width).min(most(COLUMNS / extent(self.size)) & !1);
        (most(COLUMNS / extent(self.columns(width))), width)
    }

    fn run(&self, arguments: &mut Windowed<'_>) -> Result<(), LeastWeight> {
        let Shape { height, width, channels } = arguments.output.shape;
        let (height, width, channels) = (usize::from(height), usize::from(width), usize::from(channels));
        let (tile_height, tile_width) = self.tile(arguments.output.shape);
        let (mut plane, mut filters) = (Plane::new(), [Filters::new(), Filters::new()]);
        for first in (0..channels).step_by(CHANNELS) {
            let halves = (first..channels).step_by(LANES).zip(&mut filters);
            for (first, filters) in halves {
                let least = filters.load(arguments.parameters, self.size * self.size, first, arguments.range);
                if least == i8::MIN {
                    return Err(LeastWeight);
                }
            }
            for row in (0..height).step_by(extent(tile_height)) {
                for column in (0..width).step_by(extent(tile_width)) {
                    let rows = row..height.min(row + tile_height);
                    let tile = Tile { rows, columns: column..width.min(column + tile_width) };
                    self.run_tile(arguments, &tile, &mut plane, first, &filters);
                }
            }
        }
        Ok(())
    }

    /// Up to 16 channels from `first` on.
    fn run_tile(
        &self,
        arguments: &mut Windowed<'_>,
        tile: &Tile,
        plane: &mut Plane,
        first: usize,
        filters: &[Filters; 2],
    ) {
        let Windowed { input, input_zero_point, window, range, output, .. } = arguments;
        let (width, channels) = (usize::from(output.shape.width), usize::from(output.shape.channels));
        let (rows, columns) = (self.rows(tile.rows.len()), self.columns(tile.columns.len()));
        let span = |start: usize, padding: u8, len: usize| {
            let start = (start * self.stride).cast_signed() - isize::from(padding);
            start..start + len.cast_signed()
        };
        let rows = span(tile.rows.start, window.padding_top, rows);
        let spans = (rows, span(tile.columns.start, window.padding_left, columns));
        // SAFETY: a tile has no more positions than its plane finds room for.
        unsafe { plane.load(*input, first, spans, *input_zero_point) };
        let place = (tile.rows.start * width + tile.columns.start) * channels;
        for (half, first) in (first..channels).step_by(LANES).take(filters.len()).enumerate() {
            let mut run = Run {
                plane: plane.start().wrapping_add(half * LANES),
                row_bytes: columns * CHANNELS,
                row_step: columns * CHANNELS * self.stride,
                filters: filters[half].start(),
                output: output.data.as_mut_ptr().wrapping_add(place + first),
                output_step: channels,
                output_row_step: width * channels,
                pairs: tile.columns.len() / 2,
                odd: tile.columns.len() % 2,
                rows: tile.rows.len(),
                zero_point: range.zero_point.into(),
                lanes: LANES.min(channels - first),
            };
            // SAFETY: the plane holds what lies under the tile, and the output has room for the tile's results.
            unsafe { (self.routine)(&mut run) };
        }
    }
}
