//! Gallery and settings: written whole into the older of two slots, under a record that is written last.
//!
//! ```text
//! magic (4) · generation (4) · length (4) · CRC-32 of generation, length and payload (4) · payload
//! ```
//! The payload streams into flash, sixteen bytes at a time: no buffer in RAM holds it.

use deja_shared::protocol::refusal::Refusal;

use super::Store;
use super::layout::{Layout, Slot};
use super::record::CRC;
use crate::board::Flash;

const MAGIC: [u8; 4] = *b"DJS1";
const RECORD: u32 = 16;
const LINE: usize = 16;

/// A valid snapshot.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    slot: Slot,
    generation: u32,
    length: u32,
}

/// The valid snapshot of the highest generation.
pub fn newest(flash: &[u8], layout: &Layout) -> Option<Found> {
    let valid = |slot: Slot| {
        let stored = layout.snapshot(flash, slot);
        let (record, payload) = stored.split_first_chunk::<{ RECORD as usize }>()?;
        let number = |at: usize| u32::from_le_bytes([record[at], record[at + 1], record[at + 2], record[at + 3]]);
        let (generation, length) = (number(4), number(8));
        let payload = payload.get(..length as usize)?;
        (*record == seal(generation, payload)).then_some(Found { slot, generation, length })
    };
    Slot::BOTH.into_iter().filter_map(valid).max_by_key(|found| found.generation)
}

impl<F: Flash> Store<F> {
    /// The payload that was saved last.
    pub fn snapshot(&self) -> Option<&[u8]> {
        let found = self.snapshot?;
        self.layout.snapshot(self.flash.mapped(), found.slot).get(RECORD as usize..(RECORD + found.length) as usize)
    }

    /// Saves what `write` hands to the [`Sink`], in place of what was saved before.
    ///
    /// # Errors
    /// [`Refusal::Flash`] when flash fails or the snapshot does not fit; what was saved before still stands.
    pub fn save(&mut self, write: impl FnOnce(&mut Sink<'_, F>) -> Result<(), Refusal>) -> Result<(), Refusal> {
        let slot = self.snapshot.map_or(Slot::A, |found| found.slot.other());
        let generation = self.snapshot.map_or(0, |found| found.generation).wrapping_add(1);
        let saved = self.write_snapshot(slot, generation, write);
        match saved {
            Ok(length) => self.snapshot = Some(Found { slot, generation, length }),
            // If the record came to stand there after all, the next start must not find it.
            Err(_) => drop(self.erase_page(self.layout.snapshot_start(slot))),
        }
        saved.map(|_| ())
    }

    fn write_snapshot(
        &mut self,
        slot: Slot,
        generation: u32,
        write: impl FnOnce(&mut Sink<'_, F>) -> Result<(), Refusal>,
    ) -> Result<u32, Refusal> {
        let start = self.layout.snapshot_start(slot);
        let end = start + self.layout.snapshot_bytes();
        self.erase_page(start)?;
        let mut sink = Sink { store: self, next: start + RECORD, end, line: [0; LINE], filled: 0 };
        write(&mut sink)?;
        sink.flush()?;
        let length = sink.next - start - RECORD;
        let payload = self.layout.snapshot(self.flash.mapped(), slot).get(RECORD as usize..);
        let payload = payload.and_then(|payload| payload.get(..length as usize)).ok_or(Refusal::Flash)?;
        let record = seal(generation, payload);
        self.program(start, &record)?;
        Ok(length)
    }
}

/// The way into a snapshot: gathers lines, erases each page before its first line, reads back.
#[derive(Debug)]
pub struct Sink<'a, F> {
    store: &'a mut Store<F>,
    next: u32,
    end: u32,
    line: [u8; LINE],
    filled: usize,
}

impl<F: Flash> Sink<'_, F> {
    /// Takes the next bytes of the payload.
    ///
    /// # Errors
    /// [`Refusal::Flash`].
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), Refusal> {
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(bytes.len().min(LINE - self.filled));
            self.line[self.filled..self.filled + piece.len()].copy_from_slice(piece);
            self.filled += piece.len();
            bytes = rest;
            if self.filled == LINE {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Refusal> {
        let line = self.line;
        let filled = core::mem::take(&mut self.filled);
        if filled == 0 {
            return Ok(());
        }
        if self.next + filled as u32 > self.end {
            return Err(Refusal::Flash);
        }
        if self.next.is_multiple_of(self.store.layout.page()) {
            self.store.erase_page(self.next)?;
        }
        self.store.program(self.next, &line[..filled])?;
        self.next += filled as u32;
        Ok(())
    }
}

fn seal(generation: u32, payload: &[u8]) -> [u8; RECORD as usize] {
    let mut record = [0; RECORD as usize];
    record[..4].copy_from_slice(&MAGIC);
    record[4..8].copy_from_slice(&generation.to_le_bytes());
    record[8..12].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    let mut digest = CRC.digest();
    digest.update(&record[4..12]);
    digest.update(payload);
    record[12..].copy_from_slice(&digest.finalize().to_le_bytes());
    record
}
