//! OSNet (Zhou 2019): streams of several receptive fields, weighed against each other channel by channel.

use super::builder::{Builder, Filter};
use super::channel_gate::ChannelGate;
use super::pooling::Pool;
use super::{Activation, Graph, NodeId, Role};

/// Channels at width 1 of the stem and the three stages (Zhou 2019, table 1).
const CHANNELS: [usize; 4] = [64, 256, 384, 512];
/// Rows and columns that a picture needs: four layers halve it.
pub(super) const LEAST_EXTENT: usize = 16;
/// Streams of a block; stream k sees (2k + 1) × (2k + 1) values.
const STREAMS: usize = 4;
/// Channels of a block's inside, and of a gate's inside, as a part of what surrounds them.
const BOTTLENECK: usize = 4;
const GATE_REDUCTION: usize = 16;

/// As published but for the end, where an embedding head and a bottleneck-normalization neck stand for the paper's fully
/// connected layer of 512.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OsNet {
    /// Multiplies every channel count: 0.25, 0.5, 0.75 or 1 in the paper.
    pub width: f32,
    /// Height and width of the picture.
    pub input: [usize; 2],
    /// Components of the embedding.
    pub embedding: usize,
    /// What stands before the head.
    pub pool: Pool,
}

impl OsNet {
    /// The network with He-initialized weights drawn from `seed`.
    pub fn build(&self, seed: u64) -> Graph {
        let mut b = Builder::new(self.input, seed);
        let channels = CHANNELS.map(|channels| ((channels as f32 * self.width) as usize).max(BOTTLENECK));
        let from = b.input();
        let from = b.convolution("stem", from, channels[0], Filter { kernel: 7, stride: 2, padding: 3 });
        let from = b.norm_and_activation("stem", from, Some(Activation::Relu));
        let mut from = b.max_pool("stem.pool", from, Filter { kernel: 3, stride: 2, padding: 1 });
        for (stage, channels) in channels[1..].iter().enumerate() {
            if stage > 0 {
                from = b.average_pool(&format!("stages.{stage}.pool"), from, 2, 2);
            }
            for block in 0..2 {
                from = omni_scale(&mut b, &format!("stages.{stage}.{block}"), from, *channels);
            }
            from = pointwise(&mut b, &format!("stages.{stage}.last"), from, *channels, Some(Activation::Relu));
        }
        let pooled = self.pool.add_to(&mut b, "pool", from);
        let raw = b.fully_connected("head", pooled, self.embedding);
        let embedding = b.batch_norm("neck", raw, Role::Statistic);
        b.finish(format!("osnet_x{}", self.width), raw, embedding)
    }
}

/// Zhou 2019, fig. 4b: a bottleneck, 1 to 4 light convolutions side by side, their sum weighed by one gate (eq. 3), and
/// the input added (through a linear layer where its channels differ).
fn omni_scale(b: &mut Builder, name: &str, from: NodeId, channels: usize) -> NodeId {
    let inside = channels / BOTTLENECK;
    let reduced = pointwise(b, &format!("{name}.reduce"), from, inside, Some(Activation::Relu));
    let streams: Vec<NodeId> = (0..STREAMS)
        .map(|stream| {
            let light = |x, layer| light_convolution(b, &format!("{name}.streams.{stream}.{layer}"), x);
            (0..=stream).fold(reduced, light)
        })
        .collect();
    let gate = ChannelGate::new(b, &format!("{name}.gate"), inside, GATE_REDUCTION);
    let gates = streams.into_iter().enumerate();
    let pairs: Vec<_> = gates.map(|(k, x)| [x, gate.add_to(b, &format!("{name}.gates.{k}"), x)]).collect();
    let x = b.channel_scale(&format!("{name}.scale"), &pairs);
    let x = pointwise(b, &format!("{name}.expand"), x, channels, None);
    let identity = if b.shape(from).channels == channels {
        from
    } else {
        pointwise(b, &format!("{name}.shortcut"), from, channels, None)
    };
    let sum = b.add(&format!("{name}.add"), x, identity);
    b.activation(&format!("{name}.relu"), sum, Activation::Relu)
}

/// A pointwise layer, then a depthwise 3×3, then batch norm and ReLU (Zhou 2019, fig. 3b).
fn light_convolution(b: &mut Builder, name: &str, from: NodeId) -> NodeId {
    let x = b.pointwise(&format!("{name}.pointwise"), from, b.shape(from).channels);
    let x = b.depthwise(&format!("{name}.depthwise"), x, Filter { kernel: 3, stride: 1, padding: 1 });
    b.norm_and_activation(name, x, Some(Activation::Relu))
}

fn pointwise(b: &mut Builder, name: &str, from: NodeId, channels: usize, activation: Option<Activation>) -> NodeId {
    let x = b.pointwise(name, from, channels);
    b.norm_and_activation(name, x, activation)
}
