//! Operators that slide a window.

use deja_firmware::kernels::{self, OutputRange, Window, reference, selected};
use deja_shared::model::pairs;
use deja_shared::tensor::Shape;

use super::{Case, Kernels, draw_range, output, view, view_mut};
use crate::memory::{Memory, parameters};
use crate::random::Random;

/// What the three have in common.
#[derive(Debug, Clone, Copy)]
pub struct Windowed {
    pub input: Shape,
    pub output: Shape,
    pub window: Window,
    pub groups: u16,
    pub zero_point: i8,
    pub range: OutputRange,
    /// Bytes from a boundary at which input and output begin.
    pub offsets: [usize; 2],
}

impl Windowed {
    /// A layer as networks have it: padding all round that keeps the extents but for the stride.
    pub fn layer(input: [u16; 3], outputs: u16, kernel: u8, stride: u8) -> Self {
        let [height, width, channels] = input;
        let padding = kernel / 2;
        let extent = |input: u16| (input + 2 * u16::from(padding) - u16::from(kernel)) / u16::from(stride) + 1;
        Self {
            input: Shape::new(height, width, channels),
            output: Shape::new(extent(height), extent(width), outputs),
            window: Window {
                kernel_height: kernel,
                kernel_width: kernel,
                stride,
                padding_top: padding,
                padding_left: padding,
            },
            groups: 1,
            zero_point: -5,
            range: OutputRange { zero_point: -7, low: -128, high: 127 },
            offsets: [0; 2],
        }
    }

    fn draw(random: &mut Random, channels: (usize, usize)) -> Self {
        let square = random.one_in(2);
        let side = [1, 2, 3, 3, 3, 5, 5, 7][random.count(0, 7)];
        let sides = if square { [side; 2] } else { [side, random.count(1, 5) as u8] };
        let stride = random.between(1, 3) as u8;
        let padding = sides.map(|side| random.between(0, i32::from(side) - 1) as u8);
        let input = [random.count(1, 13) as u16, random.count(1, 13) as u16];
        let most = |axis: usize| (input[axis] + u16::from(padding[axis]) - 1) / u16::from(stride) + 1;
        let mut extent = |axis: usize| {
            let most = usize::from(most(axis));
            if random.one_in(2) { most } else { random.count(1, most) }
        };
        let extents = [extent(0) as u16, extent(1) as u16];
        let channels = random.count(channels.0, channels.1) as u16;
        Self {
            input: Shape::new(input[0], input[1], channels),
            output: Shape::new(extents[0], extents[1], channels),
            window: Window {
                kernel_height: sides[0],
                kernel_width: sides[1],
                stride,
                padding_top: padding[0],
                padding_left: padding[1],
            },
            groups: 1,
            zero_point: random.between(-128, 127) as i8,
            range: draw_range(random),
            offsets: [random.count(0, 3), random.count(0, 3)],
        }
    }

    fn taps(&self) -> usize {
        usize::from(self.window.kernel_height) * usize::from(self.window.kernel_width)
    }

    fn fan_in(&self) -> usize {
        self.taps() * usize::from(self.input.channels / self.groups)
    }

    fn fill(&self, memory: &mut Memory, random: &mut Random, weights: usize) {
        memory.draw_constants(random, weights, self.output.channels.into());
        random.fill(&mut memory.inputs[0], -128);
    }

    fn run(&self, memory: &mut Memory, kernels: Kernels, weights: usize, kernel: fn(kernels::Windowed<'_>)) {
        let channels = usize::from(self.output.channels);
        kernel(kernels::Windowed {
            input: view(&memory.inputs[0], self.offsets[0], self.input),
            input_zero_point: self.zero_point,
            window: self.window,
            groups: self.groups,
            parameters: parameters(
                &memory.weights[memory.first_weight..][..weights],
                &memory.biases[..channels],
                &memory.multipliers[..channels],
            ),
            range: self.range,
            output: view_mut(output(&mut memory.outputs, kernels), self.offsets[1], self.output),
        });
    }
}

#[derive(Debug)]
pub struct Convolution(pub Windowed);
#[derive(Debug)]
pub struct Depthwise(pub Windowed);
#[derive(Debug)]
pub struct MaxPool(pub Windowed);

impl Convolution {
    fn weights(&self) -> usize {
        pairs::bytes(self.0.output.channels.into(), self.0.fan_in())
    }
}

impl Case for Convolution {
    const NAME: &'static str = "convolution";

    fn draw(random: &mut Random) -> Self {
        let most = [4, 4, 20, 48][random.count(0, 3)];
        let mut case = Windowed::draw(random, (1, most));
        case.output.channels = random.count(1, 20) as u16;
        if random.one_in(2) {
            case.input.channels = [3, 3, 8, 16][random.count(0, 3)];
        }
        if random.one_in(6) {
            case.groups = random.count(2, 3) as u16;
            case.input.channels = case.groups * random.count(1, 5) as u16;
            case.output.channels = case.groups * random.count(1, 5) as u16;
        }
        Self(case)
    }

    fn fill(&self, memory: &mut Memory, random: &mut Random) {
        self.0.fill(memory, random, self.weights());
        clear_padding(&mut memory.weights[memory.first_weight..], self.0.output.channels.into(), self.0.fan_in());
    }

    fn result_bytes(&self) -> usize {
        self.0.output.len() as usize
    }

    fn macs(&self) -> usize {
        self.result_bytes() * self.0.fan_in()
    }

    fn run(&self, memory: &mut Memory, kernels: Kernels) {
        let kernel = if kernels == Kernels::Selected { selected::convolution } else { reference::convolution };
        self.0.run(memory, kernels, self.weights(), kernel);
    }
}

impl Case for Depthwise {
    const NAME: &'static str = "depthwise";

    fn draw(random: &mut Random) -> Self {
        let mut case = Windowed::draw(random, (1, 40));
        if random.one_in(2) {
            // The extents that kernels are made for.
            (case.window.kernel_height, case.window.kernel_width) = if random.one_in(3) { (5, 5) } else { (3, 3) };
            case.window.stride = random.between(1, 2) as u8;
            case.window.padding_top = random.between(0, 1) as u8;
            case.window.padding_left = random.between(0, 2) as u8;
            let most = |extent: u16, padding: u8| (extent + u16::from(padding) - 1) / u16::from(case.window.stride) + 1;
            case.output.height = most(case.input.height, case.window.padding_top);
            case.output.width = most(case.input.width, case.window.padding_left);
        }
        Self(case)
    }

    fn fill(&self, memory: &mut Memory, random: &mut Random) {
        self.0.fill(memory, random, self.0.taps() * usize::from(self.0.input.channels));
    }

    fn result_bytes(&self) -> usize {
        self.0.output.len() as usize
    }

    fn macs(&self) -> usize {
        self.result_bytes() * self.0.taps()
    }

    fn run(&self, memory: &mut Memory, kernels: Kernels) {
        let kernel = if kernels == Kernels::Selected { selected::depthwise } else { reference::depthwise };
        self.0.run(memory, kernels, self.0.taps() * usize::from(self.0.input.channels), kernel);
    }
}

impl Case for MaxPool {
    const NAME: &'static str = "max_pool";

    fn draw(random: &mut Random) -> Self {
        Self(Windowed::draw(random, (1, 40)))
    }

    fn fill(&self, memory: &mut Memory, random: &mut Random) {
        self.0.fill(memory, random, 0);
    }

    fn result_bytes(&self) -> usize {
        self.0.output.len() as usize
    }

    fn macs(&self) -> usize {
        self.result_bytes() * self.0.taps()
    }

    fn run(&self, memory: &mut Memory, kernels: Kernels) {
        let kernel = if kernels == Kernels::Selected { selected::max_pool } else { reference::max_pool };
        kernel(kernels::MaxPool {
            input: view(&memory.inputs[0], self.0.offsets[0], self.0.input),
            window: self.0.window,
            range: self.0.range,
            output: view_mut(output(&mut memory.outputs, kernels), self.0.offsets[1], self.0.output),
        });
    }
}

/// The taps behind a filter's last one, and the filter beside an odd last one, are zeros.
pub(super) fn clear_padding(weights: &mut [i8], outputs: usize, fan_in: usize) {
    for output in 0..outputs.next_multiple_of(2) {
        let first = if output < outputs { fan_in } else { 0 };
        for tap in first..pairs::padded(fan_in) {
            weights[pairs::place(output, tap, fan_in)] = 0;
        }
    }
}
