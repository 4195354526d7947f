//! The gallery as bytes: a header, then every identity, then every template, each in postcard.
//!
//! Records are written one by one into whatever takes bytes and are read in place, so a camera needs no second copy of
//! its gallery in memory.

use deja_shared::embedding::MAX_DIMENSION;
use deja_shared::model::Fingerprint;
use deja_shared::protocol::MAX_NAME;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Gallery, Identity, Key, MAX_TEMPLATES_EACH, Template, checked_name};
use super::{MAX_IDENTITIES, MAX_TEMPLATES};

/// The layout that this program writes and reads.
pub const SNAPSHOT_VERSION: u8 = 1;

/// Longest numbers in postcard: of 16 and of 32 bits.
const U16_BYTES: usize = 3;
const U32_BYTES: usize = 5;
const HEADER_BYTES: usize = 1 + size_of::<Fingerprint>() + U32_BYTES + 2 * U16_BYTES;
const IDENTITY_BYTES: usize = U32_BYTES + 1 + MAX_NAME;
const TEMPLATE_BYTES: usize = U32_BYTES + U16_BYTES + MAX_DIMENSION;

/// The greatest length of a snapshot.
pub const MAX_SNAPSHOT_BYTES: usize = HEADER_BYTES + MAX_IDENTITIES * IDENTITY_BYTES + MAX_TEMPLATES * TEMPLATE_BYTES;

/// What stands first.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    version: u8,
    model: Fingerprint,
    last: u32,
    identities: u16,
    templates: u16,
}

/// Why bytes are not a gallery of this camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotError {
    /// Another layout.
    Version {
        /// What the bytes say.
        found: u8,
    },
    /// More identities or templates than this firmware holds.
    Capacity,
    /// Not what [`write()`] writes.
    Malformed,
}

impl core::fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Version { found } => {
                write!(f, "the gallery has layout {found}, but this firmware reads layout {SNAPSHOT_VERSION}")
            }
            Self::Capacity => f.write_str("the gallery holds more than this firmware can"),
            Self::Malformed => f.write_str("the bytes are not a gallery"),
        }
    }
}

impl core::error::Error for SnapshotError {}

/// Hands the gallery to `sink`, piece by piece: at most [`MAX_SNAPSHOT_BYTES`] in all.
///
/// # Errors
/// The first error of `sink`.
pub fn write<E>(gallery: &Gallery, mut sink: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
    let header = Header {
        version: SNAPSHOT_VERSION,
        model: gallery.model,
        last: gallery.last,
        identities: gallery.identities.len() as u16,
        templates: gallery.templates.len() as u16,
    };
    record(&header, &mut sink)?;
    gallery.identities.iter().try_for_each(|identity| record(identity, &mut sink))?;
    gallery.templates.iter().try_for_each(|template| record(&template, &mut sink))
}

/// Number of bytes that [`write()`] hands out.
pub fn len(gallery: &Gallery) -> usize {
    let mut len = 0;
    let counted: Result<(), core::convert::Infallible> = write(gallery, |piece| {
        len += piece.len();
        Ok(())
    });
    counted.map_or(0, |()| len)
}

/// Puts in the place of `gallery` what [`write()`] wrote. `bytes` is the snapshot, no more and no less.
///
/// # Errors
/// All of [`SnapshotError`]; then the gallery is empty.
pub fn read(gallery: &mut Gallery, bytes: &[u8]) -> Result<(), SnapshotError> {
    gallery.clear();
    gallery.last = 0;
    let result = fill(gallery, bytes).and_then(|()| check(gallery));
    if result.is_err() {
        gallery.clear();
        gallery.last = 0;
    }
    result
}

fn record<E>(record: &impl Serialize, sink: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
    // The longest of all records fits, so there is always something to hand on.
    let mut buffer = [0; TEMPLATE_BYTES];
    postcard::to_slice(record, &mut buffer).map_or(Ok(()), |bytes| sink(bytes))
}

fn take<T: DeserializeOwned>(bytes: &mut &[u8]) -> Result<T, SnapshotError> {
    let (record, rest) = postcard::take_from_bytes(bytes).map_err(|_| SnapshotError::Malformed)?;
    *bytes = rest;
    Ok(record)
}

fn fill(gallery: &mut Gallery, mut bytes: &[u8]) -> Result<(), SnapshotError> {
    match bytes.first() {
        Some(&SNAPSHOT_VERSION) => {}
        Some(&found) => return Err(SnapshotError::Version { found }),
        None => return Err(SnapshotError::Malformed),
    }
    let header: Header = take(&mut bytes)?;
    gallery.model = header.model;
    gallery.last = header.last;
    for _ in 0..header.identities {
        gallery.identities.push(take(&mut bytes)?).map_err(|_| SnapshotError::Capacity)?;
    }
    for _ in 0..header.templates {
        if gallery.templates.is_full() {
            return Err(SnapshotError::Capacity);
        }
        let Template { identity, embedding } = take(&mut bytes)?;
        if !gallery.templates.push(identity, &embedding) {
            return Err(SnapshotError::Malformed);
        }
    }
    if bytes.is_empty() { Ok(()) } else { Err(SnapshotError::Malformed) }
}

/// Everything that `add` and `remove` keep true.
fn check(gallery: &Gallery) -> Result<(), SnapshotError> {
    let ascending = gallery.identities.windows(2).all(|pair| pair[0].number < pair[1].number);
    let given = |identity: &Identity| (1..=gallery.last).contains(&identity.number);
    let named = |identity: &Identity| {
        let first = gallery.find(&identity.name).map(|found| found.number);
        checked_name(&identity.name).is_some() && first == Some(identity.number)
    };
    let seen = |identity: &Identity| (1..=MAX_TEMPLATES_EACH).contains(&gallery.templates.count_of(identity.number));
    let owned = |template: &Key| gallery.identity(template.identity).is_some();
    let whole = ascending
        && gallery.identities.iter().all(|identity| given(identity) && named(identity) && seen(identity))
        && gallery.templates.keys().iter().all(owned);
    if whole { Ok(()) } else { Err(SnapshotError::Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deja_shared::embedding::Embedding;
    use proptest::prelude::*;
    use std::format;
    use std::vec::Vec;

    fn bytes_of(gallery: &Gallery) -> Vec<u8> {
        let mut bytes = Vec::new();
        let written: Result<(), ()> = write(gallery, |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        });
        assert_eq!(written, Ok(()));
        assert_eq!(bytes.len(), len(gallery));
        bytes
    }

    fn read_back(bytes: &[u8]) -> Result<Gallery, SnapshotError> {
        let mut gallery = Gallery::new();
        read(&mut gallery, bytes).map(|()| gallery)
    }

    fn sample() -> Gallery {
        let mut gallery = Gallery::new();
        for (name, raw) in [("Ada", [1i16, -2]), ("Bob", [0, 5]), ("Cleo", [3, 4]), ("Ada", [2, -2])] {
            gallery.add(&[9; 32], name, &Embedding::from_raw(&raw).unwrap()).unwrap();
        }
        gallery.remove(2).unwrap();
        gallery
    }

    #[test]
    fn golden_bytes() {
        let mut expected = std::vec![SNAPSHOT_VERSION];
        expected.extend([9; 32]);
        expected.extend([3, 2, 3]); // last number, identities, templates
        expected.extend(b"\x01\x03Ada\x03\x04Cleo");
        expected.extend([1, 2, 64, 129, 3, 2, 95, 127, 1, 2, 127, 129]); // −127 is 129
        assert_eq!(bytes_of(&sample()), expected);
        assert_eq!(read_back(&expected), Ok(sample()));
    }

    #[test]
    fn the_largest_gallery_has_a_snapshot() {
        let mut gallery = Gallery { last: u32::MAX - 64, ..Gallery::new() };
        let embedding = Embedding::from_raw(&[-1; MAX_DIMENSION]).unwrap();
        for i in 0..MAX_TEMPLATES {
            gallery.add(&[255; 32], &format!("{:032}", i % MAX_IDENTITIES), &embedding).unwrap();
        }
        let bytes = bytes_of(&gallery);
        assert!(bytes.len() <= MAX_SNAPSHOT_BYTES);
        assert_eq!(read_back(&bytes), Ok(gallery));
    }

    #[test]
    fn a_snapshot_cut_short_or_continued_is_refused() {
        let bytes = bytes_of(&sample());
        for len in 0..bytes.len() {
            assert_eq!(read_back(&bytes[..len]), Err(SnapshotError::Malformed), "{len} bytes");
        }
        let longer: Vec<u8> = bytes.iter().copied().chain([0]).collect();
        assert_eq!(read_back(&longer), Err(SnapshotError::Malformed));
    }

    #[test]
    fn an_unknown_layout_is_named() {
        let mut bytes = bytes_of(&sample());
        bytes[0] = 2;
        assert_eq!(read_back(&bytes), Err(SnapshotError::Version { found: 2 }));
    }

    #[test]
    fn a_refused_snapshot_leaves_nobody() {
        let mut gallery = sample();
        let bytes = bytes_of(&gallery);
        assert!(read(&mut gallery, &bytes[..bytes.len() - 1]).is_err());
        assert_eq!(gallery, Gallery { model: gallery.model, ..Gallery::new() });
    }

    #[test]
    fn a_failing_sink_stops_the_writing() {
        let mut pieces = 0;
        let result = write(&sample(), |_| {
            pieces += 1;
            if pieces < 3 { Ok(()) } else { Err("full") }
        });
        assert_eq!((result, pieces), (Err("full"), 3));
    }

    proptest! {
        /// Any byte may change: what is accepted is a gallery like any other, so it survives writing and reading.
        #[test]
        fn changed_bytes_are_refused_or_make_a_whole_gallery(changes in proptest::collection::vec((0..64usize, any::<u8>()), 1..4)) {
            let mut bytes = bytes_of(&sample());
            for (place, byte) in changes {
                let len = bytes.len();
                bytes[place % len] = byte;
            }
            if let Ok(gallery) = read_back(&bytes) {
                prop_assert_eq!(read_back(&bytes_of(&gallery)), Ok(gallery));
            }
        }
    }
}
