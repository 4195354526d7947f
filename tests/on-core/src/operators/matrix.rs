//! Operators that apply a matrix.

use deja_firmware::kernels::{self, OutputRange, Summand, reference, selected};
use deja_shared::model::pairs;
use deja_shared::tensor::Shape;

use super::windowed::clear_padding;
use super::{Case, Kernels, draw_range, output, place, view, view_mut};
use crate::memory::{Memory, parameters};
use crate::random::Random;

#[derive(Debug)]
pub struct Pointwise {
    pub input: Shape,
    pub outputs: u16,
    pub range: OutputRange,
    pub offsets: [usize; 2],
}

#[derive(Debug)]
pub struct PointwiseAdd {
    pub matrix: Pointwise,
    pub summand: Summand,
}

#[derive(Debug)]
pub struct FullyConnected {
    pub inputs: usize,
    pub outputs: usize,
    pub low: i32,
    pub offset: usize,
}

impl Pointwise {
    /// A layer as networks have it.
    pub fn layer(input: [u16; 3], outputs: u16) -> Self {
        let range = OutputRange { zero_point: -7, low: -128, high: 127 };
        Self { input: Shape::new(input[0], input[1], input[2]), outputs, range, offsets: [0; 2] }
    }

    fn output(&self) -> Shape {
        Shape { channels: self.outputs, ..self.input }
    }

    fn weights(&self) -> usize {
        pairs::bytes(self.outputs.into(), self.input.channels.into())
    }
}

fn constants(memory: &mut Memory, random: &mut Random, outputs: usize, fan_in: usize) {
    memory.draw_constants(random, pairs::bytes(outputs, fan_in), outputs);
    clear_padding(&mut memory.weights[memory.first_weight..], outputs, fan_in);
    random.fill(&mut memory.inputs[0], -128);
}

impl Case for Pointwise {
    const NAME: &'static str = "pointwise";

    fn draw(random: &mut Random) -> Self {
        let mut channels = || {
            let most = [8, 20, 80, 300][random.count(0, 3)];
            let any = random.count(1, most);
            if random.one_in(2) { any.next_multiple_of(4) } else { any }
        };
        let (fan_in, outputs) = (channels() as u16, channels() as u16);
        Self {
            input: Shape::new(random.count(1, 4) as u16, random.count(1, 5) as u16, fan_in),
            outputs,
            range: draw_range(random),
            offsets: [random.count(0, 3), random.count(0, 3)],
        }
    }

    fn fill(&self, memory: &mut Memory, random: &mut Random) {
        constants(memory, random, self.outputs.into(), self.input.channels.into());
    }

    fn result_bytes(&self) -> usize {
        self.output().len() as usize
    }

    fn macs(&self) -> usize {
        self.result_bytes() * usize::from(self.input.channels)
    }

    fn run(&self, memory: &mut Memory, kernels: Kernels) {
        let kernel = if kernels == Kernels::Selected { selected::pointwise } else { reference::pointwise };
        let outputs = usize::from(self.outputs);
        kernel(kernels::Pointwise {
            input: view(&memory.inputs[0], self.offsets[0], self.input),
            parameters: parameters(
                &memory.weights[memory.first_weight..][..self.weights()],
                &memory.biases[..outputs],
                &memory.multipliers[..outputs],
            ),
            range: self.range,
            output: view_mut(output(&mut memory.outputs, kernels), self.offsets[1], self.output()),
        });
    }
}

impl Case for PointwiseAdd {
    const NAME: &'static str = "pointwise_add";

    fn draw(random: &mut Random) -> Self {
        let matrix = Pointwise::draw(random);
        let multiplier = if random.one_in(4) { random.between(0, i32::MAX) } else { random.between(0, 1 << 25) };
        Self { matrix, summand: Summand { zero_point: random.between(-128, 127) as i8, multiplier } }
    }

    fn fill(&self, memory: &mut Memory, random: &mut Random) {
        self.matrix.fill(memory, random);
    }

    fn result_bytes(&self) -> usize {
        self.matrix.result_bytes()
    }

    fn macs(&self) -> usize {
        self.matrix.macs()
    }

    fn run(&self, memory: &mut Memory, kernels: Kernels) {
        let kernel = if kernels == Kernels::Selected { selected::pointwise_add } else { reference::pointwise_add };
        let Pointwise { input, range, offsets, .. } = self.matrix;
        let outputs = usize::from(self.matrix.outputs);
        kernel(kernels::PointwiseAdd {
            input: view(&memory.inputs[0], offsets[0], input),
            parameters: parameters(
                &memory.weights[memory.first_weight..][..self.matrix.weights()],
                &memory.biases[..outputs],
                &memory.multipliers[..outputs],
            ),
            summand: self.summand,
            range,
            values: &mut output(&mut memory.outputs, kernels)[place(offsets[1], self.result_bytes())],
        });
    }
}

impl FullyConnected {
    /// A layer as networks have it.
    pub fn layer(inputs: usize, outputs: usize) -> Self {
        Self { inputs, outputs, low: -32_767, offset: 0 }
    }
}

impl Case for FullyConnected {
    const NAME: &'static str = "fully_connected";

    fn draw(random: &mut Random) -> Self {
        let most = [8, 80, 300][random.count(0, 2)];
        let (inputs, outputs) = (random.count(1, most), random.count(1, 256));
        let low = if random.one_in(2) { 0 } else { -32_767 };
        Self { inputs, outputs, low, offset: random.count(0, 3) }
    }

    fn fill(&self, memory: &mut Memory, random: &mut Random) {
        constants(memory, random, self.outputs, self.inputs);
    }

    fn result_bytes(&self) -> usize {
        2 * self.outputs
    }

    fn macs(&self) -> usize {
        self.inputs * self.outputs
    }

    fn run(&self, memory: &mut Memory, kernels: Kernels) {
        let kernel = if kernels == Kernels::Selected { selected::fully_connected } else { reference::fully_connected };
        let mut raw = [0; 256];
        kernel(kernels::FullyConnected {
            input: &memory.inputs[0][self.offset..][..self.inputs],
            parameters: parameters(
                &memory.weights[memory.first_weight..][..pairs::bytes(self.outputs, self.inputs)],
                &memory.biases[..self.outputs],
                &memory.multipliers[..self.outputs],
            ),
            low: self.low,
            output: &mut raw[..self.outputs],
        });
        let bytes = &mut output(&mut memory.outputs, kernels)[place(0, self.result_bytes())];
        for (bytes, value) in bytes.chunks_exact_mut(2).zip(raw) {
            let [low, high] = value.to_le_bytes();
            (bytes[0], bytes[1]) = (low as i8, high as i8);
        }
    }
}
