//! One layer of the network: which kernel runs on which activations with which constants.

use super::record::{array, put, u16_at, u32_at};
use super::{LayerKind, Span};
use crate::tensor::Shape;

/// Length of a layer's record.
pub const LAYER_BYTES: usize = 64;
/// Most products summed into one accumulator; with |bias| ≤ 2³⁰ the sum then fits 32 bits.
pub const MAX_FAN_IN: u32 = 65_535;

/// One layer. What does not apply to its kind is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer {
    /// The operator.
    pub kind: LayerKind,
    /// Number of the input activation.
    pub input: u16,
    /// Number of the second one, where the kind has two.
    pub second_input: u16,
    /// Number of the third one, where the kind has three.
    pub third_input: u16,
    /// Number of the activation that is written: one more than the layer's own number.
    pub output: u16,
    /// Rows of the window.
    pub kernel_height: u8,
    /// Columns of the window.
    pub kernel_width: u8,
    /// Step in both directions.
    pub stride: u8,
    /// Rows of padding above; below is what the output's height needs. Padding holds the input's zero point.
    pub padding_top: u8,
    /// Columns of padding on the left.
    pub padding_left: u8,
    /// Into how many equal groups a convolution's channels fall, each of which sees only its own; 1 is a dense one.
    pub groups: u16,
    /// Least result of 8 bits (the activation function's lower bound).
    pub low: i8,
    /// Greatest result of 8 bits.
    pub high: i8,
    /// Least result of 16 bits; 0 where the result has 8.
    pub wide_low: i16,
    /// Greatest result of 16 bits; 0 where the result has 8. No value that a layer reads exceeds what its writer says here.
    pub wide_high: i16,
    /// Where the weights or the table stand.
    pub weights_offset: u32,
    /// How many bytes of them.
    pub weights_bytes: u32,
    /// Where the biases stand.
    pub biases_offset: u32,
    /// Where the multipliers stand.
    pub multipliers_offset: u32,
    /// Factor of the first input ([`LayerKind::Add`]), 16 bits.
    pub multiplier_a: i16,
    /// Factor of the second input ([`LayerKind::Add`]), 16 bits.
    pub multiplier_b: i16,
    /// The one bias of a layer without weights.
    pub bias: i32,
    /// The one multiplier of a layer without weights.
    pub multiplier: i32,
    /// Multiplier of the summand ([`LayerKind::PointwiseAdd`], [`LayerKind::ChannelScaleAdd`]) or of the second input
    /// ([`LayerKind::Concat`]; [`LayerKind::Add`] where there are 16 bits).
    pub second_multiplier: i32,
    /// How many layers, from this one on, run together as a [`super::Chain`]; 0: this one is alone, or not the first.
    pub chain: u16,
    /// How many rows of the last one's result the chain that begins here computes at a time; 0 elsewhere.
    pub band: u16,
}

impl Layer {
    /// A layer of this kind with every other field zero, but one group where there are groups.
    pub const fn new(kind: LayerKind) -> Self {
        Self {
            kind,
            input: 0,
            second_input: 0,
            third_input: 0,
            output: 0,
            kernel_height: 0,
            kernel_width: 0,
            stride: 0,
            padding_top: 0,
            padding_left: 0,
            groups: matches!(kind, LayerKind::Convolution) as u16,
            low: 0,
            high: 0,
            wide_low: 0,
            wide_high: 0,
            weights_offset: 0,
            weights_bytes: 0,
            biases_offset: 0,
            multipliers_offset: 0,
            multiplier_a: 0,
            multiplier_b: 0,
            bias: 0,
            multiplier: 0,
            second_multiplier: 0,
            chain: 0,
            band: 0,
        }
    }

    /// The numbers of the activations that it reads.
    pub fn inputs(&self) -> impl Iterator<Item = u16> + use<> {
        [self.input, self.second_input, self.third_input].into_iter().take(self.kind.input_count())
    }

    /// The chain that begins with this layer, whose number is `index`.
    pub fn span(&self, index: u16) -> Span {
        Span { first: index, layers: self.chain, band: self.band }
    }

    /// The number of the activation to which a kind that has weights applies them.
    pub fn weighs(&self) -> u16 {
        if self.kind == LayerKind::PointwiseAdd { self.second_input } else { self.input }
    }

    /// Products summed into one accumulator of a kind that has weights, which it applies to `input`.
    pub fn fan_in(&self, input: Shape) -> u32 {
        let window = u32::from(self.kernel_height) * u32::from(self.kernel_width);
        match self.kind {
            LayerKind::Convolution => window.saturating_mul((input.channels / self.groups.max(1)).into()),
            LayerKind::Depthwise => window,
            LayerKind::FullyConnected => u32::try_from(input.len()).unwrap_or(u32::MAX),
            _ => input.channels.into(),
        }
    }

    pub(super) fn decode(record: [u8; LAYER_BYTES]) -> Self {
        // An unknown code was refused by `is_known`, which the check asks first.
        let kind = LayerKind::ALL.get(usize::from(record[0])).copied().unwrap_or(LayerKind::Add);
        Self {
            kind,
            input: u16_at(&record, 2),
            second_input: u16_at(&record, 4),
            third_input: u16_at(&record, 44),
            output: u16_at(&record, 6),
            kernel_height: record[8],
            kernel_width: record[9],
            stride: record[10],
            padding_top: record[11],
            padding_left: record[12],
            groups: u16_at(&record, 46),
            low: i8::from_le_bytes([record[14]]),
            high: i8::from_le_bytes([record[15]]),
            wide_low: i16::from_le_bytes(array(&record, 60)),
            wide_high: i16::from_le_bytes(array(&record, 62)),
            weights_offset: u32_at(&record, 16),
            weights_bytes: u32_at(&record, 20),
            biases_offset: u32_at(&record, 24),
            multipliers_offset: u32_at(&record, 28),
            multiplier_a: i16::from_le_bytes(array(&record, 32)),
            multiplier_b: i16::from_le_bytes(array(&record, 34)),
            bias: i32::from_le_bytes(array(&record, 36)),
            multiplier: i32::from_le_bytes(array(&record, 40)),
            second_multiplier: i32::from_le_bytes(array(&record, 48)),
            chain: u16_at(&record, 52),
            band: u16_at(&record, 54),
        }
    }

    /// Whether a record has a known kind and zeros where nothing is defined.
    pub(super) fn is_known(record: &[u8; LAYER_BYTES]) -> bool {
        let reserved = record[56..60].iter().chain([&record[1], &record[13]]);
        usize::from(record[0]) < LayerKind::ALL.len() && reserved.copied().all(|b| b == 0)
    }

    /// The record of this layer.
    pub fn encode(&self) -> [u8; LAYER_BYTES] {
        let mut record = [0; LAYER_BYTES];
        record[0] = LayerKind::ALL.iter().position(|&kind| kind == self.kind).unwrap_or_default() as u8;
        put(&mut record, 2, &self.input.to_le_bytes());
        put(&mut record, 4, &self.second_input.to_le_bytes());
        put(&mut record, 6, &self.output.to_le_bytes());
        put(&mut record, 8, &[self.kernel_height, self.kernel_width, self.stride, self.padding_top, self.padding_left]);
        put(&mut record, 14, &self.low.to_le_bytes());
        put(&mut record, 15, &self.high.to_le_bytes());
        put(&mut record, 16, &self.weights_offset.to_le_bytes());
        put(&mut record, 20, &self.weights_bytes.to_le_bytes());
        put(&mut record, 24, &self.biases_offset.to_le_bytes());
        put(&mut record, 28, &self.multipliers_offset.to_le_bytes());
        put(&mut record, 32, &self.multiplier_a.to_le_bytes());
        put(&mut record, 34, &self.multiplier_b.to_le_bytes());
        put(&mut record, 36, &self.bias.to_le_bytes());
        put(&mut record, 40, &self.multiplier.to_le_bytes());
        put(&mut record, 44, &self.third_input.to_le_bytes());
        put(&mut record, 46, &self.groups.to_le_bytes());
        put(&mut record, 48, &self.second_multiplier.to_le_bytes());
        put(&mut record, 52, &self.chain.to_le_bytes());
        put(&mut record, 54, &self.band.to_le_bytes());
        put(&mut record, 60, &self.wide_low.to_le_bytes());
        put(&mut record, 62, &self.wide_high.to_le_bytes());
        record
    }
}
