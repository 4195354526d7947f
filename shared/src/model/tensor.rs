//! One activation of the network: shape, place in the arena, quantization.

use core::ops::Range;

use super::record::{array, put, u16_at, u32_at};
use crate::tensor::{Shape, Width};

/// Length of an activation's record.
pub const TENSOR_BYTES: usize = 20;

/// What a record says of an activation of 16 bits; of 8 it says 0.
const SIXTEEN: u8 = 1;

/// Where an activation that does not lie in the arena says that it lies: the raw embedding.
pub const OUTSIDE_ARENA: u32 = 0;

/// One activation. The real value is `scale · (q − zero_point)`.
///
/// The last one, the raw embedding, has 16 bits whatever its `width` says (8), zero point 0, and does not lie in the arena.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tensor {
    /// Extents.
    pub shape: Shape,
    /// Where it lies in the arena, in bytes: a multiple of [`super::ALIGNMENT`].
    pub arena_offset: u32,
    /// Bits of a value. The picture has 8.
    pub width: Width,
    /// The value that stands for zero; 0 where values have 16 bits.
    pub zero_point: i8,
    /// What one step is worth. The camera does not use it; the host compares layers with it.
    pub scale: f32,
    /// Rows of it that the arena has room for at once, if only a chain reads it ([`super::Chain`]); 0: all.
    pub rows_kept: u16,
}

impl Tensor {
    pub(super) fn decode(record: [u8; TENSOR_BYTES]) -> Self {
        Self {
            arena_offset: u32_at(&record, 0),
            shape: Shape::new(u16_at(&record, 4), u16_at(&record, 6), u16_at(&record, 8)),
            width: if record[10] == SIXTEEN { Width::Sixteen } else { Width::Eight },
            zero_point: i8::from_le_bytes([record[11]]),
            scale: f32::from_le_bytes(array(&record, 12)),
            rows_kept: u16_at(&record, 16),
        }
    }

    /// The record of this activation.
    pub fn encode(&self) -> [u8; TENSOR_BYTES] {
        let mut record = [0; TENSOR_BYTES];
        put(&mut record, 0, &self.arena_offset.to_le_bytes());
        put(&mut record, 4, &self.shape.height.to_le_bytes());
        put(&mut record, 6, &self.shape.width.to_le_bytes());
        put(&mut record, 8, &self.shape.channels.to_le_bytes());
        record[10] = if self.width == Width::Sixteen { SIXTEEN } else { 0 };
        put(&mut record, 11, &self.zero_point.to_le_bytes());
        put(&mut record, 12, &self.scale.to_le_bytes());
        put(&mut record, 16, &self.rows_kept.to_le_bytes());
        record
    }

    /// Whether a record has a known width.
    pub(super) fn is_known(record: &[u8; TENSOR_BYTES]) -> bool {
        record[10] <= SIXTEEN && record[18..] == [0; 2]
    }

    /// How many bytes of the arena it takes; without meaning for the raw embedding.
    pub fn bytes(&self) -> u64 {
        self.row_bytes() * u64::from(if self.rows_kept > 0 { self.rows_kept } else { self.shape.height })
    }

    /// The bytes of the arena that it takes; without meaning for the raw embedding.
    pub fn range(&self) -> Range<usize> {
        let start = self.arena_offset as usize;
        start..start.saturating_add(self.bytes() as usize)
    }

    /// The bytes of the arena that some of the rows take for which it has room, counted from the first of these.
    pub fn part(&self, slots: Range<u16>) -> Range<usize> {
        let place = |slot: u16| {
            let bytes = self.row_bytes() * u64::from(slot);
            (self.arena_offset as usize).saturating_add(bytes as usize)
        };
        place(slots.start)..place(slots.end)
    }

    /// Bytes of a row.
    fn row_bytes(&self) -> u64 {
        u64::from(self.shape.width) * u64::from(self.shape.channels) * self.width.bytes() as u64
    }
}
