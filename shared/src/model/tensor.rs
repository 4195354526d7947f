//! One activation of the network: shape, place in the arena, quantization.

use super::record::{array, put, u16_at, u32_at};
use crate::tensor::Shape;

/// Length of an activation's record.
pub const TENSOR_BYTES: usize = 16;

/// Where an activation that does not lie in the arena says that it lies: the raw embedding.
pub const OUTSIDE_ARENA: u32 = 0;

/// One activation. The real value is `scale · (q − zero_point)`.
///
/// All values are 8 bits wide, except those of the last activation: the raw embedding has 16 bits, zero point 0, and
/// does not lie in the arena.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tensor {
    /// Extents.
    pub shape: Shape,
    /// Where it lies in the arena, in bytes: a multiple of [`super::ALIGNMENT`].
    pub arena_offset: u32,
    /// The value that stands for zero.
    pub zero_point: i8,
    /// What one step is worth. The camera does not use it; the host compares layers with it.
    pub scale: f32,
}

impl Tensor {
    pub(super) fn decode(record: [u8; TENSOR_BYTES]) -> Self {
        Self {
            arena_offset: u32_at(&record, 0),
            shape: Shape::new(u16_at(&record, 4), u16_at(&record, 6), u16_at(&record, 8)),
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
        put(&mut record, 11, &self.zero_point.to_le_bytes());
        put(&mut record, 12, &self.scale.to_le_bytes());
        record
    }

    /// Whether a record holds zeros where nothing is defined.
    pub(super) fn is_known(record: &[u8; TENSOR_BYTES]) -> bool {
        record[10] == 0
    }

    /// The bytes of the arena that it takes; without meaning for the raw embedding.
    pub fn range(&self) -> core::ops::Range<usize> {
        let start = self.arena_offset as usize;
        start..start.saturating_add(self.shape.len() as usize)
    }
}
