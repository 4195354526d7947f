//! What a chain knows of one activation that it writes, and of the layer that does.

use core::ops::Range;

use crate::model::{Layer, LayerKind};

/// Where an activation that a link reads is not written by the chain.
const OUTSIDE: u8 = u8::MAX;

/// One activation that the chain writes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Link {
    /// The links that write what it reads row by row.
    pub reads: [u8; 3],
    pub kernel: u8,
    pub stride: u8,
    pub padding: u8,
    pub is_slab: bool,
    pub input_height: u16,
    pub height: u16,
    /// Most rows that it computes at once.
    pub most: u16,
    /// The row at the start of its slab.
    pub first: u16,
    /// The rows before this one are computed.
    pub end: u16,
    /// The rows before this one are wanted.
    pub target: u16,
}

impl Link {
    /// One that reads nothing of the chain.
    pub fn new(height: u16) -> Self {
        let reads = [OUTSIDE; 3];
        Self { reads, kernel: 1, stride: 1, input_height: height, height, ..Self::default() }
    }

    /// That of a layer in a chain whose first activation is `base`; `None` where it cannot run by rows.
    pub fn of(layer: &Layer, base: u16, height: u16, input_height: u16) -> Option<Self> {
        let mut link = Self { input_height, ..Self::new(height) };
        if !layer.kind.is_by_rows() {
            return None;
        }
        if matches!(layer.kind, LayerKind::Convolution | LayerKind::Depthwise | LayerKind::MaxPool) {
            (link.kernel, link.stride, link.padding) = (layer.kernel_height, layer.stride, layer.padding_top);
        }
        for (place, (index, input)) in link.reads.iter_mut().zip(layer.inputs().enumerate()) {
            let Some(read) = input.checked_sub(base) else { continue };
            if layer.kind.gate() == Some(index) {
                return None;
            }
            // A layer reads only what stands before it, so within a chain.
            *place = u8::try_from(read).unwrap_or(OUTSIDE);
        }
        Some(link)
    }

    /// The rows of its input under these of its own.
    pub fn input_rows(&self, rows: Range<u16>) -> Range<u16> {
        let at = |row: u16, tap: u8| {
            let row = u32::from(row) * u32::from(self.stride) + u32::from(tap);
            let row = row.saturating_sub(self.padding.into()).min(self.input_height.into());
            // At most the input's height.
            row as u16
        };
        if rows.is_empty() { 0..0 } else { at(rows.start, 0)..at(rows.end - 1, self.kernel) }
    }

    /// The first row that a later run reads.
    pub fn next_input(&self) -> u16 {
        if self.end < self.height { self.input_rows(self.end..self.end + 1).start } else { self.input_height }
    }

    /// The rows before this one can be computed from so many of its input.
    pub fn computable(&self, available: u16) -> u16 {
        if available == self.input_height {
            return self.height;
        }
        let rows = u32::from(available) + u32::from(self.padding);
        match rows.checked_sub(self.kernel.into()).and_then(|rest| rest.checked_div(self.stride.into())) {
            // At most the height.
            Some(steps) => (steps + 1).min(self.height.into()) as u16,
            None => 0,
        }
    }
}
