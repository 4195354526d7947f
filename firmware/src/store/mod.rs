//! What a camera remembers without power: two models and two snapshots of gallery and settings, in NOR flash.
//!
//! ```text
//! snapshot A · snapshot B · model A (head, content) · model B (head, content)
//! ```
//! Of each pair one is valid and stays untouched while the other is written; a sealed record, written last, makes the
//! newer one valid, and the newest valid one counts when the camera starts. So the power may fail inside any word and any
//! erase, and may leave anything there: the camera comes back with what it had before or with what it was writing.
//!
//! * [`layout`]: where everything lies, * `record`: the sealed records, * `snapshot`: gallery and settings,
//! * `transfer`: a model on its way in, resumed after a lost link or a lost start,
//! * `trial`: a model is tried before it runs, and whenever somebody asks; the older one takes over from one that fails.

pub mod layout;
mod record;
mod snapshot;
mod transfer;
mod trial;

use deja_shared::model::{Fingerprint, Model};
use deja_shared::protocol::refusal::Refusal;

use crate::board::Flash;
use layout::{Layout, Slot};
use record::Announcement;
pub use snapshot::Sink;
use transfer::Transfer;
pub use trial::{Certify, Limits};

/// Flash with its contents understood.
#[derive(Debug)]
pub struct Store<F> {
    flash: F,
    layout: Layout,
    snapshot: Option<snapshot::Found>,
    active: Option<Active>,
    transfer: Option<Transfer>,
}

/// The model that runs.
#[derive(Debug, Clone, Copy)]
struct Active {
    slot: Slot,
    generation: u32,
    announcement: Announcement,
    fingerprint: Fingerprint,
}

impl<F: Flash> Store<F> {
    /// Reads what is there; any bytes are survived. `snapshot_bytes` as in
    /// [`Board::SNAPSHOT_BYTES`](crate::board::Board::SNAPSHOT_BYTES).
    pub fn mount(flash: F, snapshot_bytes: u32) -> Self {
        const { assert!(16 % F::WRITE_SIZE == 0 && F::ERASE_SIZE.is_multiple_of(16)) }
        let layout = Layout::new(flash.capacity() as u32, F::ERASE_SIZE as u32, snapshot_bytes);
        let snapshot = snapshot::newest(flash.mapped(), &layout);
        let active = newest_model(flash.mapped(), &layout, u32::MAX);
        Self { flash, layout, snapshot, active, transfer: None }
    }

    /// The model that runs.
    pub fn model(&self) -> Option<Model<'_>> {
        let active = self.active?;
        let content = self.layout.content(self.flash.mapped(), active.slot);
        // Nothing was written to this slot since it was checked.
        Model::reopen(content, &active.fingerprint).ok()
    }

    /// Greatest model that fits, in bytes.
    pub fn model_capacity(&self) -> u32 {
        self.layout.content_bytes()
    }

    /// Erases models and snapshots, whatever state they are in.
    ///
    /// # Errors
    /// [`Refusal::Flash`]; some of them may be gone then.
    pub fn recover(&mut self) -> Result<(), Refusal> {
        (self.transfer, self.active, self.snapshot) = (None, None, None);
        for slot in Slot::BOTH {
            self.erase_page(self.layout.snapshot_start(slot))?;
            self.erase_page(self.layout.head_start(slot))?;
        }
        Ok(())
    }

    /// The flash underneath, whose power tests cut.
    pub fn flash_mut(&mut self) -> &mut F {
        &mut self.flash
    }

    /// Gives the flash back.
    pub fn into_flash(self) -> F {
        self.flash
    }

    fn erase_page(&mut self, start: u32) -> Result<(), Refusal> {
        self.flash.erase(start, start + self.layout.page()).map_err(|_| Refusal::Flash)
    }

    /// Writes, and reads back: what this reports as written is there. The last stretch is filled up to a whole word.
    fn program(&mut self, start: u32, bytes: &[u8]) -> Result<(), Refusal> {
        let (whole, rest) = bytes.split_at(bytes.len() - bytes.len() % F::WRITE_SIZE);
        self.flash.write(start, whole).map_err(|_| Refusal::Flash)?;
        if !rest.is_empty() {
            let mut word = [0xff; 16];
            word[..rest.len()].copy_from_slice(rest);
            self.flash.write(start + whole.len() as u32, &word[..F::WRITE_SIZE]).map_err(|_| Refusal::Flash)?;
        }
        let written = self.flash.mapped().get(start as usize..).and_then(|there| there.get(..bytes.len()));
        if written == Some(bytes) { Ok(()) } else { Err(Refusal::Flash) }
    }
}

/// The committed model of the highest generation up to `latest` that is whole.
fn newest_model(flash: &[u8], layout: &Layout, latest: u32) -> Option<Active> {
    let whole = |slot: Slot| {
        let (announcement, generation) = committed(flash, layout, slot).filter(|&(_, number)| number <= latest)?;
        let content = layout.content(flash, slot).get(..announcement.bytes as usize)?;
        let fingerprint = Model::parse(content).ok()?.header().fingerprint;
        Some(Active { slot, generation, announcement, fingerprint })
    };
    Slot::BOTH.into_iter().filter_map(whole).max_by_key(|model| model.generation)
}

/// Which model a slot was committed to, and its generation, whatever has become of its content.
fn committed(flash: &[u8], layout: &Layout, slot: Slot) -> Option<(Announcement, u32)> {
    let head = layout.head(flash, slot);
    let announcement = Announcement::read(head)?;
    record::committed(head, &announcement).map(|generation| (announcement, generation))
}
