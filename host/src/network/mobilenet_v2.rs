//! MobileNetV2 (Sandler 2018) with a width multiplier, an embedding head and a bottleneck-normalization neck.

use super::builder::{Builder, Filter};
use super::inverted_residual::InvertedResidual;
use super::pooling::Pool;
use super::{Activation, Graph, Role};

/// Expansion, channels at width 1, repetitions, stride of the first (Sandler 2018, table 2).
const STAGES: [(usize, usize, usize, usize); 7] =
    [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 1), (6, 320, 1, 1)];

/// Two differences to the paper, both usual in re-identification on small pictures: the stage of 160 channels keeps
/// its resolution (stride 1), and the last convolution is narrow (320 channels up to width 1, 320 · width above, instead
/// of 1280), because the head that follows projects to an embedding and not to a thousand classes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MobileNetV2 {
    /// Multiplies every channel count, which is then rounded by [`round_channels`].
    pub width: f32,
    /// Height and width of the picture.
    pub input: [usize; 2],
    /// Components of the embedding.
    pub embedding: usize,
    /// What stands before the head.
    pub pool: Pool,
}

impl MobileNetV2 {
    /// The network with He-initialized weights drawn from `seed`.
    ///
    /// Picture → stem → inverted residuals → last convolution → global average pool → fully connected
    /// (`raw_embedding`) → batch norm (`embedding`). The neck's β stays 0, so the ID loss sees centred embeddings
    /// (Luo 2019, "bag of tricks", §3.5).
    pub fn build(&self, seed: u64) -> Graph {
        let mut b = Builder::new(self.input, seed);
        let stem = round_channels(32.0 * self.width);
        let filter = Filter { kernel: 3, stride: 2, padding: 1 };
        let from = b.input();
        let from = b.convolution("stem", from, stem, filter);
        let mut from = b.norm_and_activation("stem", from, Some(Activation::Relu6));
        let mut block = 0;
        for (expansion, channels, repeats, stride) in STAGES {
            for repeat in 0..repeats {
                let stride = if repeat == 0 { stride } else { 1 };
                let name = format!("blocks.{block}");
                let channels = round_channels(channels as f32 * self.width);
                let residual = InvertedResidual { expansion, channels, kernel: 3, stride };
                from = residual.add_to(&mut b, &name, from);
                block += 1;
            }
        }
        let last = b.pointwise("last", from, round_channels(320.0 * self.width.max(1.0)));
        let last = b.norm_and_activation("last", last, Some(Activation::Relu6));
        let pooled = self.pool.add_to(&mut b, "pool", last);
        let raw = b.fully_connected("head", pooled, self.embedding);
        let embedding = b.batch_norm("neck", raw, Role::Statistic);
        b.finish(format!("mobilenet_v2_{}", self.width), raw, embedding)
    }
}

/// The nearest multiple of 8, at least 8, and never below 90 % of `channels` (torchvision's `_make_divisible`).
pub fn round_channels(channels: f32) -> usize {
    let rounded = (((channels + 4.0) as usize) / 8 * 8).max(8);
    if (rounded as f32) < 0.9 * channels { rounded + 8 } else { rounded }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Operator, Shape};

    #[test]
    fn channels_round_as_torchvision_rounds_them() {
        let widths = [16, 24, 32, 64, 96, 160, 320].map(|channels| round_channels(channels as f32 * 0.35));
        assert_eq!(widths, [8, 8, 16, 24, 32, 56, 112]);
    }

    #[test]
    fn width_035_has_the_layers_of_the_benchmark() {
        let graph = MobileNetV2 { width: 0.35, input: [128, 64], embedding: 128, pool: Pool::Average }.build(0);
        let last = graph.nodes.iter().find(|node| node.name == "last").expect("the last convolution");
        assert_eq!(last.shape, Shape::new(8, 4, 320));
        let adds = graph.nodes.iter().filter(|node| node.operator == Operator::Add).count();
        let depthwise = graph.nodes.iter().filter(|node| matches!(node.operator, Operator::Depthwise { .. })).count();
        assert_eq!((adds, depthwise), (10, 17));
        assert_eq!((graph.dimension(), graph.input()), (128, Shape::new(128, 64, 3)));
    }

    #[test]
    fn the_seed_decides_the_weights() {
        let network = MobileNetV2 { width: 0.35, input: [32, 32], embedding: 16, pool: Pool::Average };
        assert_eq!(network.build(7), network.build(7));
        assert_ne!(network.build(7), network.build(8));
    }
}
