//! Step 5: the bytes of the `.deja` file.

use deja_firmware::embedder::{self, EmbedError};
use deja_shared::model::{
    ALIGNMENT, Fingerprint, HEADER_BYTES, Header, LAYER_BYTES, Layer, Model, NAME_BYTES, OUTSIDE_ARENA, Tensor,
};
use deja_shared::tensor::Width;

use super::QuantizeError;
use super::aligned_bytes::AlignedBytes;
use super::int8_model::arena;
use super::lower::{Lowered, LoweredLayer};
use super::plan_arena::Plan;
use super::scale::Quantization;
use super::threshold::Threshold;
use crate::compute::int8::interleaved;
use crate::network::interpreter::pixel_value;

/// Writes the file of a lowered network: header, activations, layers, pixel table, constants, golden pairs.
///
/// `golden` are pictures of the input size; what they must embed to is computed by the camera's own code. The threshold
/// is [`Threshold::NOBODY`] until [`set_threshold`]. What is written was read back and checked.
///
/// # Errors
/// A golden picture that embeds to zero, or a network that the reader refuses.
pub fn emit(lowered: &Lowered, plan: &Plan, golden: &[&[u8]]) -> Result<AlignedBytes, QuantizeError> {
    let bare = Writer::file(lowered, plan, &[]);
    let model = Model::parse(&bare)?;
    let mut arena = arena(&model);
    let mut pairs = vec![];
    for (picture, &pixels) in golden.iter().enumerate() {
        let embedding = match embedder::embed(&model, pixels, &mut arena) {
            Err(EmbedError::Blank) => return Err(QuantizeError::ZeroEmbedding { picture }),
            result => result?,
        };
        pairs.push([pixels, bytemuck::cast_slice(embedding.components())].concat());
    }
    let bytes = Writer::file(lowered, plan, &pairs);
    Model::parse(&bytes)?;
    Ok(bytes)
}

/// Puts a threshold into a model's header and renews its fingerprint.
///
/// # Errors
/// Bytes that are not a valid model.
pub fn set_threshold(bytes: &mut AlignedBytes, threshold: &Threshold) -> Result<(), QuantizeError> {
    let mut header = *Model::parse(bytes)?.header();
    header.threshold = threshold.q15;
    header.fpir_ppm = threshold.fpir_ppm;
    header.gallery_identities = threshold.gallery_identities;
    seal(bytes, header);
    Ok(())
}

/// Writes the header with the fingerprint that belongs to it and to the bytes behind it.
fn seal(bytes: &mut [u8], mut header: Header) {
    bytes[..HEADER_BYTES].copy_from_slice(&header.encode());
    header.fingerprint = Model::digest(bytes);
    bytes[..HEADER_BYTES].copy_from_slice(&header.encode());
}

/// The file as it grows.
struct Writer {
    bytes: Vec<u8>,
}

/// Where the constants of a layer stand; a layer that is computed again has the same.
#[derive(Debug, Clone, Copy)]
struct Constants {
    weights: u32,
    weights_bytes: u32,
    biases: u32,
    multipliers: u32,
}

impl Constants {
    fn put_into(self, layer: Layer) -> Layer {
        let Self { weights: weights_offset, weights_bytes, biases, multipliers } = self;
        Layer { weights_offset, weights_bytes, biases_offset: biases, multipliers_offset: multipliers, ..layer }
    }
}

impl Writer {
    fn file(lowered: &Lowered, plan: &Plan, golden: &[Vec<u8>]) -> AlignedBytes {
        let mut writer = Self { bytes: vec![0; HEADER_BYTES] };
        let last = &lowered.tensors[lowered.tensors.len() - 1];
        // Its 16 bits go without saying.
        let raw = Tensor { arena_offset: OUTSIDE_ARENA, width: Width::Eight, ..last.record() };
        let tensors: Vec<Tensor> = plan.activations(lowered).into_iter().chain([raw]).collect();
        let tensors_offset = writer.array(&tensors.iter().flat_map(Tensor::encode).collect::<Vec<u8>>());
        let layers_offset = writer.array(&vec![0; plan.order.len() * LAYER_BYTES]);
        let preprocessing_offset = writer.array(&preprocessing());
        let mut constants = vec![None; lowered.layers.len()];
        for (index, (layer, &source)) in plan.layers(lowered).into_iter().zip(&plan.order).enumerate() {
            let places = *constants[source].get_or_insert_with(|| writer.constants(&lowered.layers[source]));
            let at = layers_offset as usize + index * LAYER_BYTES;
            writer.bytes[at..at + LAYER_BYTES].copy_from_slice(&places.put_into(layer).encode());
        }
        let golden_offset = writer.array(&golden.concat());
        let mut file = AlignedBytes::from(writer.bytes.as_slice());
        let (input, output) = (&lowered.tensors[0].shape, &last.shape);
        let header = Header {
            total_bytes: file.len() as u32,
            fingerprint: Fingerprint::default(),
            input_height: input.height,
            input_width: input.width,
            dimension: output.channels,
            tensor_count: tensors.len() as u16,
            layer_count: plan.order.len() as u16,
            arena_bytes: plan.bytes as u32,
            tensors_offset,
            layers_offset,
            preprocessing_offset,
            golden_offset,
            golden_count: golden.len() as u16,
            threshold: Threshold::NOBODY.q15,
            fpir_ppm: Threshold::NOBODY.fpir_ppm,
            gallery_identities: Threshold::NOBODY.gallery_identities,
            name: name(&lowered.name),
        };
        seal(&mut file, header);
        file
    }

    /// Appends the constants of a layer.
    fn constants(&mut self, lowered: &LoweredLayer) -> Constants {
        let has_filters = lowered.layer.kind.has_filters();
        let interleaved = has_filters.then(|| interleaved(&lowered.weights, lowered.biases.len()));
        let weights = interleaved.as_ref().unwrap_or(&lowered.weights);
        Constants {
            weights_bytes: weights.len() as u32,
            weights: self.array_if_any(bytemuck::cast_slice(weights)),
            biases: self.array_if_any(bytemuck::cast_slice(&lowered.biases)),
            multipliers: self.array_if_any(bytemuck::cast_slice(&lowered.multipliers)),
        }
    }

    /// Where [`Writer::array`] puts bytes; 0 where there are none.
    fn array_if_any(&mut self, bytes: &[u8]) -> u32 {
        if bytes.is_empty() { 0 } else { self.array(bytes) }
    }

    /// Appends bytes on the next boundary and says where.
    fn array(&mut self, bytes: &[u8]) -> u32 {
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGNMENT), 0);
        let offset = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        offset as u32
    }
}

/// Pixel value → int8, the same for red, green and blue.
fn preprocessing() -> Vec<u8> {
    let channel: Vec<i8> = (0..=255).map(|pixel| Quantization::PICTURE.quantize(pixel_value(pixel))).collect();
    bytemuck::cast_slice(&channel.repeat(3)).to_vec()
}

/// The name cut to its field between two characters.
fn name(name: &str) -> [u8; NAME_BYTES] {
    let mut field = [0; NAME_BYTES];
    let end = name.floor_char_boundary(NAME_BYTES);
    field[..end].copy_from_slice(&name.as_bytes()[..end]);
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_between_characters() {
        assert_eq!(&name("short")[..6], b"short\0");
        let long = name(&format!("{}é", "x".repeat(31)));
        assert_eq!(&long[..], [vec![b'x'; 31], vec![0]].concat());
    }
}
