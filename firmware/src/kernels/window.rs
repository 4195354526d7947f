//! A filter's window as it slides over an input, and what of it lies beyond the edge.

use core::ops::Range;

use deja_shared::model::Layer;

/// Extents, step and padding of a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Rows of the filter.
    pub kernel_height: u8,
    /// Columns of the filter.
    pub kernel_width: u8,
    /// Step in both directions.
    pub stride: u8,
    /// Rows of padding above.
    pub padding_top: u8,
    /// Columns of padding on the left.
    pub padding_left: u8,
}

/// Which of a window's rows (or columns) lie on the input, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    /// The rows of the filter that lie on the input; the others lie on padding.
    pub taps: Range<usize>,
    /// The input's row under the first of them.
    pub start: usize,
}

impl Window {
    /// That of a layer.
    pub fn of(layer: &Layer) -> Self {
        Self {
            kernel_height: layer.kernel_height,
            kernel_width: layer.kernel_width,
            stride: layer.stride,
            padding_top: layer.padding_top,
            padding_left: layer.padding_left,
        }
    }

    /// The rows under output row `position`, of an input of `height` rows.
    pub fn rows(&self, height: u16, position: usize) -> Overlap {
        overlap(self.kernel_height, self.padding_top, height, position * usize::from(self.stride))
    }

    /// The columns under output column `position`, of an input of `width` columns.
    pub fn columns(&self, width: u16, position: usize) -> Overlap {
        overlap(self.kernel_width, self.padding_left, width, position * usize::from(self.stride))
    }
}

/// The overlap of a window that starts at `offset` of the padded input.
fn overlap(kernel: u8, padding: u8, extent: u16, offset: usize) -> Overlap {
    let (kernel, padding) = (usize::from(kernel), usize::from(padding));
    let first = padding.saturating_sub(offset).min(kernel);
    let end = (usize::from(extent) + padding).saturating_sub(offset).min(kernel);
    Overlap { taps: first..end.max(first), start: (offset + first).saturating_sub(padding) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { kernel_height: 3, kernel_width: 5, stride: 2, padding_top: 1, padding_left: 2 };

    #[test]
    fn the_first_window_starts_on_padding_and_the_last_ends_on_it() {
        // Rows −1..2, 1..4, 3..6 of 4.
        assert_eq!(WINDOW.rows(4, 0), Overlap { taps: 1..3, start: 0 });
        assert_eq!(WINDOW.rows(4, 1), Overlap { taps: 0..3, start: 1 });
        assert_eq!(WINDOW.rows(4, 2), Overlap { taps: 0..1, start: 3 });
        // Columns −2..3 of 1.
        assert_eq!(WINDOW.columns(1, 0), Overlap { taps: 2..3, start: 0 });
    }

    #[test]
    fn a_window_beyond_the_input_is_all_padding() {
        assert!(WINDOW.rows(4, 9).taps.is_empty());
    }
}
