//! Small `.deja` models made by hand, whose parts can be spoiled before they are written.

use deja_firmware::embedder;
use deja_shared::model::{ALIGNMENT, HEADER_BYTES, Header, LAYER_BYTES, Layer, LayerKind, Model, NAME_BYTES};
use deja_shared::model::{TENSOR_BYTES, Tensor};
use deja_shared::tensor::{Shape, Width};

use crate::constants::{Noise, quantized};
use deja::compute::int8::interleaved;
use deja::quantize::AlignedBytes;

/// A model before it is written. Offsets, lengths and the fingerprint are set by [`Draft::emit`].
#[derive(Debug, Clone)]
pub struct Draft {
    /// Header fields.
    pub header: Header,
    /// Activations.
    pub tensors: Vec<Tensor>,
    /// Layers with their constants.
    pub layers: Vec<DraftLayer>,
    /// The pixel table, 3 × 256.
    pub preprocessing: Vec<i8>,
    /// Pictures with the components of their embeddings.
    pub golden: Vec<(Vec<u8>, Vec<i8>)>,
}

/// A layer with its constants.
#[derive(Debug, Clone)]
pub struct DraftLayer {
    /// The record.
    pub layer: Layer,
    /// Filters `[out][taps]`, depthwise weights or a table.
    pub weights: Vec<i8>,
    /// The real value of one step of a weight, one an output channel; the slopes of a PReLU.
    pub weight_scales: Vec<f64>,
    /// Biases in real values, one an output channel.
    pub real_biases: Vec<f64>,
    /// Biases with the zero point folded in.
    pub biases: Vec<i32>,
    /// Multipliers.
    pub multipliers: Vec<i32>,
}

impl Draft {
    /// Takes these pictures for golden ones, with the embeddings that they have.
    pub fn certify(&mut self, pictures: &[Vec<u8>]) {
        self.golden.clear();
        let file = self.emit();
        let model = Model::parse(&file).expect("the model is valid");
        let mut arena = vec![0; model.header().arena_bytes as usize];
        let embed = |picture: &Vec<u8>| {
            let embedding = embedder::embed(&model, picture, &mut arena).expect("the model sees noise");
            (picture.clone(), embedding.components().to_vec())
        };
        self.golden = pictures.iter().map(embed).collect();
    }

    /// The file: what the host's `emit` would write of it.
    pub fn emit(&self) -> AlignedBytes {
        let mut header = self.header;
        let mut bytes = vec![0; HEADER_BYTES];
        header.tensor_count = self.tensors.len() as u16;
        header.layer_count = self.layers.len() as u16;
        header.tensors_offset = append(&mut bytes, self.tensors.iter().flat_map(Tensor::encode));
        header.layers_offset = append(&mut bytes, std::iter::repeat_n(0, self.layers.len() * LAYER_BYTES));
        header.preprocessing_offset = append(&mut bytes, self.preprocessing.iter().map(|&value| value as u8));
        for (index, draft) in self.layers.iter().enumerate() {
            let start = header.layers_offset as usize + index * LAYER_BYTES;
            let record = draft.emit(&mut bytes).encode();
            bytes[start..start + LAYER_BYTES].copy_from_slice(&record);
        }
        let golden = self.golden.iter().flat_map(|(picture, embedding)| {
            picture.iter().copied().chain(embedding.iter().map(|&component| component as u8))
        });
        header.golden_offset = append(&mut bytes, golden);
        header.golden_count = self.golden.len() as u16;
        header.total_bytes = bytes.len() as u32;
        bytes[..HEADER_BYTES].copy_from_slice(&header.encode());
        seal(&mut bytes);
        AlignedBytes::from(&bytes[..])
    }
}

impl Draft {
    /// Where the records of activations and layers end in the file: what stands before decides how it runs.
    pub fn records_end(&self) -> usize {
        let layers = (HEADER_BYTES + self.tensors.len() * TENSOR_BYTES).next_multiple_of(ALIGNMENT);
        layers + self.layers.len() * LAYER_BYTES
    }

    /// Quantizes layers between `tensors`, each with its bounds, and computes golden pairs.
    fn of(name: &str, tensors: &[Tensor], layers: &[(Layer, i8, i8)], arena_bytes: u32) -> Self {
        let mut draft = Self::without_golden(name, tensors, layers, arena_bytes);
        draft.certify(&[2, 3].map(picture));
        draft
    }

    pub(crate) fn without_golden(name: &str, tensors: &[Tensor], layers: &[(Layer, i8, i8)], arena_bytes: u32) -> Self {
        let mut noise = Noise(1);
        let layers = (0..).zip(layers).map(|(output, &(layer, low, high))| {
            quantized(Layer { output: output + 1, low, high, ..layer }, tensors, &mut noise)
        });
        let layers = layers.collect();
        let preprocessing =
            (0..768).map(|i| (((i % 256) - 128) as f64 * (1.0 - f64::from(i / 256) * 0.05)) as i8).collect();
        let dimension = tensors[tensors.len() - 1].shape.channels;
        let header = header(name, dimension, arena_bytes);
        Self { header, tensors: tensors.to_vec(), layers, preprocessing, golden: Vec::new() }
    }
}

impl DraftLayer {
    /// Weights or table as they lie in the file.
    pub fn packed(&self) -> Vec<i8> {
        match self.layer.kind.has_filters() {
            true => interleaved(&self.weights, self.biases.len()),
            false => self.weights.clone(),
        }
    }

    fn emit(&self, bytes: &mut Vec<u8>) -> Layer {
        let mut layer = self.layer;
        let weights = self.packed();
        layer.weights_bytes = weights.len() as u32;
        if !weights.is_empty() {
            layer.weights_offset = append(bytes, weights.iter().map(|&weight| weight as u8));
        }
        if !self.biases.is_empty() {
            layer.biases_offset = append(bytes, self.biases.iter().flat_map(|bias| bias.to_le_bytes()));
        }
        if !self.multipliers.is_empty() {
            layer.multipliers_offset = append(bytes, self.multipliers.iter().flat_map(|m| m.to_le_bytes()));
        }
        layer
    }
}

/// Writes the fingerprint of a file that was changed, so that nothing but the change itself can be the reason to refuse
/// it. Does nothing to a file without a whole header.
pub fn seal(bytes: &mut [u8]) {
    let digest = Model::digest(bytes);
    if let Some(place) = bytes.get_mut(16..48) {
        place.copy_from_slice(&digest);
    }
}

fn append(bytes: &mut Vec<u8>, section: impl IntoIterator<Item = u8>) -> u32 {
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
    let offset = bytes.len() as u32;
    bytes.extend(section);
    offset
}

/// Convolution → depthwise → pointwise → add (of the last and the first result) → global average pool → fully
/// connected: a picture of 8×6 to 6 components, with scales, zero points and a residual connection as in earnest.
pub fn small() -> Draft {
    // height, width, channels, place, zero point, scale; the plan reuses what is no longer read.
    let tensors = [
        (8, 6, 3, 0, -4, 0.0157),
        (4, 3, 8, 144, -128, 0.0235),
        (4, 3, 8, 240, -100, 0.03),
        (4, 3, 8, 0, 11, 0.021),
        (4, 3, 8, 240, -20, 0.035),
        (1, 1, 8, 0, -9, 0.02),
        (1, 1, 6, 0, 0, 0.0004),
    ]
    .map(tensor);
    // An activation function's lower bound is the zero point.
    let layers = [
        (window(LayerKind::Convolution, 3, 2), -128, 110),
        (Layer { input: 1, ..window(LayerKind::Depthwise, 3, 1) }, -100, 110),
        (Layer { input: 2, ..Layer::new(LayerKind::Pointwise) }, -128, 127),
        (Layer { input: 3, second_input: 1, ..Layer::new(LayerKind::Add) }, -128, 127),
        (Layer { input: 4, ..Layer::new(LayerKind::GlobalAveragePool) }, -128, 127),
        (Layer { input: 5, ..Layer::new(LayerKind::FullyConnected) }, -128, 127),
    ];
    Draft::of("small", &tensors, &layers, 336)
}

/// The same network with other weights, hence another fingerprint.
pub fn other() -> Draft {
    let mut draft = small();
    draft.layers[5].weights.reverse();
    draft.certify(&[2, 3].map(picture));
    draft
}

/// The kinds of layers that [`small`] lacks: convolution → max pool → convolution in groups → PReLU → gate by global
/// average pool and table → scaled by it, twice added up → a pointwise layer of the pool added → concatenation with the
/// pool → generalized mean → widened; a picture of 8×6 to 16 components, in place wherever that is possible.
pub fn branched() -> Draft {
    let tensors = [
        (8, 6, 3, 0, -4, 0.0157),
        (8, 6, 8, 144, -30, 0.03),
        (4, 3, 8, 0, -30, 0.03),
        (4, 3, 8, 96, -9, 0.025),
        (4, 3, 8, 96, -60, 0.02),
        (1, 1, 8, 192, 5, 0.01),
        (1, 1, 8, 192, -128, 0.004),
        (4, 3, 8, 208, -50, 0.01),
        (4, 3, 8, 208, -40, 0.02),
        (4, 3, 8, 208, -10, 0.04),
        (4, 3, 16, 304, -20, 0.035),
        (1, 1, 16, 0, -100, 0.02),
        (1, 1, 16, 0, 0, 0.02),
    ]
    .map(tensor);
    let layer = |kind, [input, second_input, third_input]: [u16; 3]| Layer {
        input,
        second_input,
        third_input,
        ..Layer::new(kind)
    };
    let layers = [
        (window(LayerKind::Convolution, 3, 1), -128, 127),
        (Layer { input: 1, padding_top: 0, padding_left: 0, ..window(LayerKind::MaxPool, 2, 2) }, -128, 120),
        (Layer { input: 2, groups: 2, ..window(LayerKind::Convolution, 3, 1) }, -128, 127),
        (layer(LayerKind::PRelu, [3, 0, 0]), -128, 127),
        (layer(LayerKind::GlobalAveragePool, [4, 0, 0]), -128, 127),
        (layer(LayerKind::Lookup, [5, 0, 0]), -128, 127),
        (layer(LayerKind::ChannelScale, [4, 6, 0]), -128, 127),
        (layer(LayerKind::ChannelScaleAdd, [7, 4, 6]), -128, 127),
        (layer(LayerKind::PointwiseAdd, [8, 2, 0]), -10, 127),
        (layer(LayerKind::Concat, [9, 2, 0]), -128, 127),
        (layer(LayerKind::GeneralizedMeanPool, [10, 0, 0]), -128, 127),
        (layer(LayerKind::Widen, [11, 0, 0]), -128, 127),
    ];
    Draft::of("branched", &tensors, &layers, 528)
}

/// Every kind that can read or write 16 bits, from 8 to 16, from 16 to 16 and back: convolution → depthwise → pointwise → PReLU
/// → a gate of its mean → scaled by it, and another map too, added up → a pointwise layer added → an int8 and a wide map added
/// and concatenated → convolution in groups → mean → fully connected; a picture of 8×6 to 6 components.
pub fn wide() -> Draft {
    let eight = [
        (0, (8, 6, 3, 0, -4, 0.0157)),
        (6, (1, 1, 8, 16, 5, 0.01)),
        (9, (4, 3, 8, 0, -10, 0.02)),
        (12, (4, 3, 8, 528, 7, 0.03)),
        (14, (1, 1, 6, 0, 0, 0.0004)),
    ];
    let sixteen = [
        (1, (4, 3, 8, 144, 0, 1e-4)),
        (2, (4, 3, 8, 336, 0, 1e-4)),
        (3, (4, 3, 8, 528, 0, 1e-4)),
        (4, (4, 3, 8, 528, 0, 8e-5)),
        (5, (1, 1, 8, 0, 0, 5e-5)),
        (7, (4, 3, 8, 528, 0, 4e-5)),
        (8, (4, 3, 8, 528, 0, 1e-4)),
        (10, (4, 3, 8, 528, 0, 2e-4)),
        (11, (4, 3, 16, 144, 0, 2e-4)),
        (13, (1, 1, 8, 0, 0, 0.006)),
    ];
    let mut tensors: Vec<(usize, Tensor)> = eight.map(|(number, parts)| (number, tensor(parts))).to_vec();
    tensors.extend(sixteen.map(|(number, parts)| (number, Tensor { width: Width::Sixteen, ..tensor(parts) })));
    tensors.sort_by_key(|(number, _)| *number);
    let tensors: Vec<Tensor> = tensors.into_iter().map(|(_, tensor)| tensor).collect();
    let layer = |kind, [input, second_input, third_input]: [u16; 3]| Layer {
        input,
        second_input,
        third_input,
        ..Layer::new(kind)
    };
    let layers = [
        window(LayerKind::Convolution, 3, 2),
        Layer { input: 1, ..window(LayerKind::Depthwise, 3, 1) },
        layer(LayerKind::Pointwise, [2, 0, 0]),
        layer(LayerKind::PRelu, [3, 0, 0]),
        layer(LayerKind::GlobalAveragePool, [4, 0, 0]),
        layer(LayerKind::Pointwise, [5, 0, 0]),
        layer(LayerKind::ChannelScale, [4, 6, 0]),
        layer(LayerKind::ChannelScaleAdd, [7, 2, 6]),
        layer(LayerKind::PointwiseAdd, [8, 1, 0]),
        layer(LayerKind::Add, [9, 2, 0]),
        layer(LayerKind::Concat, [10, 9, 0]),
        Layer { input: 11, groups: 2, ..window(LayerKind::Convolution, 3, 1) },
        layer(LayerKind::GlobalAveragePool, [12, 0, 0]),
        layer(LayerKind::FullyConnected, [13, 0, 0]),
    ];
    let bounded = |(layer, output): (Layer, &Tensor)| match output.width {
        Width::Eight => (layer, -128, 127),
        Width::Sixteen => (Layer { wide_low: -32_767, wide_high: 20_000, ..layer }, 0, 0),
    };
    let layers: Vec<_> = layers.into_iter().zip(&tensors[1..]).map(bounded).collect();
    Draft::of("wide", &tensors, &layers, 720)
}

fn tensor((height, width, channels, arena_offset, zero_point, scale): (u16, u16, u16, u32, i8, f32)) -> Tensor {
    Tensor {
        shape: Shape::new(height, width, channels),
        arena_offset,
        width: Width::Eight,
        zero_point,
        scale,
        rows_kept: 0,
    }
}

fn window(kind: LayerKind, kernel: u8, stride: u8) -> Layer {
    Layer { kernel_height: kernel, kernel_width: kernel, stride, padding_top: 1, padding_left: 1, ..Layer::new(kind) }
}

/// A picture of noise of the small model's input size.
pub fn picture(seed: u32) -> Vec<u8> {
    let mut noise = Noise(seed);
    (0..8 * 6 * 3).map(|_| (noise.next() >> 24) as u8).collect()
}

fn header(text: &str, dimension: u16, arena_bytes: u32) -> Header {
    let mut name = [0; NAME_BYTES];
    name[..text.len()].copy_from_slice(text.as_bytes());
    Header {
        total_bytes: 0,
        fingerprint: [0; 32],
        input_height: 8,
        input_width: 6,
        dimension,
        tensor_count: 0,
        layer_count: 0,
        arena_bytes,
        tensors_offset: 0,
        layers_offset: 0,
        preprocessing_offset: 0,
        golden_offset: 0,
        golden_count: 0,
        threshold: 20_000,
        fpir_ppm: 10_000,
        gallery_identities: 12,
        name,
    }
}
