//! One activation of the network: shape, place in the arena, quantization.

use super::record::{array, put, u16_at, u32_at};
use crate::tensor::Shape;

/// Length of an activation's record.
pub const TENSOR_BYTES: usize = 16;

/// How the values of an activation are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElementType {
    /// 8 bits: everything between the layers.
    Int8,
    /// 16 bits, zero point 0: the raw embedding.
    Int16,
}

impl ElementType {
    /// Bytes of one value.
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Int8 => 1,
            Self::Int16 => 2,
        }
    }
}

/// One activation. The real value is `scale · (q − zero_point)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tensor {
    /// Extents.
    pub shape: Shape,
    /// Where it lies in the arena, in bytes.
    pub arena_offset: u32,
    /// Its element type; `None` where the record holds an unknown one.
    pub element: Option<ElementType>,
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
            element: match record[10] {
                0 => Some(ElementType::Int8),
                1 => Some(ElementType::Int16),
                _ => None,
            },
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
        record[10] = match self.element {
            Some(ElementType::Int8) => 0,
            Some(ElementType::Int16) => 1,
            None => u8::MAX,
        };
        put(&mut record, 11, &self.zero_point.to_le_bytes());
        put(&mut record, 12, &self.scale.to_le_bytes());
        record
    }

    /// Bytes in the arena; 0 for an unknown element type.
    pub fn bytes(&self) -> u64 {
        self.element.map_or(0, |element| element.bytes() * self.shape.len())
    }

    /// The bytes of the arena that it takes.
    pub fn range(&self) -> core::ops::Range<usize> {
        let start = self.arena_offset as usize;
        start..start.saturating_add(self.bytes() as usize)
    }
}
