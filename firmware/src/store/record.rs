//! Records of 16 bytes that a CRC-32 seals, and the head of a model that is made of them.
//!
//! ```text
//! head: announcement (48 bytes) · commitment (16) · one mark (16) for each page of content that is written and read back
//! ```
//! Commitment and marks repeat the announcement's CRC, so that none can be taken for another model's.

use deja_shared::protocol::messages::ModelBegin;

pub const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
/// Length of a commitment or a mark.
pub const RECORD_BYTES: usize = 16;
/// Where the marks begin in a head.
pub const MARKS_START: usize = COMMITMENT_START + RECORD_BYTES;
/// Where the commitment stands in a head.
pub const COMMITMENT_START: usize = ANNOUNCEMENT_BYTES;

const ANNOUNCEMENT_BYTES: usize = 48;
const ANNOUNCED: [u8; 4] = *b"DJA1";
const COMMITTED: [u8; 4] = *b"DJC1";
const MARKED: [u8; 4] = *b"DJM1";

/// Which model a slot is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announcement {
    /// Length of the file.
    pub bytes: u32,
    /// Its SHA-256.
    pub sha256: [u8; 32],
}

impl Announcement {
    /// What the host says before it sends a model.
    pub fn of(begin: &ModelBegin) -> Self {
        Self { bytes: begin.bytes, sha256: begin.sha256 }
    }

    /// Reads the announcement of a head.
    pub fn read(head: &[u8]) -> Option<Self> {
        let stored = head.first_chunk::<ANNOUNCEMENT_BYTES>()?;
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&stored[4..8]);
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(&stored[8..40]);
        let announcement = Self { bytes: u32::from_le_bytes(bytes), sha256 };
        (announcement.write() == *stored).then_some(announcement)
    }

    /// The bytes that [`Announcement::read`] takes.
    pub fn write(&self) -> [u8; ANNOUNCEMENT_BYTES] {
        let mut record = [0; ANNOUNCEMENT_BYTES];
        record[..4].copy_from_slice(&ANNOUNCED);
        record[4..8].copy_from_slice(&self.bytes.to_le_bytes());
        record[8..40].copy_from_slice(&self.sha256);
        let crc = CRC.checksum(&record[..40]);
        record[40..44].copy_from_slice(&crc.to_le_bytes());
        record
    }

    fn crc(&self) -> u32 {
        CRC.checksum(&self.write()[..40])
    }

    /// The record that makes this model valid.
    pub fn commitment(&self, generation: u32) -> [u8; RECORD_BYTES] {
        seal(COMMITTED, generation, self.crc())
    }

    /// The record that page number `page` of this model is written.
    pub fn mark(&self, page: u32) -> [u8; RECORD_BYTES] {
        seal(MARKED, page, self.crc())
    }
}

/// The generation of a committed model.
pub fn committed(head: &[u8], announcement: &Announcement) -> Option<u32> {
    let stored = record_at(head, COMMITMENT_START)?;
    let generation = u32::from_le_bytes([stored[4], stored[5], stored[6], stored[7]]);
    (announcement.commitment(generation) == *stored).then_some(generation)
}

/// How many pages of a model that is on its way are written; `None` where the head holds anything else than marks in
/// their order and erased flash behind them.
pub fn marked_pages(head: &[u8], announcement: &Announcement, pages: u32) -> Option<u32> {
    let mark = |page: u32| record_at(head, MARKS_START + page as usize * RECORD_BYTES);
    let marked = (0..pages).take_while(|&page| mark(page) == Some(&announcement.mark(page))).count() as u32;
    let blank = |record: Option<&[u8; RECORD_BYTES]>| record == Some(&[0xff; RECORD_BYTES]);
    let clean = blank(record_at(head, COMMITMENT_START)) && (marked..pages).all(|page| blank(mark(page)));
    clean.then_some(marked)
}

fn record_at(head: &[u8], start: usize) -> Option<&[u8; RECORD_BYTES]> {
    head.get(start..)?.first_chunk()
}

fn seal(magic: [u8; 4], number: u32, of: u32) -> [u8; RECORD_BYTES] {
    let mut record = [0; RECORD_BYTES];
    record[..4].copy_from_slice(&magic);
    record[4..8].copy_from_slice(&number.to_le_bytes());
    record[8..12].copy_from_slice(&of.to_le_bytes());
    let crc = CRC.checksum(&record[..12]);
    record[12..].copy_from_slice(&crc.to_le_bytes());
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_have_these_bytes() {
        let announcement = Announcement { bytes: 0x0102, sha256: [7; 32] };
        let head = announcement.write();
        assert_eq!(head[..8], [b'D', b'J', b'A', b'1', 2, 1, 0, 0]);
        assert_eq!(head[40..], [0x1d, 0x80, 0xb8, 0x82, 0x00, 0x00, 0x00, 0x00]);
        let commitment =
            [0x44, 0x4a, 0x43, 0x31, 0x09, 0x00, 0x00, 0x00, 0x1d, 0x80, 0xb8, 0x82, 0xec, 0x2a, 0x33, 0x43];
        assert_eq!(announcement.commitment(9), commitment);
        let mark = [0x44, 0x4a, 0x4d, 0x31, 0x03, 0x00, 0x00, 0x00, 0x1d, 0x80, 0xb8, 0x82, 0x97, 0x06, 0x3a, 0xcc];
        assert_eq!(announcement.mark(3), mark);
    }

    #[test]
    fn a_bit_anywhere_breaks_the_seal() {
        let announcement = Announcement { bytes: 5000, sha256: core::array::from_fn(|i| i as u8) };
        let mut head = [0xff; MARKS_START];
        head[..ANNOUNCEMENT_BYTES].copy_from_slice(&announcement.write());
        head[COMMITMENT_START..].copy_from_slice(&announcement.commitment(1));
        assert_eq!(Announcement::read(&head), Some(announcement));
        assert_eq!(committed(&head, &announcement), Some(1));
        for bit in 0..head.len() * 8 {
            let mut damaged = head;
            damaged[bit / 8] ^= 1 << (bit % 8);
            let whole = Announcement::read(&damaged).and_then(|a| committed(&damaged, &a));
            assert_eq!(whole, None, "bit {bit}");
        }
    }
}
