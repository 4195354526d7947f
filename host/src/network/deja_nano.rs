//! Déjà's own network for microcontrollers: inverted residuals in half of a small MobileNetV2's activation memory.

use super::builder::{Builder, Filter};
use super::inverted_residual::InvertedResidual;
use super::pooling::Pool;
use super::{Activation, Graph, Role};

/// The blocks behind the stem. At 128×64 they run at 32×16 (24 channels), 16×8 (40) and 8×4 (80).
const BLOCKS: [InvertedResidual; 8] = [
    block(2, 24, 3, 1),
    block(3, 40, 5, 2),
    block(3, 40, 3, 1),
    block(3, 40, 3, 1),
    block(3, 40, 5, 1),
    block(4, 80, 5, 2),
    block(3, 80, 5, 1),
    block(3, 80, 5, 1),
];

/// Channels of the last convolution.
const LAST: usize = 256;

const fn block(expansion: usize, channels: usize, kernel: usize, stride: usize) -> InvertedResidual {
    InvertedResidual { expansion, channels, kernel, stride }
}

/// Where it differs from MobileNetV2, and why:
///
/// * The first two layers are dense convolutions of stride 2. At full resolution an inverted residual needs the most
///   memory of the whole network for its widened map, and a dense filter does more for the same work (Tan 2021, §3.2).
/// * Expansion 2 at 32×16, 3 and 4 below, instead of 6: what a camera must hold at once is the widened map, twice.
/// * 5×5 depthwise filters in the deeper layers (Howard 2019, table 2), where they cost little and see the whole person.
/// * Most of the layers at 16×8 and 8×4, and a last convolution of 256 channels, because the embedding that follows is
///   short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DejaNano {
    /// Height and width of the picture.
    pub input: [usize; 2],
    /// Components of the embedding.
    pub embedding: usize,
    /// What stands before the head.
    pub pool: Pool,
}

impl DejaNano {
    /// The network with He-initialized weights drawn from `seed`; head and neck as in [`super::MobileNetV2::build`].
    pub fn build(&self, seed: u64) -> Graph {
        let mut b = Builder::new(self.input, seed);
        let mut from = b.input();
        for (name, channels) in [("stem.0", 16), ("stem.1", 24)] {
            from = b.convolution(name, from, channels, Filter { kernel: 3, stride: 2, padding: 1 });
            from = b.norm_and_activation(name, from, Some(Activation::Relu6));
        }
        for (index, block) in BLOCKS.into_iter().enumerate() {
            from = block.add_to(&mut b, &format!("blocks.{index}"), from);
        }
        let last = b.pointwise("last", from, LAST);
        let last = b.norm_and_activation("last", last, Some(Activation::Relu6));
        let pooled = self.pool.add_to(&mut b, "pool", last);
        let raw = b.fully_connected("head", pooled, self.embedding);
        let embedding = b.batch_norm("neck", raw, Role::Statistic);
        b.finish("deja_nano".into(), raw, embedding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Shape;
    use crate::progress::Silent;
    use crate::quantize::{Settings, compare, fixtures, quantize};

    #[test]
    fn it_keeps_within_its_budget_of_work_weights_and_memory() {
        let graph = DejaNano { input: [128, 64], embedding: 128, pool: Pool::Average }.build(0);
        let last = graph.nodes.iter().find(|node| node.name == "last").expect("the last convolution");
        assert_eq!(last.shape, Shape::new(8, 4, 256));
        assert!(graph.macs() < 15_000_000, "{} multiply-accumulates", graph.macs());
        let picture: Vec<u8> = (0..graph.input().len()).map(|index| (index * 37 % 251) as u8).collect();
        let quantized = quantize(&graph, &picture, &Settings::default(), &Silent).expect("only what the camera knows");
        let weights: usize = quantized.lowered.layers.iter().map(|layer| layer.weights.len()).sum();
        assert!(weights < 256_000, "{weights} bytes of weights");
        assert!(quantized.plan.bytes <= 64 << 10, "{} bytes of activations", quantized.plan.bytes);
    }

    #[test]
    fn int8_follows_float() {
        let graph =
            fixtures::awake(DejaNano { input: fixtures::INPUT, embedding: 64, pool: Pool::Average }.build(1), 1);
        let quantized = quantize(&graph, &fixtures::pictures(24, 2), &Settings::default(), &Silent).expect("a model");
        let fidelity = compare(&quantized, &fixtures::pictures(8, 3), &Silent).expect("a comparison");
        assert!(fidelity.mean_cosine > 0.99 && fidelity.least_cosine > 0.98, "{fidelity:#?}");
    }
}
