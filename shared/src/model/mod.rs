//! The `.deja` file: a quantized network that a camera reads in place from flash.
//!
//! ```text
//! header (128 bytes) · tensors (20 each) · layers (64 each) · preprocessing (3 × 256) · weights, tables, biases and
//! multipliers (each array aligned to 16) · golden pairs
//! ```
//! All numbers are little-endian, all offsets count from the start of the file, every reserved byte is zero.
//! [`Model::parse`] checks everything once: digest, bounds, alignment, shapes, accumulator range, arena overlaps. What
//! it returns can be walked without further checks, whatever bytes it was given. The host's `quantize::emit` writes
//! what stands here, with the `encode` functions beside each reader.

mod arena;
mod chain;
mod check;
mod error;
mod header;
mod layer;
mod layer_kind;
pub mod pairs;
mod record;
mod tensor;
mod wide;

pub use arena::{Layout, MAX_CHAIN_ROWS, is_safe};
pub use chain::{Chain, MAX_CHAIN, Run, Span};
pub use check::MAX_LAYERS;
pub use error::ModelError;
pub use header::{HEADER_BYTES, Header, MAGIC, NAME_BYTES, VERSION};
pub use layer::{LAYER_BYTES, Layer, MAX_FAN_IN};
pub use layer_kind::{LOOKUP_ENTRIES, LayerKind, MEAN_ENTRIES, greatest_power};
pub use tensor::{OUTSIDE_ARENA, TENSOR_BYTES, Tensor};

use crate::tensor::Width;
use sha2::{Digest, Sha256};

/// SHA-256 of a model file behind its own place; names the model everywhere.
pub type Fingerprint = [u8; 32];

/// Required alignment of the file in memory, and of every array within it, in bytes.
pub const ALIGNMENT: usize = 16;
/// Bytes of the preprocessing table: one int8 for each of 256 pixel values of each of 3 channels.
pub const PREPROCESSING_BYTES: usize = 3 * 256;

/// A checked model, borrowed from where it lies.
#[derive(Debug, Clone, Copy)]
pub struct Model<'a> {
    bytes: &'a [u8],
    header: Header,
}

impl<'a> Model<'a> {
    /// Checks `bytes` from end to end. Bytes behind the file's own length are ignored, so that a whole flash slot can
    /// be given.
    ///
    /// # Errors
    /// The first [`ModelError`] found.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ModelError> {
        let header = Header::decode(bytes)?;
        let bytes = bytes.get(..header.total_bytes as usize).ok_or(ModelError::Truncated)?;
        if Self::digest(bytes) != header.fingerprint {
            return Err(ModelError::Corrupt);
        }
        let model = Self { bytes, header };
        check::check(&model)?;
        Ok(model)
    }

    /// Takes up again a model that [`Model::parse`] accepted and that has not changed since, without the long check.
    ///
    /// # Errors
    /// When the header is not that of the model with this `fingerprint`.
    pub fn reopen(bytes: &'a [u8], fingerprint: &Fingerprint) -> Result<Self, ModelError> {
        let header = Header::decode(bytes)?;
        let bytes = bytes.get(..header.total_bytes as usize).ok_or(ModelError::Truncated)?;
        if header.fingerprint != *fingerprint {
            return Err(ModelError::Corrupt);
        }
        if !check::is_aligned(bytes) {
            return Err(ModelError::Alignment);
        }
        Ok(Self { bytes, header })
    }

    /// The fingerprint that a file of these bytes (its whole length, at least a header) must carry.
    pub fn digest(bytes: &[u8]) -> Fingerprint {
        Sha256::digest(bytes.get(header::DIGEST_START..).unwrap_or_default()).into()
    }

    /// The header's fields.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The whole file.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Number of activations; number 0 is the preprocessed picture.
    pub fn tensor_count(&self) -> usize {
        usize::from(self.header.tensor_count)
    }

    /// Activation number `index` < [`Model::tensor_count`]: 0 is the picture, the last one the raw embedding.
    pub fn tensor(&self, index: u16) -> Tensor {
        let start = self.header.tensors_offset as usize + usize::from(index) * TENSOR_BYTES;
        Tensor::decode(record::array(self.bytes, start))
    }

    /// The activations in order.
    pub fn tensors(&self) -> impl Iterator<Item = Tensor> + use<'a> {
        let model = *self;
        (0..self.header.tensor_count).map(move |index| model.tensor(index))
    }

    /// The layers in the order in which they run.
    pub fn layers(&self) -> impl ExactSizeIterator<Item = Layer> + use<'a> {
        let model = *self;
        (0..self.header.layer_count).map(move |index| model.layer(index))
    }

    /// Layer number `index` < `header().layer_count`.
    pub fn layer(&self, index: u16) -> Layer {
        let start = self.header.layers_offset as usize + usize::from(index) * LAYER_BYTES;
        Layer::decode(record::array(self.bytes, start))
    }

    /// Whether a layer reads or writes an activation of 16 bits.
    pub fn is_wide(&self, layer: &Layer) -> bool {
        layer.inputs().chain([layer.output]).any(|number| self.tensor(number).width == Width::Sixteen)
    }

    /// The chain that begins with layer number `index`, at its start; `None` where that runs by itself.
    pub fn chain(&self, index: u16) -> Option<Chain> {
        let activation = |number| {
            let tensor = self.tensor(number);
            (tensor.shape, tensor.rows_kept > 0)
        };
        let span = Some(self.layer(index).span(index)).filter(|span| span.layers > 0)?;
        Chain::new(span, |index| self.layer(index), activation)
    }

    /// The weights or the lookup table of a layer; empty where it has none. Layouts stand at [`LayerKind`].
    pub fn weights(&self, layer: &Layer) -> &'a [i8] {
        bytemuck::cast_slice(self.section(layer.weights_offset, layer.weights_bytes as usize))
    }

    /// The table of a [`LayerKind::GeneralizedMeanPool`]: powers, then thresholds.
    pub fn mean_table(&self, layer: &Layer) -> &'a [u64] {
        bytemuck::try_cast_slice(self.section(layer.weights_offset, layer.weights_bytes as usize)).unwrap_or_default()
    }

    /// One bias an output channel, the input's zero point folded in; empty where the layer has none.
    pub fn biases(&self, layer: &Layer) -> &'a [i32] {
        if layer.kind.has_weights() { self.channel_array(layer, layer.biases_offset) } else { &[] }
    }

    /// One multiplier an output channel; empty where the layer has none.
    pub fn multipliers(&self, layer: &Layer) -> &'a [i32] {
        let has_some = layer.kind.has_weights() || layer.kind == LayerKind::PRelu;
        if has_some { self.channel_array(layer, layer.multipliers_offset) } else { &[] }
    }

    /// Pixel value → int8 input, 256 entries for red, then green, then blue: mean, deviation and input scale at once.
    pub fn preprocessing(&self) -> &'a [i8] {
        bytemuck::cast_slice(self.section(self.header.preprocessing_offset, PREPROCESSING_BYTES))
    }

    /// Pairs of a picture (RGB bytes of the input size) and the components of the embedding it must give.
    pub fn golden(&self) -> impl ExactSizeIterator<Item = (&'a [u8], &'a [i8])> + use<'a> {
        let model = *self;
        let (picture, dimension) = (self.header.picture_bytes() as usize, usize::from(self.header.dimension));
        (0..self.header.golden_count).map(move |index| {
            let start = model.header.golden_offset + u32::from(index) * (picture + dimension) as u32;
            let pair = model.section(start, picture + dimension);
            let (pixels, embedding) = pair.split_at(pair.len().min(picture));
            (pixels, bytemuck::cast_slice(embedding))
        })
    }

    /// A stretch of the file; empty where it does not lie within, which [`Model::parse`] has excluded.
    fn section(&self, offset: u32, len: usize) -> &'a [u8] {
        let start = offset as usize;
        start.checked_add(len).and_then(|end| self.bytes.get(start..end)).unwrap_or_default()
    }

    fn channel_array(&self, layer: &Layer, offset: u32) -> &'a [i32] {
        let channels = usize::from(self.tensor(layer.output).shape.channels);
        bytemuck::try_cast_slice(self.section(offset, channels * 4)).unwrap_or_default()
    }
}
