//! How an activation lies in a buffer: rows with room around them for what windows read beyond the edge.

use deja_firmware::kernels::Window;
use deja_shared::tensor::Shape;

/// Bytes behind the last row that kernels may read (and make nothing of): a register of the widest kind.
pub const SLACK: usize = 64;

/// Positions around an activation that hold its zero point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Halo {
    /// Rows above.
    pub top: usize,
    /// Columns on the left.
    pub left: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns on the right.
    pub right: usize,
}

impl Halo {
    /// The least halo that `window` needs to make `output` of `input`.
    pub fn of(window: &Window, input: Shape, output: Shape) -> Self {
        let end = |kernel: u8, padding: u8, input: u16, output: u16| {
            let reach = (usize::from(output) - 1) * usize::from(window.stride) + usize::from(kernel);
            reach.saturating_sub(usize::from(padding) + usize::from(input))
        };
        Self {
            top: window.padding_top.into(),
            left: window.padding_left.into(),
            bottom: end(window.kernel_height, window.padding_top, input.height, output.height),
            right: end(window.kernel_width, window.padding_left, input.width, output.width),
        }
    }

    /// The least halo that covers both.
    pub fn max(self, other: Self) -> Self {
        Self {
            top: self.top.max(other.top),
            left: self.left.max(other.left),
            bottom: self.bottom.max(other.bottom),
            right: self.right.max(other.right),
        }
    }
}

/// Extents of an activation, and where its values stand in a buffer of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels, which lie side by side.
    pub channels: usize,
    /// Room around.
    pub halo: Halo,
}

impl Layout {
    /// `shape` with a halo around it.
    pub fn new(shape: Shape, halo: Halo) -> Self {
        let Shape { height, width, channels } = shape;
        Self { height: height.into(), width: width.into(), channels: channels.into(), halo }
    }

    /// Bytes from one row to the next.
    pub fn pitch(&self) -> usize {
        (self.halo.left + self.width + self.halo.right) * self.channels
    }

    /// Where the value of channel 0 at `[row, column]` stands, counted from the first corner of the halo.
    pub fn at(&self, row: usize, column: usize) -> usize {
        (self.halo.top + row) * self.pitch() + (self.halo.left + column) * self.channels
    }

    /// Values of one row, without halo.
    pub fn row(&self) -> usize {
        self.width * self.channels
    }

    /// Length of the buffer: halo and [`SLACK`] included.
    pub fn bytes(&self) -> usize {
        (self.halo.top + self.height + self.halo.bottom) * self.pitch() + SLACK
    }

    /// Writes `zero` to the halo.
    pub fn clear_halo(&self, bytes: &mut [u8], zero: u8) {
        if self.halo == Halo::default() {
            return;
        }
        bytes[..self.at(0, 0)].fill(zero);
        for row in 1..self.height {
            bytes[self.at(row - 1, self.width)..self.at(row, 0)].fill(zero);
        }
        bytes[self.at(self.height - 1, self.width)..self.bytes() - SLACK].fill(zero);
    }

    /// Each row's values.
    pub fn rows<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        (0..self.height).map(|row| &bytes[self.at(row, 0)..][..self.row()])
    }

    /// Panics unless `bytes` is as long as the layout says.
    pub(crate) fn check(&self, bytes: &[u8]) {
        assert!(self.height > 0 && self.width > 0 && self.channels > 0, "an empty activation {self:?}");
        assert!(bytes.len() >= self.bytes(), "the buffer is shorter than its layout says");
    }

    /// Panics unless the halo holds all that `window` reads to make `output`.
    pub(crate) fn check_window(&self, window: &Window, output: &Self) {
        let needed = Halo::of(window, self.shape(), output.shape());
        assert!(window.stride > 0 && window.kernel_height > 0 && window.kernel_width > 0, "impossible {window:?}");
        assert!(self.halo == self.halo.max(needed), "the halo is less than {needed:?}");
    }

    fn shape(&self) -> Shape {
        // Each extent came from 16 bits.
        Shape::new(self.height as u16, self.width as u16, self.channels as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_halo_is_all_that_is_cleared() {
        let window = Window { kernel_height: 3, kernel_width: 5, stride: 2, padding_top: 1, padding_left: 2 };
        let (input, output) = (Shape::new(4, 3, 2), Shape::new(2, 2, 7));
        let halo = Halo::of(&window, input, output);
        // Rows −1..4 and columns −2..5 are read.
        assert_eq!(halo, Halo { top: 1, left: 2, bottom: 0, right: 2 });
        let layout = Layout::new(input, halo);
        let mut bytes = vec![9; layout.bytes()];
        layout.clear_halo(&mut bytes, 1);
        assert!(layout.rows(&bytes).flatten().all(|byte| *byte == 9));
        assert_eq!(bytes.iter().filter(|byte| **byte == 9).count(), 4 * 3 * 2 + SLACK);
        assert_eq!(bytes.len(), 5 * 7 * 2 + SLACK);
    }
}
