//! A small network and pictures for tests of quantization, import and export.

use deja_firmware::embedder;
use deja_shared::model::Model;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::int8_engine::{Int8Engine, Scratch};
use crate::compute::int8::Int8Kernels;
use crate::network::builder::{Builder, Filter};
use crate::network::inverted_residual::InvertedResidual;
use crate::network::{Activation, Graph, MobileNetV2, Parameter, Pool, Role};

/// Height and width.
pub(crate) const INPUT: [usize; 2] = [64, 32];
/// Bytes of a picture.
pub(crate) const PICTURE: usize = INPUT[0] * INPUT[1] * 3;

/// A network whose batch norms do something.
pub(crate) fn network(seed: u64) -> Graph {
    awake(MobileNetV2 { width: 0.35, input: INPUT, embedding: 64, pool: Pool::Average }.build(seed), seed)
}

/// A network of eleven layers, for what would take long on [`network`] or drown in the noise of its depth.
pub(crate) fn shallow(seed: u64) -> Graph {
    let mut b = Builder::new(INPUT, seed);
    let from = b.convolution("stem", b.input(), 8, Filter { kernel: 3, stride: 2, padding: 1 });
    let mut from = b.norm_and_activation("stem", from, Some(Activation::Relu6));
    for (index, (channels, stride)) in [(8, 2), (16, 2), (16, 1)].into_iter().enumerate() {
        let block = InvertedResidual { expansion: 4, channels, kernel: 3, stride };
        from = block.add_to(&mut b, &format!("blocks.{index}"), from);
    }
    let last = b.pointwise("last", from, 48);
    let last = b.norm_and_activation("last", last, Some(Activation::Relu6));
    let pooled = b.global_average_pool("pool", last);
    let raw = b.fully_connected("head", pooled, 32);
    let embedding = b.batch_norm("neck", raw, Role::Statistic);
    awake(b.finish("shallow".into(), raw, embedding), seed)
}

/// `graph` with random batch norms, biases and slopes, as if it had been trained.
pub(crate) fn awake(mut graph: Graph, seed: u64) -> Graph {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let drawn = |parameter: &&mut Parameter| parameter.role != Role::Weight && !parameter.name.ends_with("exponent");
    for parameter in graph.parameters.iter_mut().filter(drawn) {
        let around_one = parameter.name.ends_with("gamma") || parameter.name.ends_with("variance");
        let (low, high) = if around_one { (0.5, 1.5) } else { (-0.3, 0.3) };
        parameter.values.iter_mut().for_each(|value| *value = random.random_range(low..high));
    }
    graph
}

/// Smooth coloured patterns.
pub(crate) fn pictures(count: usize, seed: u64) -> Vec<u8> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut pixels = vec![];
    for _ in 0..count {
        let waves: Vec<[f32; 4]> = (0..9).map(|_| std::array::from_fn(|_| random.random::<f32>())).collect();
        for position in 0..PICTURE / 3 {
            let (y, x) = ((position / INPUT[1]) as f32 / 10.0, (position % INPUT[1]) as f32 / 10.0);
            for channel in waves.chunks_exact(3) {
                let value: f32 =
                    channel.iter().map(|[a, b, c, d]| a * (b * 6.0 * x + c * 6.0 * y + d * 6.3).sin()).sum();
                pixels.push((127.5 + 60.0 * value + random.random_range(-8.0..8.0)).clamp(0.0, 255.0) as u8);
            }
        }
    }
    pixels
}

/// The engine's embeddings of `pixels` are those of the camera's own code, with every table of kernels.
pub(crate) fn assert_engine_agrees(model: &Model<'_>, pixels: &[u8]) {
    let mut arena = vec![0; model.header().arena_bytes as usize];
    for kernels in Int8Kernels::available() {
        let engine = Int8Engine::new(model, kernels);
        let mut scratch = Scratch::new(&engine);
        for picture in pixels.chunks_exact(PICTURE) {
            let expected = embedder::embed(model, picture, &mut arena);
            assert_eq!(engine.embed(model, picture, &mut scratch), expected, "{}", kernels.name);
        }
    }
}
