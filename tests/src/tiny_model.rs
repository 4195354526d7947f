//! Small models with arbitrary weights, written field by field: for tests that need some model and no training.

use deja_shared::model::{
    ALIGNMENT, Fingerprint, HEADER_BYTES, Header, LAYER_BYTES, Layer, LayerKind, Model, NAME_BYTES, OUTSIDE_ARENA,
    TENSOR_BYTES, Tensor,
};
use deja_shared::tensor::Shape;
use sha2::{Digest, Sha256};

/// Which model to write: a pointwise layer, the mean over all positions, a matrix.
#[derive(Debug, Clone, Copy)]
pub struct TinyModel {
    /// Rows of a picture.
    pub height: u16,
    /// Columns of a picture.
    pub width: u16,
    /// Channels after the pointwise layer.
    pub channels: u16,
    /// Components of an embedding.
    pub dimension: u16,
    /// Chooses the weights.
    pub seed: u64,
}

impl TinyModel {
    /// 8×4 pixels, 32 channels, 16 components; 2 KB.
    pub fn small(seed: u64) -> Self {
        Self { height: 8, width: 4, channels: 32, dimension: 16, seed }
    }

    /// The file.
    pub fn write(&self) -> Vec<u8> {
        let mut file = File { bytes: vec![0; HEADER_BYTES], random: self.seed };
        let pixels = Shape::new(self.height, self.width, 3);
        let wide = Shape::new(self.height, self.width, self.channels);
        let (pooled, raw) = (Shape::new(1, 1, self.channels), Shape::new(1, 1, self.dimension));
        let places = [0, aligned(pixels.len()), 0, OUTSIDE_ARENA];
        let tensors = [pixels, wide, pooled, raw].into_iter().zip(places);
        let tensors_offset = file.append(
            tensors
                .flat_map(|(shape, arena_offset)| Tensor { shape, arena_offset, zero_point: 0, scale: 1.0 }.encode()),
        );
        let layers_offset = file.append([0; 3 * LAYER_BYTES]);
        let preprocessing_offset = file.append((0..3).flat_map(|_| (0..=255u8).map(|pixel| pixel ^ 0x80)));
        let layers = [
            file.matrix(Layer { output: 1, ..Layer::new(LayerKind::Pointwise) }, 3, self.channels, 1 << 28),
            mean(wide),
            file.matrix(
                Layer { input: 2, output: 3, ..Layer::new(LayerKind::FullyConnected) },
                self.channels,
                self.dimension,
                1 << 31,
            ),
        ];
        let records: Vec<u8> = layers.iter().flat_map(Layer::encode).collect();
        file.bytes[layers_offset as usize..][..records.len()].copy_from_slice(&records);
        let golden_offset = file.append([]);
        let header = Header {
            total_bytes: file.bytes.len() as u32,
            fingerprint: Fingerprint::default(),
            input_height: self.height,
            input_width: self.width,
            dimension: self.dimension,
            tensor_count: 4,
            layer_count: 3,
            arena_bytes: places[1] + aligned(wide.len()),
            tensors_offset,
            layers_offset,
            preprocessing_offset,
            golden_offset,
            golden_count: 0,
            threshold: 20_000,
            fpir_ppm: 10_000,
            gallery_identities: 10,
            name: name("tiny"),
        };
        file.bytes[..HEADER_BYTES].copy_from_slice(&header.encode());
        let fingerprint = Model::digest(&file.bytes);
        file.bytes[..HEADER_BYTES].copy_from_slice(&Header { fingerprint, ..header }.encode());
        file.bytes
    }
}

/// SHA-256 of a whole file, as it is announced on the link.
pub fn sha256(file: &[u8]) -> [u8; 32] {
    Sha256::digest(file).into()
}

fn mean(input: Shape) -> Layer {
    let multiplier = ((1u64 << 32) / u64::from(input.positions())) as i32;
    Layer { input: 1, output: 2, low: -128, high: 127, multiplier, ..Layer::new(LayerKind::GlobalAveragePool) }
}

fn name(text: &str) -> [u8; NAME_BYTES] {
    let mut name = [0; NAME_BYTES];
    name[..text.len()].copy_from_slice(text.as_bytes());
    name
}

fn aligned(bytes: u64) -> u32 {
    (bytes as usize).next_multiple_of(ALIGNMENT) as u32
}

/// A file that grows, with a source of arbitrary weights.
struct File {
    bytes: Vec<u8>,
    random: u64,
}

impl File {
    /// Appends an array on the next boundary; gives where it begins.
    fn append(&mut self, array: impl IntoIterator<Item = u8>) -> u32 {
        let start = self.bytes.len();
        self.bytes.extend(array);
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGNMENT), 0);
        start as u32
    }

    fn matrix(&mut self, layer: Layer, inputs: u16, outputs: u16, multiplier: u32) -> Layer {
        let weights_bytes = u32::from(inputs) * u32::from(outputs);
        let weights: Vec<u8> = (0..weights_bytes).map(|_| (self.next() % 255) as u8 ^ 0x80).collect();
        let weights: Vec<u8> = weights.into_iter().map(|weight| weight.max(1)).collect();
        let biases: Vec<u8> = (0..outputs).flat_map(|_| (self.next() as i32 % 1000).to_le_bytes()).collect();
        // A bit less than a whole power, so that it fits the signed field.
        let multiplier = (multiplier - 1).min(i32::MAX as u32);
        Layer {
            low: -128,
            high: 127,
            weights_offset: self.append(weights),
            weights_bytes,
            biases_offset: self.append(biases),
            multipliers_offset: self.append((0..outputs).flat_map(|_| multiplier.to_le_bytes())),
            ..layer
        }
    }

    fn next(&mut self) -> u32 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) as u32
    }
}

const _: () = assert!(TENSOR_BYTES.is_multiple_of(ALIGNMENT) && LAYER_BYTES.is_multiple_of(ALIGNMENT));
