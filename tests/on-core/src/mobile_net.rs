//! All layers of MobileNetV1 at a quarter of its channels (Howard et al. 2017, table 1), at 96×96×3, up to the pooling.

use deja_shared::tensor::Shape;

use crate::counter::Counter;
use crate::memory::Memory;
use crate::operators::{Case, Convolution, Depthwise, GlobalAveragePool, Kernels, Pointwise, REQUANTIZER, Windowed};
use crate::random::Random;

/// Output channels and stride of the depthwise-separable pairs behind the first convolution.
const PAIRS: [(u16, u8); 13] = [
    (16, 1),
    (32, 2),
    (32, 1),
    (64, 2),
    (64, 1),
    (128, 2),
    (128, 1),
    (128, 1),
    (128, 1),
    (128, 1),
    (128, 1),
    (256, 2),
    (256, 1),
];

/// Multiply-accumulates (of convolutions) and instructions (of everything).
pub fn count(memory: &mut Memory, counter: &Counter) -> (usize, u32) {
    let mut total = Total { memory, counter, macs: 0, instructions: 0 };
    let stem = Windowed::layer([96, 96, 3], 8, 3, 2);
    total.add(&Convolution(stem));
    let mut shape = stem.output;
    for (outputs, stride) in PAIRS {
        let depthwise = Windowed::layer([shape.height, shape.width, shape.channels], shape.channels, 3, stride);
        total.add(&Depthwise(depthwise));
        let Shape { height, width, channels } = depthwise.output;
        total.add(&Pointwise::layer([height, width, channels], outputs));
        shape = Shape { channels: outputs, ..depthwise.output };
    }
    let macs = total.macs;
    total.add(&GlobalAveragePool { input: shape, bias: 0, requantizer: REQUANTIZER, offsets: [0; 2] });
    (macs, total.instructions)
}

struct Total<'a> {
    memory: &'a mut Memory,
    counter: &'a Counter,
    macs: usize,
    instructions: u32,
}

impl Total<'_> {
    fn add<C: Case>(&mut self, case: &C) {
        case.fill(self.memory, &mut Random::new(1));
        self.macs += case.macs();
        self.instructions += self.counter.instructions(|| case.run(self.memory, Kernels::Selected));
    }
}
