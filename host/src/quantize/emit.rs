//! Step 5: the bytes of the `.deja` file.

use deja_firmware::embedder::{self, EmbedError};
use deja_shared::model::{
    ALIGNMENT, Fingerprint, HEADER_BYTES, Header, LAYER_BYTES, Model, NAME_BYTES, OUTSIDE_ARENA, TENSOR_BYTES, Tensor,
};
use deja_shared::tensor::Width;

use super::QuantizeError;
use super::aligned_bytes::AlignedBytes;
use super::int8_model::arena;
use super::lower::{Lowered, LoweredLayer, LoweredTensor};
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

impl Writer {
    fn file(lowered: &Lowered, plan: &Plan, golden: &[Vec<u8>]) -> AlignedBytes {
        let mut writer = Self { bytes: vec![0; HEADER_BYTES] };
        let offsets = plan.offsets.iter().map(|&offset| offset as u32).chain([OUTSIDE_ARENA]);
        let mut tensors = lowered.tensors.clone();
        // Its 16 bits go without saying.
        tensors.iter_mut().skip(lowered.layers.len()).for_each(|raw| raw.quantization.width = Width::Eight);
        let tensors = tensors.iter().zip(offsets).flat_map(|(tensor, at)| record(tensor, at));
        let tensors_offset = writer.array(&tensors.collect::<Vec<u8>>());
        let layers_offset = writer.array(&vec![0; lowered.layers.len() * LAYER_BYTES]);
        let preprocessing_offset = writer.array(&preprocessing());
        for (index, layer) in lowered.layers.iter().enumerate() {
            let record = writer.layer(layer);
            let at = layers_offset as usize + index * LAYER_BYTES;
            writer.bytes[at..at + LAYER_BYTES].copy_from_slice(&record);
        }
        let golden_offset = writer.array(&golden.concat());
        let mut file = AlignedBytes::from(writer.bytes.as_slice());
        let (input, output) = (&lowered.tensors[0].shape, &lowered.tensors[lowered.tensors.len() - 1].shape);
        let header = Header {
            total_bytes: file.len() as u32,
            fingerprint: Fingerprint::default(),
            input_height: input.height,
            input_width: input.width,
            dimension: output.channels,
            tensor_count: lowered.tensors.len() as u16,
            layer_count: lowered.layers.len() as u16,
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

    /// Appends the constants of a layer; its record with their places.
    fn layer(&mut self, lowered: &LoweredLayer) -> [u8; LAYER_BYTES] {
        let mut layer = lowered.layer;
        let interleaved = layer.kind.has_filters().then(|| interleaved(&lowered.weights, lowered.biases.len()));
        let weights = interleaved.as_ref().unwrap_or(&lowered.weights);
        layer.weights_bytes = weights.len() as u32;
        layer.weights_offset = self.array_if_any(bytemuck::cast_slice(weights));
        layer.biases_offset = self.array_if_any(bytemuck::cast_slice(&lowered.biases));
        layer.multipliers_offset = self.array_if_any(bytemuck::cast_slice(&lowered.multipliers));
        layer.encode()
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

fn record(tensor: &LoweredTensor, arena_offset: u32) -> [u8; TENSOR_BYTES] {
    let Quantization { scale, zero_point, width } = tensor.quantization;
    Tensor { shape: tensor.shape, arena_offset, width, zero_point, scale, rows_kept: 0 }.encode()
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
