//! The first 128 bytes of a model.

use super::record::{array, put, u16_at, u32_at};
use super::{Fingerprint, ModelError};

/// How every model begins.
pub const MAGIC: [u8; 4] = *b"DEJA";
/// The format that this program writes and reads. Version 2 added the layers behind global average pool, convolution in
/// groups, and results that take their input's place.
pub const VERSION: u16 = 3;
/// Length of the header.
pub const HEADER_BYTES: usize = 128;
/// Greatest length of a model's name.
pub const NAME_BYTES: usize = 32;
/// The fingerprint covers everything from here on; what stands before is checked field by field.
pub(super) const DIGEST_START: usize = 48;

/// What a camera must know before it looks at the layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Length of the whole file.
    pub total_bytes: u32,
    /// SHA-256 of the file from byte 48 on.
    pub fingerprint: Fingerprint,
    /// Rows of the picture.
    pub input_height: u16,
    /// Columns of the picture.
    pub input_width: u16,
    /// Components of the embedding.
    pub dimension: u16,
    /// Number of activations: the picture and one a layer.
    pub tensor_count: u16,
    /// Number of layers.
    pub layer_count: u16,
    /// Activation memory that the layers need.
    pub arena_bytes: u32,
    /// Where the activation records stand.
    pub tensors_offset: u32,
    /// Where the layer records stand.
    pub layers_offset: u32,
    /// Where the pixel table stands.
    pub preprocessing_offset: u32,
    /// Where the golden pairs stand.
    pub golden_offset: u32,
    /// How many golden pairs there are.
    pub golden_count: u16,
    /// Least cosine of a match, in 1/2¹⁵.
    pub threshold: i16,
    /// False positive identification rate for which the threshold was chosen, in parts per million.
    pub fpir_ppm: u32,
    /// Number of identities in the gallery for which it was chosen.
    pub gallery_identities: u16,
    /// The network's name in UTF-8, padded with zeros.
    pub name: [u8; NAME_BYTES],
}

impl Header {
    /// Reads and checks the fields that can be judged on their own.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, ModelError> {
        if bytes.get(..4) != Some(&MAGIC) {
            return Err(ModelError::NotAModel);
        }
        let found = u16_at(bytes, 4);
        if bytes.len() >= 6 && found != VERSION {
            return Err(ModelError::Version { found, supported: VERSION });
        }
        if bytes.len() < HEADER_BYTES {
            return Err(ModelError::Truncated);
        }
        let reserved = [6..8, 12..16, 54..56, 82..84, 88..92];
        if reserved.into_iter().any(|range| bytes[range].iter().any(|&b| b != 0)) {
            return Err(ModelError::Field);
        }
        let header = Self::fields(&array(bytes, 0));
        if (header.total_bytes as usize) < HEADER_BYTES {
            return Err(ModelError::Truncated);
        }
        Ok(header)
    }

    fn fields(record: &[u8; HEADER_BYTES]) -> Self {
        Self {
            total_bytes: u32_at(record, 8),
            fingerprint: array(record, 16),
            input_height: u16_at(record, 48),
            input_width: u16_at(record, 50),
            dimension: u16_at(record, 52),
            tensor_count: u16_at(record, 56),
            layer_count: u16_at(record, 58),
            arena_bytes: u32_at(record, 60),
            tensors_offset: u32_at(record, 64),
            layers_offset: u32_at(record, 68),
            preprocessing_offset: u32_at(record, 72),
            golden_offset: u32_at(record, 76),
            golden_count: u16_at(record, 80),
            threshold: i16::from_le_bytes(array(record, 84)),
            fpir_ppm: u32_at(record, 92),
            gallery_identities: u16_at(record, 86),
            name: array(record, 96),
        }
    }

    /// The 128 bytes that [`super::Model::parse`] reads back.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut record = [0; HEADER_BYTES];
        put(&mut record, 0, &MAGIC);
        put(&mut record, 4, &VERSION.to_le_bytes());
        put(&mut record, 8, &self.total_bytes.to_le_bytes());
        put(&mut record, 16, &self.fingerprint);
        put(&mut record, 48, &self.input_height.to_le_bytes());
        put(&mut record, 50, &self.input_width.to_le_bytes());
        put(&mut record, 52, &self.dimension.to_le_bytes());
        put(&mut record, 56, &self.tensor_count.to_le_bytes());
        put(&mut record, 58, &self.layer_count.to_le_bytes());
        put(&mut record, 60, &self.arena_bytes.to_le_bytes());
        put(&mut record, 64, &self.tensors_offset.to_le_bytes());
        put(&mut record, 68, &self.layers_offset.to_le_bytes());
        put(&mut record, 72, &self.preprocessing_offset.to_le_bytes());
        put(&mut record, 76, &self.golden_offset.to_le_bytes());
        put(&mut record, 80, &self.golden_count.to_le_bytes());
        put(&mut record, 84, &self.threshold.to_le_bytes());
        put(&mut record, 86, &self.gallery_identities.to_le_bytes());
        put(&mut record, 92, &self.fpir_ppm.to_le_bytes());
        put(&mut record, 96, &self.name);
        record
    }

    /// The name up to its padding; a replacement text where it is not UTF-8.
    pub fn name(&self) -> &str {
        let end = self.name.iter().position(|&b| b == 0).unwrap_or(NAME_BYTES);
        core::str::from_utf8(&self.name[..end]).unwrap_or("(unreadable name)")
    }

    /// Bytes of one picture of the input size: height × width × 3.
    pub fn picture_bytes(&self) -> u64 {
        u64::from(self.input_height) * u64::from(self.input_width) * 3
    }
}
