//! MobileNetV1 (Howard 2017) with a width multiplier, an embedding head and a bottleneck-normalization neck.

use super::builder::{Builder, Filter};
use super::mobilenet_v2::round_channels;
use super::pooling::Pool;
use super::{Activation, Graph, Role};

/// Channels at width 1 and stride of each pair of a depthwise and a pointwise convolution (Howard 2017, table 1).
const PAIRS: [(usize, usize); 13] = [
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (1024, 2),
    (1024, 1),
];

/// The network that benchmarks of microcontrollers know best; newer ones tell identities apart better for the same work.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MobileNetV1 {
    /// Multiplies every channel count, which is then rounded by [`round_channels`].
    pub width: f32,
    /// Height and width of the picture.
    pub input: [usize; 2],
    /// Components of the embedding.
    pub embedding: usize,
    /// What stands before the head.
    pub pool: Pool,
}

impl MobileNetV1 {
    /// The network with He-initialized weights drawn from `seed`; head and neck as in [`super::MobileNetV2::build`].
    pub fn build(&self, seed: u64) -> Graph {
        let mut b = Builder::new(self.input, seed);
        let channels = |at_one: usize| round_channels(at_one as f32 * self.width);
        let filter = |stride| Filter { kernel: 3, stride, padding: 1 };
        let from = b.convolution("stem", b.input(), channels(32), filter(2));
        let mut from = b.norm_and_activation("stem", from, Some(Activation::Relu6));
        for (index, (at_one, stride)) in PAIRS.into_iter().enumerate() {
            let name = format!("pairs.{index}.depthwise");
            from = b.depthwise(&name, from, filter(stride));
            from = b.norm_and_activation(&name, from, Some(Activation::Relu6));
            let name = format!("pairs.{index}.pointwise");
            from = b.pointwise(&name, from, channels(at_one));
            from = b.norm_and_activation(&name, from, Some(Activation::Relu6));
        }
        let pooled = self.pool.add_to(&mut b, "pool", from);
        let raw = b.fully_connected("head", pooled, self.embedding);
        let embedding = b.batch_norm("neck", raw, Role::Statistic);
        b.finish(format!("mobilenet_v1_{}", self.width), raw, embedding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_its_width_does_the_work_of_the_published_backbone() {
        let graph = MobileNetV1 { width: 0.25, input: [96, 96], embedding: 128, pool: Pool::Average }.build(0);
        let head = 256 * 128;
        assert_eq!(graph.macs() - head, 7_489_152);
    }
}
