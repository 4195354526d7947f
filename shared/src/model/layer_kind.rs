//! The operators that a camera has, with the formula and the constants of each.

/// Entries of a [`LayerKind::Lookup`]'s table: one for each int8 from −128 on.
pub const LOOKUP_ENTRIES: usize = 256;
/// Entries of a [`LayerKind::GeneralizedMeanPool`]'s table: 256 powers, one for each int8 from −128 on, and 255
/// thresholds. They are unsigned and have 64 bits.
pub const MEAN_ENTRIES: usize = 256 + 255;
/// Greatest power in such a table: the sum over `positions` then fits 64 bits.
pub const fn greatest_power(positions: u32) -> u64 {
    u64::MAX >> (u32::BITS - positions.leading_zeros())
}

/// Which operator a layer is, and how its constants lie.
///
/// `zp(x)` is an activation's zero point, `requantize` the rule of [`crate::quant::Requantizer::apply`], `round` that of
/// [`crate::quant::Requantizer::round`], and `scaled` is [`crate::quant::scaled`]. Where a kind has taps, one filter of
/// them an output channel, its weights lie as [`super::pairs`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerKind {
    /// Convolution, dense or in groups; taps `[kernel_height][kernel_width][in / groups]`.
    Convolution,
    /// One filter a channel; weights `[kernel_height][kernel_width][channel]`.
    Depthwise,
    /// 1×1 convolution; taps `[in]`.
    Pointwise,
    /// Matrix on a whole activation; taps `[height][width][in]`; the last layer and no other. Its result has
    /// 16 bits, the raw embedding: within [`crate::quant::INT16`], and not below 0 where the layer's `low` is not.
    FullyConnected,
    /// `requantize(a·multiplier_a + b·multiplier_b + bias)`, of two activations of one shape. Where one of the three has
    /// 16 bits: `round(scaled(a − zp(a), multiplier) + scaled(b − zp(b), second_multiplier))`.
    Add,
    /// `requantize(Σ x + bias)` over all positions.
    GlobalAveragePool,
    /// The greatest x under each position of a window; padding does not take part. Input and output are quantized alike.
    MaxPool,
    /// `−128 + #{t : t ≤ Σ power[x]}` over all positions: the root of the mean of powers, rounded once, by a table of
    /// [`MEAN_ENTRIES`] where its weights would stand. Powers are at most [`greatest_power`], thresholds t ascend.
    GeneralizedMeanPool,
    /// `table[x]`, any function of one variable; [`LOOKUP_ENTRIES`] bytes where its weights would stand.
    Lookup,
    /// `requantize((x − zp(x))·(g − zp(g)))`, with the second input g of one value a channel.
    ChannelScale,
    /// `round((x − zp(x))·(g − zp(g))·multiplier + scaled(a − zp(a), second_multiplier))`: the sum of the first input a
    /// and of the second input x scaled by the third input g.
    ChannelScaleAdd,
    /// `round((bias + Σ x·w)·multiplier + scaled(a − zp(a), second_multiplier))`: the sum of the first input a and of
    /// a 1×1 convolution of the second input x; taps `[in]`.
    PointwiseAdd,
    /// `round(scaled(x − zp, m))`, where m is `multiplier` if x ≥ zp, and else one a channel, of either sign.
    PRelu,
    /// The channels of the first input, then those of the second, each `round(scaled(x − zp(x), m))`; m is `multiplier`
    /// and `second_multiplier`.
    Concat,
    /// `x − zp` of all values, in 16 bits: the raw embedding of a network that does not end in a matrix.
    Widen,
}

impl LayerKind {
    /// Every kind, in the order of their codes in a record.
    pub const ALL: [Self; 15] = [
        Self::Convolution,
        Self::Depthwise,
        Self::Pointwise,
        Self::FullyConnected,
        Self::Add,
        Self::GlobalAveragePool,
        Self::MaxPool,
        Self::GeneralizedMeanPool,
        Self::Lookup,
        Self::ChannelScale,
        Self::ChannelScaleAdd,
        Self::PointwiseAdd,
        Self::PRelu,
        Self::Concat,
        Self::Widen,
    ];

    /// Whether there are weights, biases and one multiplier an output channel.
    pub const fn has_weights(self) -> bool {
        matches!(
            self,
            Self::Convolution | Self::Depthwise | Self::Pointwise | Self::FullyConnected | Self::PointwiseAdd
        )
    }

    /// Whether its weights are filters that lie as [`super::pairs`] says.
    pub const fn has_filters(self) -> bool {
        self.has_weights() && !matches!(self, Self::Depthwise)
    }

    /// How many activations it reads.
    pub const fn input_count(self) -> usize {
        match self {
            Self::Add | Self::ChannelScale | Self::PointwiseAdd | Self::Concat => 2,
            Self::ChannelScaleAdd => 3,
            _ => 1,
        }
    }

    /// Whether its result has the shape of its first input and may take that one's place in the arena, where both have
    /// values of one width.
    pub const fn is_in_place(self) -> bool {
        matches!(
            self,
            Self::Add | Self::Lookup | Self::ChannelScale | Self::ChannelScaleAdd | Self::PointwiseAdd | Self::PRelu
        )
    }

    /// Whether some rows of its result need only some rows of what it reads, so that it can be part of a chain.
    pub const fn is_by_rows(self) -> bool {
        !self.is_last() && !matches!(self, Self::GlobalAveragePool | Self::GeneralizedMeanPool)
    }

    /// Which of its inputs is a gate, of which it needs everything for each row.
    pub const fn gate(self) -> Option<usize> {
        match self {
            Self::ChannelScale => Some(1),
            Self::ChannelScaleAdd => Some(2),
            _ => None,
        }
    }

    /// Whether it makes the raw embedding: the last layer is of such a kind, and no other.
    pub const fn is_last(self) -> bool {
        matches!(self, Self::FullyConnected | Self::Widen)
    }

    /// Whether its input number `place` (0 is the first) may have 16 bits.
    pub const fn reads_16_bits(self, place: usize) -> bool {
        match self {
            Self::GeneralizedMeanPool | Self::Lookup => false,
            // Gates have 8.
            Self::ChannelScale => place == 0,
            Self::ChannelScaleAdd => place < 2,
            _ => true,
        }
    }

    /// Whether its result may have 16 bits in the arena.
    pub const fn writes_16_bits(self) -> bool {
        !self.is_last() && !matches!(self, Self::GeneralizedMeanPool | Self::Lookup)
    }

    /// The name in tables and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Convolution => "convolution",
            Self::Depthwise => "depthwise",
            Self::Pointwise => "pointwise",
            Self::FullyConnected => "fully_connected",
            Self::Add => "add",
            Self::GlobalAveragePool => "global_average_pool",
            Self::MaxPool => "max_pool",
            Self::GeneralizedMeanPool => "generalized_mean_pool",
            Self::Lookup => "lookup",
            Self::ChannelScale => "channel_scale",
            Self::ChannelScaleAdd => "channel_scale_add",
            Self::PointwiseAdd => "pointwise_add",
            Self::PRelu => "prelu",
            Self::Concat => "concat",
            Self::Widen => "widen",
        }
    }
}
