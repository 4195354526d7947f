//! The channel gate (Hu 2018, "squeeze and excitation"): a map's channels weighted by what the whole map shows.

use super::builder::Builder;
use super::{Activation, NodeId, Operator, ParameterId};

/// sigmoid(W₂·relu(W₁·mean + b₁) + b₂): one value in 0..1 a channel. The same gate may look at several maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelGate {
    squeezed: usize,
    reduce: [ParameterId; 2],
    expand: [ParameterId; 2],
}

impl ChannelGate {
    /// A gate for maps of `channels`, with `channels / reduction` (at least 1) values inside.
    pub fn new(b: &mut Builder, name: &str, channels: usize, reduction: usize) -> Self {
        let squeezed = (channels / reduction.max(1)).max(1);
        let reduce = b.matrix(&format!("{name}.reduce"), channels, squeezed);
        let expand = b.matrix(&format!("{name}.expand"), squeezed, channels);
        Self { squeezed, reduce, expand }
    }

    /// The gate's values for the map `from`, `[1, 1, channels]`.
    pub fn add_to(self, b: &mut Builder, name: &str, from: NodeId) -> NodeId {
        let channels = b.shape(from).channels;
        let x = b.global_average_pool(&format!("{name}.pool"), from);
        let x = b.fully_connected_with(&format!("{name}.reduce"), x, self.reduce, self.squeezed);
        let x = b.activation(&format!("{name}.relu"), x, Activation::Relu);
        let x = b.fully_connected_with(&format!("{name}.expand"), x, self.expand, channels);
        let shape = b.shape(x);
        b.node(&format!("{name}.sigmoid"), Operator::Sigmoid, &[x], shape)
    }
}

impl Builder {
    /// Σ gate·map over pairs of a map and its gate.
    ///
    /// # Panics
    /// If there is no pair.
    pub fn channel_scale(&mut self, name: &str, pairs: &[[NodeId; 2]]) -> NodeId {
        let shape = self.shape(pairs[0][0]);
        self.node(name, Operator::ChannelScale, pairs.as_flattened(), shape)
    }
}
