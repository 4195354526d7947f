//! A small `.deja` model made by hand, with every kind of layer; its parts can be spoiled before it is written.

use deja_firmware::embedder;
use deja_shared::model::{ALIGNMENT, HEADER_BYTES, Header, LAYER_BYTES, Layer, LayerKind, Model, NAME_BYTES};
use deja_shared::model::{TENSOR_BYTES, Tensor};
use deja_shared::tensor::Shape;

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
    /// Weights as they lie in the file.
    pub weights: Vec<i8>,
    /// The real value of one step of a weight, one an output channel.
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

impl DraftLayer {
    fn emit(&self, bytes: &mut Vec<u8>) -> Layer {
        let mut layer = self.layer;
        if layer.kind.has_weights() {
            layer.weights_bytes = self.weights.len() as u32;
            layer.weights_offset = append(bytes, self.weights.iter().map(|&weight| weight as u8));
            layer.biases_offset = append(bytes, self.biases.iter().flat_map(|bias| bias.to_le_bytes()));
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

/// Where the records of activations and layers end in a file of [`small`]: what stands before decides how it runs.
pub const RECORDS_END: usize = HEADER_BYTES + 7 * TENSOR_BYTES + 6 * LAYER_BYTES;

/// Convolution → depthwise → pointwise → add (of the last and the first result) → global average pool → fully
/// connected: a picture of 8×6 to 6 components, with scales, zero points and a residual connection as in earnest.
pub fn small() -> Draft {
    let mut noise = Noise(1);
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
    .map(|(height, width, channels, arena_offset, zero_point, scale)| Tensor {
        shape: Shape::new(height, width, channels),
        arena_offset,
        zero_point,
        scale,
    });
    let window = |kind, stride| Layer {
        kernel_height: 3,
        kernel_width: 3,
        stride,
        padding_top: 1,
        padding_left: 1,
        ..Layer::new(kind)
    };
    // An activation function's lower bound is the zero point.
    let layers = [
        (window(LayerKind::Convolution, 2), -128, 110),
        (window(LayerKind::Depthwise, 1), -100, 110),
        (Layer::new(LayerKind::Pointwise), -128, 127),
        (Layer { second_input: 1, ..Layer::new(LayerKind::Add) }, -128, 127),
        (Layer::new(LayerKind::GlobalAveragePool), -128, 127),
        (Layer::new(LayerKind::FullyConnected), 0, 0),
    ];
    let layers = (0..).zip(layers).map(|(index, (layer, low, high))| {
        let layer = Layer { input: index, output: index + 1, low, high, ..layer };
        quantized(layer, &tensors, &mut noise)
    });
    let layers = layers.collect();
    let preprocessing =
        (0..768).map(|i| (((i % 256) - 128) as f64 * (1.0 - f64::from(i / 256) * 0.05)) as i8).collect();
    let mut draft = Draft { header: header(), tensors: tensors.to_vec(), layers, preprocessing, golden: Vec::new() };
    draft.certify(&[2, 3].map(picture));
    draft
}

/// The same network with other weights, hence another fingerprint.
pub fn other() -> Draft {
    let mut draft = small();
    draft.layers[5].weights.reverse();
    draft.certify(&[2, 3].map(picture));
    draft
}

/// A picture of noise of the small model's input size.
pub fn picture(seed: u32) -> Vec<u8> {
    let mut noise = Noise(seed);
    (0..8 * 6 * 3).map(|_| (noise.next() >> 24) as u8).collect()
}

fn header() -> Header {
    let mut name = [0; NAME_BYTES];
    name[..5].copy_from_slice(b"small");
    Header {
        total_bytes: 0,
        fingerprint: [0; 32],
        input_height: 8,
        input_width: 6,
        dimension: 6,
        tensor_count: 0,
        layer_count: 0,
        arena_bytes: 336,
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

/// Gives a layer constants: random weights and biases, with multipliers and folded biases as a quantizer computes them.
fn quantized(mut layer: Layer, tensors: &[Tensor], noise: &mut Noise) -> DraftLayer {
    let (input, output) = (&tensors[usize::from(layer.input)], &tensors[usize::from(layer.output)]);
    let (from, to) = (f64::from(input.scale), f64::from(output.scale));
    let channels = if layer.kind.has_weights() { usize::from(output.shape.channels) } else { 0 };
    let window = usize::from(layer.kernel_height) * usize::from(layer.kernel_width);
    let fan_in = match layer.kind {
        LayerKind::Convolution => window * usize::from(input.shape.channels),
        LayerKind::Depthwise => window,
        _ => usize::from(input.shape.channels),
    };
    let weights: Vec<i8> = (0..channels * fan_in).map(|_| noise.within(127) as i8).collect();
    let weight_scales: Vec<f64> =
        (0..channels).map(|c| 0.004 * (1.0 + c as f64 / 8.0) / (fan_in as f64).sqrt()).collect();
    let real_biases: Vec<f64> = (0..channels).map(|_| f64::from(noise.within(100)) / 200.0).collect();
    let weight_sum = |c: usize| -> i32 {
        let at = |t| if layer.kind == LayerKind::Depthwise { t * channels + c } else { c * fan_in + t };
        (0..fan_in).map(|t| i32::from(weights[at(t)])).sum()
    };
    let fold = |c: usize| {
        (real_biases[c] / (from * weight_scales[c])).round() as i32 - i32::from(input.zero_point) * weight_sum(c)
    };
    let biases = (0..channels).map(fold).collect();
    let multipliers = weight_scales.iter().map(|scale| fixed(from * scale / to)).collect();
    match layer.kind {
        LayerKind::Add => {
            let second = &tensors[usize::from(layer.second_input)];
            let unit = from.max(f64::from(second.scale)) / 16_384.0;
            layer.multiplier_a = (from / unit).round() as i16;
            layer.multiplier_b = (f64::from(second.scale) / unit).round() as i16;
            layer.bias = -i32::from(input.zero_point) * i32::from(layer.multiplier_a)
                - i32::from(second.zero_point) * i32::from(layer.multiplier_b);
            layer.multiplier = fixed(unit / to);
        }
        LayerKind::GlobalAveragePool => {
            let positions = input.shape.positions();
            layer.bias = -i32::from(input.zero_point) * positions as i32;
            layer.multiplier = fixed(from / to / f64::from(positions));
        }
        _ => {}
    }
    DraftLayer { layer, weights, weight_scales, real_biases, biases, multipliers }
}

/// A scale as a requantizer's multiplier.
fn fixed(scale: f64) -> i32 {
    (scale * 4_294_967_296.0).round() as i32
}

/// A fixed sequence of numbers (Numerical Recipes' linear congruential generator).
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0
    }

    /// −limit..=limit
    fn within(&mut self, limit: i32) -> i32 {
        ((self.next() >> 8) % (2 * limit as u32 + 1)) as i32 - limit
    }
}
