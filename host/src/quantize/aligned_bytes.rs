//! Bytes on a 16-byte boundary of memory, where a model must lie to be read in place.

use std::ops::{Deref, DerefMut};
use std::path::Path;

use deja_shared::model::ALIGNMENT;

/// Owned bytes whose first lies on a [`ALIGNMENT`]-byte boundary, as flash does on the camera.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct AlignedBytes {
    blocks: Vec<Block>,
    len: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, bytemuck::Zeroable, bytemuck::Pod)]
#[repr(C, align(16))]
struct Block([u8; ALIGNMENT]);

impl AlignedBytes {
    /// `len` bytes of value zero.
    pub fn zeroed(len: usize) -> Self {
        Self { blocks: vec![Block([0; ALIGNMENT]); len.div_ceil(ALIGNMENT)], len }
    }

    /// The content of a file.
    ///
    /// # Errors
    /// As [`std::fs::read`].
    pub fn read(path: &Path) -> std::io::Result<Self> {
        std::fs::read(path).map(|bytes| Self::from(bytes.as_slice()))
    }
}

impl From<&[u8]> for AlignedBytes {
    fn from(bytes: &[u8]) -> Self {
        let mut aligned = Self::zeroed(bytes.len());
        aligned.copy_from_slice(bytes);
        aligned
    }
}

impl Deref for AlignedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.blocks)[..self.len]
    }
}

impl DerefMut for AlignedBytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.blocks)[..self.len]
    }
}

impl std::fmt::Debug for AlignedBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AlignedBytes({} bytes)", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_kept_and_lie_on_the_boundary() {
        for len in [0, 1, 15, 16, 17, 1000] {
            let bytes: Vec<u8> = (0..len).map(|i| (i * 7) as u8).collect();
            let aligned = AlignedBytes::from(bytes.as_slice());
            assert_eq!(&*aligned, bytes);
            assert!((aligned.as_ptr() as usize).is_multiple_of(ALIGNMENT));
        }
    }
}
