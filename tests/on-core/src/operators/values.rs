//! Operators that go through values one by one.

use deja_firmware::kernels::{self, Summand, reference, selected};
use deja_shared::quant::Requantizer;
use deja_shared::tensor::Shape;

use super::{Case, Kernels, draw_range, output, place, view};
use crate::memory::Memory;
use crate::random::Random;

#[derive(Debug)]
pub struct Add {
    pub len: usize,
    pub multipliers: [i16; 2],
    pub bias: i32,
    pub requantizer: Requantizer,
    pub offsets: [usize; 2],
}

#[derive(Debug)]
pub struct GlobalAveragePool {
    pub input: Shape,
    pub bias: i32,
    pub requantizer: Requantizer,
    pub offsets: [usize; 2],
}

#[derive(Debug)]
pub struct ChannelScale {
    pub positions: usize,
    pub channels: usize,
    pub zero_points: [i8; 2],
    pub requantizer: Requantizer,
    pub offsets: [usize; 2],
}

#[derive(Debug)]
pub struct ChannelScaleAdd {
    pub scale: ChannelScale,
    pub summand: Summand,
}

/// One as layers have it.
pub const REQUANTIZER: Requantizer = Requantizer { multiplier: 1 << 22, zero_point: -7, low: -128, high: 127 };

fn draw_requantizer(random: &mut Random) -> Requantizer {
    draw_range(random).requantizer(random.multiplier())
}

fn draw_offsets(random: &mut Random) -> [usize; 2] {
    [random.count(0, 3), random.count(0, 3)]
}

impl Case for Add {
    const NAME: &'static str = "add";

    fn draw(random: &mut Random) -> Self {
        let mut multiplier = || random.between(-32_768, 32_767) as i16;
        Self {
            multipliers: [multiplier(), multiplier()],
            len: random.count(1, 90),
            bias: random.between(-(1 << 24), 1 << 24),
            requantizer: draw_requantizer(random),
            offsets: draw_offsets(random),
        }
    }

    fn fill(&self, memory: &mut Memory, random: &mut Random) {
        random.fill(&mut memory.inputs[0], -128);
    }

    fn result_bytes(&self) -> usize {
        self.len
    }

    fn macs(&self) -> usize {
        self.len
    }

    fn run(&self, memory: &mut Memory, kernels: Kernels) {
        let kernel = if kernels == Kernels::Selected { selected::add } else { reference::add };
        kernel(kernels::Add {
            b: &memory.inputs[0][self.offsets[0]..][..self.len],
            multiplier_a: self.multipliers[0],
            multiplier_b: self.multipliers[1],
            bias: self.bias,
            requantizer: self.requantizer,
            values: &mut output(&mut memory.outputs, kernels)[place(self.offsets[1], self.len)],
        });
    }
}

impl Case for GlobalAveragePool {
    const NAME: &'static str = "global_average_pool";

    fn draw(random: &mut Random) -> Self {
        let most = if random.one_in(8) { 40 } else { 8 };
        Self {
            input: Shape::new(random.count(1, most) as u16, random.count(1, most) as u16, random.count(1, 40) as u16),
            bias: random.bias(),
            requantizer: draw_requantizer(random),
            offsets: draw_offsets(random),
        }
    }

    fn fill(&self, memory: &mut Memory, random: &mut Random) {
        random.fill(&mut memory.inputs[0], -128);
    }

    fn result_bytes(&self) -> usize {
        self.input.channels.into()
    }

    fn macs(&self) -> usize {
        self.input.len() as usize
    }

    fn run(&self, memory: &mut Memory, kernels: Kernels) {
        let is_selected = kernels == Kernels::Selected;
        let kernel = if is_selected { selected::global_average_pool } else { reference::global_average_pool };
        kernel(kernels::GlobalAveragePool {
            input: view(&memory.inputs[0], self.offsets[0], self.input),
            bias: self.bias,
            requantizer: self.requantizer,
            output: &mut output(&mut memory.outputs, kernels)[place(self.offsets[1], self.result_bytes())],
        });
    }
}

impl Case for ChannelScale {
    const NAME: &'static str = "channel_scale";

    fn draw(random: &mut Random) -> Self {
        Self {
            positions: random.count(1, 7),
            channels: random.count(1, 40),
            zero_points: [random.between(-128, 127) as i8, random.between(-128, 127) as i8],
            requantizer: draw_requantizer(random),
            offsets: draw_offsets(random),
        }
    }

    fn fill(&self, memory: &mut Memory, random: &mut Random) {
        memory.inputs.iter_mut().for_each(|input| random.fill(input, -128));
    }

    fn result_bytes(&self) -> usize {
        self.positions * self.channels
    }

    fn macs(&self) -> usize {
        self.result_bytes()
    }

    fn run(&self, memory: &mut Memory, kernels: Kernels) {
        let kernel = if kernels == Kernels::Selected { selected::channel_scale } else { reference::channel_scale };
        let values = &mut output(&mut memory.outputs, kernels)[place(self.offsets[1], self.result_bytes())];
        kernel(self.arguments(&memory.inputs[0], values));
    }
}

impl ChannelScale {
    fn arguments<'a>(&self, gate: &'a [i8], values: &'a mut [i8]) -> kernels::ChannelScale<'a> {
        kernels::ChannelScale {
            zero_point: self.zero_points[0],
            gate: &gate[self.offsets[0]..][..self.channels],
            gate_zero_point: self.zero_points[1],
            requantizer: self.requantizer,
            values,
        }
    }
}

impl Case for ChannelScaleAdd {
    const NAME: &'static str = "channel_scale_add";

    fn draw(random: &mut Random) -> Self {
        let scale = ChannelScale::draw(random);
        let multiplier = if random.one_in(4) { random.between(0, i32::MAX) } else { random.between(0, 1 << 25) };
        Self { scale, summand: Summand { zero_point: random.between(-128, 127) as i8, multiplier } }
    }

    fn fill(&self, memory: &mut Memory, random: &mut Random) {
        self.scale.fill(memory, random);
    }

    fn result_bytes(&self) -> usize {
        self.scale.result_bytes()
    }

    fn macs(&self) -> usize {
        self.scale.macs()
    }

    fn run(&self, memory: &mut Memory, kernels: Kernels) {
        let is_selected = kernels == Kernels::Selected;
        let kernel = if is_selected { selected::channel_scale_add } else { reference::channel_scale_add };
        let len = self.result_bytes();
        let values = &mut output(&mut memory.outputs, kernels)[place(self.scale.offsets[1], len)];
        kernel(kernels::ChannelScaleAdd {
            map: &memory.inputs[1][self.scale.offsets[0]..][..len],
            summand: self.summand,
            scale: self.scale.arguments(&memory.inputs[0], values),
        });
    }
}
