//! Little-endian fields of fixed records.

/// `N` bytes at `start`; zeros where the file ends before, so that reading never panics.
pub(super) fn array<const N: usize>(bytes: &[u8], start: usize) -> [u8; N] {
    let mut record = [0; N];
    if let Some(found) = start.checked_add(N).and_then(|end| bytes.get(start..end)) {
        record.copy_from_slice(found);
    }
    record
}

/// A 16-bit field of a record.
pub(super) fn u16_at(record: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array(record, at))
}

/// A 32-bit field of a record.
pub(super) fn u32_at(record: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(record, at))
}

/// Writes a field into a record that is being built.
pub(super) fn put(record: &mut [u8], at: usize, field: &[u8]) {
    record[at..at + field.len()].copy_from_slice(field);
}
