//! A model on its way in: announced, written page by page, tried, committed.

use deja_shared::model::Fingerprint;
use deja_shared::protocol::messages::{ModelBegin, ModelChunk};
use deja_shared::protocol::refusal::Refusal;

use super::layout::Slot;
use super::record::{self, Announcement, COMMITMENT_START, MARKS_START, RECORD_BYTES};
use super::{Active, Certify, Limits, Store};
use crate::board::Flash;

/// Bytes of a chunk must be a multiple of this, except for the last one's.
const CHUNK_UNIT: usize = 16;

/// A model that was announced since the start.
#[derive(Debug, Clone, Copy)]
pub struct Transfer {
    slot: Slot,
    announcement: Announcement,
    next: u32,
}

impl<F: Flash> Store<F> {
    /// Announces a model; gives the first byte that is still missing. It goes where the running model does not lie, and
    /// takes up a transfer of the same file that a lost link or a lost start has interrupted. Of the running model nothing
    /// is missing.
    ///
    /// # Errors
    /// [`Refusal::ModelTooLarge`], [`Refusal::Flash`].
    pub fn begin(&mut self, begin: &ModelBegin) -> Result<u32, Refusal> {
        self.transfer = None;
        let announcement = Announcement::of(begin);
        if announcement.bytes > self.model_capacity() {
            return Err(Refusal::ModelTooLarge { capacity: self.model_capacity() });
        }
        if let Some(active) = self.active.filter(|active| active.announcement == announcement) {
            self.transfer = Some(Transfer { slot: active.slot, announcement, next: announcement.bytes });
            return Ok(announcement.bytes);
        }
        let slot = self.active.map_or_else(|| self.slot_of(&announcement), |active| active.slot.other());
        let next = match self.written(slot, &announcement) {
            Some(next) => next,
            None => self.announce(slot, &announcement)?,
        };
        self.transfer = Some(Transfer { slot, announcement, next });
        Ok(next)
    }

    /// Writes a stretch of the announced model; gives the next byte that is missing. Each page is erased when it is
    /// reached, and marked when all of it is read back.
    ///
    /// # Errors
    /// [`Refusal::NoTransfer`], [`Refusal::WrongOffset`] (also for a length that is no multiple of 16 or reaches beyond the
    /// announced one), [`Refusal::Flash`] (the page must then be sent again).
    pub fn chunk(&mut self, chunk: &ModelChunk<'_>) -> Result<u32, Refusal> {
        let Transfer { announcement, next, .. } = self.transfer.ok_or(Refusal::NoTransfer)?;
        let missing = (announcement.bytes - next) as usize;
        let last = chunk.bytes.len() == missing;
        let fits = chunk.bytes.len() <= missing && (last || chunk.bytes.len().is_multiple_of(CHUNK_UNIT));
        if chunk.offset != next || !fits {
            return Err(Refusal::WrongOffset { expected: next });
        }
        let mut rest = chunk.bytes;
        while let (Some(transfer), false) = (self.transfer, rest.is_empty()) {
            let room = (self.layout.page() - transfer.next % self.layout.page()) as usize;
            let (piece, later) = rest.split_at(room.min(rest.len()));
            let written = self.write_piece(&transfer, piece);
            // After a failure the whole page is written anew.
            let reached = written.unwrap_or(transfer.next - transfer.next % self.layout.page());
            self.transfer = Some(Transfer { next: reached, ..transfer });
            written?;
            rest = later;
        }
        self.transfer.map(|transfer| transfer.next).ok_or(Refusal::NoTransfer)
    }

    /// Tries the announced model, and makes it the one that runs. The running model is tried again.
    ///
    /// # Errors
    /// [`Refusal::NoTransfer`], [`Refusal::WrongOffset`] while bytes are missing, [`Refusal::WrongDigest`],
    /// [`Refusal::InvalidModel`], [`Refusal::ArenaTooSmall`], [`Refusal::ImageSize`], what `certify` says,
    /// [`Refusal::Flash`]. The former model runs on.
    pub fn commit(&mut self, sha256: &[u8; 32], limits: Limits, certify: &mut Certify<'_>) -> Result<(), Refusal> {
        if self.active.is_some_and(|active| active.announcement.sha256 == *sha256) {
            self.transfer = None;
            return self.recheck(limits, certify);
        }
        let transfer = self.transfer.filter(|t| t.announcement.sha256 == *sha256).ok_or(Refusal::NoTransfer)?;
        if transfer.next < transfer.announcement.bytes {
            return Err(Refusal::WrongOffset { expected: transfer.next });
        }
        self.transfer = None;
        let Transfer { slot, announcement, .. } = transfer;
        let tried = self.attempt(slot, &announcement, limits, certify);
        let done = tried.and_then(|fingerprint| self.make_active(slot, announcement, fingerprint));
        if done.is_err() {
            // A file that cannot run is not worth keeping, and a commitment that was not read back must not be found by
            // the next start: the next announcement starts over.
            let _ = self.erase_page(self.layout.head_start(slot));
        }
        done
    }

    /// Where a transfer goes while no model runs: to where it already was going.
    fn slot_of(&self, announcement: &Announcement) -> Slot {
        let begun = |slot: &Slot| self.written(*slot, announcement).is_some();
        Slot::BOTH.into_iter().find(begun).unwrap_or(Slot::A)
    }

    /// How many bytes of this model a slot already holds.
    fn written(&self, slot: Slot, announcement: &Announcement) -> Option<u32> {
        let head = self.layout.head(self.flash.mapped(), slot);
        let same = Announcement::read(head).is_some_and(|stored| stored == *announcement);
        let pages = announcement.bytes.div_ceil(self.layout.page());
        let marked = if same { record::marked_pages(head, announcement, pages)? } else { return None };
        Some((marked * self.layout.page()).min(announcement.bytes))
    }

    fn announce(&mut self, slot: Slot, announcement: &Announcement) -> Result<u32, Refusal> {
        // The first page holds the records that count; once it is gone, the others mean nothing.
        let head = self.layout.head_start(slot)..self.layout.content_start(slot);
        for page in head.clone().step_by(self.layout.page() as usize) {
            self.erase_page(page)?;
        }
        self.program(head.start, &announcement.write())?;
        Ok(0)
    }

    /// Writes `piece`, which stays within one page; gives where the next one begins.
    fn write_piece(&mut self, transfer: &Transfer, piece: &[u8]) -> Result<u32, Refusal> {
        let (page, start) = (self.layout.page(), self.layout.content_start(transfer.slot) + transfer.next);
        if transfer.next.is_multiple_of(page) {
            self.erase_page(start)?;
        }
        self.program(start, piece)?;
        let next = transfer.next + piece.len() as u32;
        if next.is_multiple_of(page) || next == transfer.announcement.bytes {
            let number = transfer.next / page;
            let mark = MARKS_START as u32 + number * RECORD_BYTES as u32;
            self.program(self.layout.head_start(transfer.slot) + mark, &transfer.announcement.mark(number))?;
        }
        Ok(next)
    }

    fn make_active(&mut self, slot: Slot, announcement: Announcement, fingerprint: Fingerprint) -> Result<(), Refusal> {
        let generation = self.newest_generation().unwrap_or(0).wrapping_add(1);
        let place = self.layout.head_start(slot) + COMMITMENT_START as u32;
        self.program(place, &announcement.commitment(generation))?;
        self.active = Some(Active { slot, generation, announcement, fingerprint });
        Ok(())
    }
}
