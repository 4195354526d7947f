//! Bytes on the boundary that a model in memory must have.

use std::ops::{Deref, DerefMut};

use deja_shared::model::ALIGNMENT;

/// Bytes that start at a multiple of [`ALIGNMENT`], as a model in flash does.
#[derive(Debug)]
pub struct Aligned {
    buffer: Vec<u8>,
    start: usize,
}

impl Aligned {
    /// A copy of `bytes`.
    pub fn new(bytes: &[u8]) -> Self {
        let mut buffer = vec![0; bytes.len() + ALIGNMENT];
        // The heap block stays where it is when the vector moves.
        let address = buffer.as_ptr() as usize;
        let start = address.next_multiple_of(ALIGNMENT) - address;
        buffer[start..start + bytes.len()].copy_from_slice(bytes);
        buffer.truncate(start + bytes.len());
        Self { buffer, start }
    }
}

impl Clone for Aligned {
    fn clone(&self) -> Self {
        Self::new(self)
    }
}

impl Deref for Aligned {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.buffer[self.start..]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[self.start..]
    }
}
