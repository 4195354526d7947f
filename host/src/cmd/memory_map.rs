//! The arena of a model as text: which activation lies where, and while which layers run.

use deja_shared::model::{Model, OUTSIDE_ARENA};
use serde::Serialize;
use std::fmt;

/// Columns of the picture.
const WIDTH: usize = 64;

/// Every activation's place and time.
#[derive(Debug, Serialize)]
pub struct MemoryMap {
    arena_bytes: u32,
    /// The sum over all activations: what a buffer for each would take.
    unshared_bytes: u64,
    tensors: Vec<Place>,
}

/// One activation.
#[derive(Debug, Serialize)]
struct Place {
    tensor: usize,
    offset: u32,
    bytes: u64,
    /// The layer that writes it; `null` for the picture.
    written_by: Option<usize>,
    /// The last layer that reads it.
    last_read_by: usize,
}

impl MemoryMap {
    /// From the model's activations and layers.
    pub fn new(model: &Model<'_>) -> Self {
        let last = model.tensor_count().saturating_sub(1);
        let mut tensors: Vec<Place> = (model.tensors().enumerate())
            // The raw embedding lies outside, in 16 bits.
            .filter(|(index, tensor)| *index != last || tensor.arena_offset != OUTSIDE_ARENA)
            .map(|(tensor, record)| Place {
                tensor,
                offset: record.arena_offset,
                bytes: record.bytes(),
                written_by: tensor.checked_sub(1),
                last_read_by: tensor.saturating_sub(1),
            })
            .collect();
        for (index, layer) in model.layers().enumerate() {
            for input in layer.inputs() {
                if let Some(place) = tensors.get_mut(usize::from(input)) {
                    place.last_read_by = place.last_read_by.max(index);
                }
            }
        }
        let unshared_bytes = tensors.iter().map(|place| place.bytes).sum();
        Self { arena_bytes: model.header().arena_bytes, unshared_bytes, tensors }
    }

    /// One line of the picture: the arena while one layer runs.
    fn line(&self, layer: usize) -> (String, u64) {
        let mut cells = vec!['·'; WIDTH];
        let mut bytes = 0;
        for place in self.tensors.iter().filter(|place| place.is_alive(layer)) {
            bytes += place.bytes;
            let column = |byte: u64| (byte * WIDTH as u64).div_ceil(u64::from(self.arena_bytes.max(1))) as usize;
            let start = (u64::from(place.offset) * WIDTH as u64 / u64::from(self.arena_bytes.max(1))) as usize;
            let end = column(u64::from(place.offset) + place.bytes).clamp(start, WIDTH);
            let mark = if place.written_by == Some(layer) { '█' } else { '▒' };
            cells[start.min(WIDTH)..end].fill(mark);
        }
        (cells.into_iter().collect(), bytes)
    }
}

impl Place {
    fn is_alive(&self, layer: usize) -> bool {
        self.written_by.is_none_or(|first| first <= layer) && layer <= self.last_read_by
    }
}

impl fmt::Display for MemoryMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { arena_bytes, unshared_bytes, .. } = self;
        writeln!(f, "arena of {arena_bytes} bytes (a buffer for each activation would take {unshared_bytes})")?;
        writeln!(f, "layer  ▒ read, █ written{:>width$}", "bytes", width = WIDTH - 6)?;
        let layers = self.tensors.iter().map(|place| place.last_read_by + 1).max().unwrap_or(0);
        for layer in 0..layers {
            let (cells, bytes) = self.line(layer);
            write!(f, "{}{layer:>5}  {cells} {bytes:>8}", if layer > 0 { "\n" } else { "" })?;
        }
        Ok(())
    }
}
