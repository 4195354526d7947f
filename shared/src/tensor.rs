//! Shapes and borrowed views of activations: NHWC without the batch, channels fastest.

/// Height, width and channels of an activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Rows.
    pub height: u16,
    /// Columns.
    pub width: u16,
    /// Channels.
    pub channels: u16,
}

impl Shape {
    /// A shape from its three extents.
    pub const fn new(height: u16, width: u16, channels: u16) -> Self {
        Self { height, width, channels }
    }

    /// Number of values: height × width × channels (at most 2⁴⁸; the model reader admits only what fits its arena).
    pub const fn len(self) -> u64 {
        self.positions() as u64 * self.channels as u64
    }

    /// Number of positions: height × width.
    pub const fn positions(self) -> u32 {
        self.height as u32 * self.width as u32
    }

    /// Whether there is no value at all.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// A borrowed int8 activation; `data.len() == shape.len()`.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// Extents.
    pub shape: Shape,
    /// Values, channels fastest.
    pub data: &'a [i8],
}

/// A borrowed int8 activation to be written; `data.len() == shape.len()`.
#[derive(Debug)]
pub struct ViewMut<'a> {
    /// Extents.
    pub shape: Shape,
    /// Values, channels fastest.
    pub data: &'a mut [i8],
}
