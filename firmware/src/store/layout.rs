//! Where everything lies in flash.

use core::ops::Range;

use super::record::{MARKS_START, RECORD_BYTES};

/// One of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// The first.
    A,
    /// The second.
    B,
}

impl Slot {
    /// The pair.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    fn times(self, bytes: u32) -> u32 {
        match self {
            Self::A => 0,
            Self::B => bytes,
        }
    }
}

/// Sizes in bytes, each a multiple of the page (what one erase covers). A flash that is too small for its snapshots has
/// room for no model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    page: u32,
    snapshot: u32,
    head: u32,
    content: u32,
}

impl Layout {
    /// Two snapshots of `snapshot` bytes; two models share the rest of `capacity`, each with a head that has a record for
    /// every page of its content.
    pub fn new(capacity: u32, page: u32, snapshot: u32) -> Self {
        let slot = capacity.saturating_sub(2 * snapshot) / 2 / page * page;
        let records = MARKS_START as u32 + slot / page * RECORD_BYTES as u32;
        let head = records.div_ceil(page) * page;
        Self { page, snapshot, head, content: slot.saturating_sub(head) }
    }

    /// What one erase covers.
    pub fn page(&self) -> u32 {
        self.page
    }

    /// Greatest model that fits.
    pub fn content_bytes(&self) -> u32 {
        self.content
    }

    /// Length of one snapshot, its record included.
    pub fn snapshot_bytes(&self) -> u32 {
        self.snapshot
    }

    /// Where a snapshot begins.
    pub fn snapshot_start(&self, slot: Slot) -> u32 {
        slot.times(self.snapshot)
    }

    /// Where a model's head begins.
    pub fn head_start(&self, slot: Slot) -> u32 {
        2 * self.snapshot + slot.times(self.head + self.content)
    }

    /// Where a model begins.
    pub fn content_start(&self, slot: Slot) -> u32 {
        self.head_start(slot) + self.head
    }

    /// A snapshot with its record.
    pub fn snapshot<'a>(&self, flash: &'a [u8], slot: Slot) -> &'a [u8] {
        section(flash, self.snapshot_start(slot)..self.snapshot_start(slot) + self.snapshot)
    }

    /// A model's records.
    pub fn head<'a>(&self, flash: &'a [u8], slot: Slot) -> &'a [u8] {
        section(flash, self.head_start(slot)..self.content_start(slot))
    }

    /// The place of a model, to the end of its slot.
    pub fn content<'a>(&self, flash: &'a [u8], slot: Slot) -> &'a [u8] {
        section(flash, self.content_start(slot)..self.content_start(slot) + self.content)
    }
}

/// Empty where the flash is too small.
fn section(flash: &[u8], range: Range<u32>) -> &[u8] {
    flash.get(range.start as usize..range.end as usize).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_camera_of_1792_kib_keeps_two_models_of_796_kib() {
        let layout = Layout::new(1796 << 10, 4096, 96 << 10);
        assert_eq!(layout.content_bytes(), 796 << 10);
        assert_eq!(layout.head_start(Slot::A), 192 << 10);
        assert_eq!(layout.content_start(Slot::B), 996 << 10);
    }

    proptest! {
        #[test]
        fn nothing_overlaps_and_everything_fits(pages in 0u32..600, page in 1u32..256, snapshot in 0u32..40) {
            let page = page * 16;
            let layout = Layout::new(pages * page, page, snapshot * page);
            prop_assert!(layout.content_bytes().is_multiple_of(page));
            if layout.content_bytes() > 0 {
                let end = layout.content_start(Slot::B) + layout.content_bytes();
                prop_assert!(end <= pages * page);
                prop_assert!(layout.content_start(Slot::A) + layout.content_bytes() <= layout.head_start(Slot::B));
                let marks = layout.content_bytes() / page * RECORD_BYTES as u32;
                prop_assert!(MARKS_START as u32 + marks <= layout.head);
            }
        }
    }
}
