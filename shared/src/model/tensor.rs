//! One activation of the network: shape, place in the arena, quantization.

use super::record::{array, put, u16_at, u32_at};
use crate::tensor::{Shape, Width};

/// Length of an activation's record.
pub const TENSOR_BYTES: usize = 16;

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
}

impl Tensor {
    pub(super) fn decode(record: [u8; TENSOR_BYTES]) -> Self {
        Self {
            arena_offset: u32_at(&record, 0),
            shape: Shape::new(u16_at(&record, 4), u16_at(&record, 6), u16_at(&record, 8)),
            width: if record[10] == SIXTEEN { Width::Sixteen } else { Width::Eight },
            zero_point: i8::from_le_bytes([record[11]]),
            scale: f32::from_le_bytes(array(&record, 12)),
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
        record
    }

    /// Whether a record has a known width.
    pub(super) fn is_known(record: &[u8; TENSOR_BYTES]) -> bool {
        record[10] <= SIXTEEN
    }

    /// How many bytes of the arena it takes; without meaning for the raw embedding.
    pub const fn bytes(&self) -> u64 {
        self.shape.len() * self.width.bytes() as u64
    }

    /// Where in the arena it lies; without meaning for the raw embedding.
    pub fn range(&self) -> core::ops::Range<usize> {
        let start = self.arena_offset as usize;
        start..start.saturating_add(self.bytes() as usize)
    }
}
