//! The arena of a model as text: which activation lies where, and while which layers run.

use deja_shared::model::{Model, OUTSIDE_ARENA, Tensor};
use serde::Serialize;
use std::fmt;
use std::ops::Range;

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
    /// How many of its rows are kept at a time; 0: all.
    rows_kept: u16,
    /// The layers during which its memory is taken: in a chain, all of them.
    #[serde(skip)]
    taken: Range<usize>,
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
                rows_kept: record.rows_kept,
                taken: 0..0,
            })
            .collect();
        for (index, layer) in model.layers().enumerate() {
            for input in layer.inputs() {
                if let Some(place) = tensors.get_mut(usize::from(input)) {
                    place.last_read_by = place.last_read_by.max(index);
                }
            }
        }
        let spans = spans(model);
        tensors.iter_mut().for_each(|place| place.taken = place.taken_in(&spans));
        let whole = |(number, record): (usize, Tensor)| {
            if number == last { 0 } else { Tensor { rows_kept: 0, ..record }.bytes() }
        };
        let unshared_bytes = model.tensors().enumerate().map(whole).sum();
        Self { arena_bytes: model.header().arena_bytes, unshared_bytes, tensors }
    }

    /// Bytes that hold something while a layer runs.
    pub fn bytes(&self, layer: usize) -> u64 {
        let (mut bytes, mut behind) = (0, 0);
        for place in self.taken(layer) {
            let (start, end) = (u64::from(place.offset), u64::from(place.offset) + place.bytes);
            // What lies in the place of another takes no more.
            bytes += end.saturating_sub(start.max(behind));
            behind = behind.max(end);
        }
        bytes
    }

    /// What is there while a layer runs, by where it lies, what it writes last.
    fn taken(&self, layer: usize) -> Vec<&Place> {
        let mut taken: Vec<&Place> = self.tensors.iter().filter(|place| place.taken.contains(&layer)).collect();
        taken.sort_by_key(|place| (place.offset, place.written_by == Some(layer)));
        taken
    }

    /// One line of the picture: the arena while one layer runs.
    fn line(&self, layer: usize) -> String {
        let mut cells = vec!['·'; WIDTH];
        let arena = u64::from(self.arena_bytes.max(1));
        for place in self.taken(layer) {
            let (start, end) = (u64::from(place.offset), u64::from(place.offset) + place.bytes);
            let first = (start * WIDTH as u64 / arena) as usize;
            let last = ((end * WIDTH as u64).div_ceil(arena) as usize).clamp(first, WIDTH);
            let mark = if place.written_by == Some(layer) { '█' } else { '▒' };
            cells[first.min(WIDTH)..last].fill(mark);
        }
        cells.into_iter().collect()
    }
}

impl Place {
    /// From the layer that writes it to the last that reads it, and all layers that run together with one of these.
    fn taken_in(&self, spans: &[Range<usize>]) -> Range<usize> {
        let (first, last) = (self.written_by.unwrap_or(0), self.last_read_by);
        let together = |layer: usize| spans.iter().find(|span| span.contains(&layer)).cloned();
        let (first, last) = (together(first).unwrap_or(first..first + 1), together(last).unwrap_or(last..last + 1));
        first.start..last.end
    }
}

/// The layers of each chain.
fn spans(model: &Model<'_>) -> Vec<Range<usize>> {
    let chains = (0..).zip(model.layers()).filter(|(_, layer)| layer.chain > 0);
    chains.map(|(first, layer)| first..first + usize::from(layer.chain)).collect()
}

impl fmt::Display for MemoryMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { arena_bytes, unshared_bytes, .. } = self;
        writeln!(f, "arena of {arena_bytes} bytes (a buffer for each activation would take {unshared_bytes})")?;
        writeln!(f, "layer  ▒ read, █ written{:>width$}", "bytes", width = WIDTH - 6)?;
        let layers = self.tensors.iter().map(|place| place.last_read_by + 1).max().unwrap_or(0);
        for layer in 0..layers {
            let (cells, bytes) = (self.line(layer), self.bytes(layer));
            write!(f, "{}{layer:>5}  {cells} {bytes:>8}", if layer > 0 { "\n" } else { "" })?;
        }
        Ok(())
    }
}
