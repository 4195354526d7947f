//! Instructions of named cases, everything included that a kernel does.

use core::fmt::Display;

use cortex_m_semihosting::hprintln;
use deja_firmware::gallery::MAX_TEMPLATES;
use deja_firmware::kernels::Summand;
use deja_shared::tensor::Shape;

use crate::counter::Counter;
use crate::gallery::{self, PROBES};
use crate::memory::Memory;
use crate::mobile_net;
use crate::operators::{
    Add, Case, ChannelScale, ChannelScaleAdd, Convolution, Depthwise, FullyConnected, GlobalAveragePool, Kernels,
    MaxPool, Pointwise, PointwiseAdd, REQUANTIZER, Windowed,
};
use crate::random::Random;

/// Prints `name,macs,instructions` of every case; values stand for multiply-accumulates where an operator has none.
pub fn print(memory: &mut Memory, counter: &Counter) {
    matrices(memory, counter);
    windows(memory, counter);
    values(memory, counter);
    for dimension in [128, 256] {
        let instructions = gallery::count(&mut memory.gallery, counter, dimension);
        let macs = dimension * MAX_TEMPLATES * PROBES;
        line(format_args!("matching {dimension} x {MAX_TEMPLATES}"), macs, instructions);
    }
    let (macs, instructions) = mobile_net::count(memory, counter);
    line("mobilenet_v1_0.25 96x96x3", macs, instructions);
}

fn matrices(memory: &mut Memory, counter: &Counter) {
    for (name, input, outputs) in [
        ("16x8x64->128", [16, 8, 64], 128),
        ("8x4x128->256", [8, 4, 128], 256),
        ("32x16x32->64", [32, 16, 32], 64),
        ("64x32x16->32", [64, 32, 16], 32),
        ("48x48x8->16", [48, 48, 8], 16),
        ("one row 1x16x32->64", [1, 16, 32], 64),
        ("odd 7x5x27->33", [7, 5, 27], 33),
    ] {
        count(memory, counter, name, &Pointwise::layer(input, outputs));
    }
    let summand = Summand { zero_point: 3, multiplier: 1 << 23 };
    count(memory, counter, "16x8x64->64", &PointwiseAdd { matrix: Pointwise::layer([16, 8, 64], 64), summand });
    count(memory, counter, "128->128", &FullyConnected::layer(128, 128));
    count(memory, counter, "256->128", &FullyConnected::layer(256, 128));
}

fn windows(memory: &mut Memory, counter: &Counter) {
    for (name, input, outputs, kernel, stride) in [
        ("stem 3x3/2 128x64x3->16", [128, 64, 3], 16, 3, 2),
        ("stem 3x3/2 96x96x3->8", [96, 96, 3], 8, 3, 2),
        ("3x3 16x8x32->32", [16, 8, 32], 32, 3, 1),
        ("3x3 16x16x16->16", [16, 16, 16], 16, 3, 1),
    ] {
        count(memory, counter, name, &Convolution(Windowed::layer(input, outputs, kernel, stride)));
    }
    for (name, input, kernel, stride) in [
        ("3x3 32x16x64", [32, 16, 64], 3, 1),
        ("3x3 16x8x128", [16, 8, 128], 3, 1),
        ("3x3 48x48x8", [48, 48, 8], 3, 1),
        ("3x3 3x3x256", [3, 3, 256], 3, 1),
        ("3x3/2 32x16x64", [32, 16, 64], 3, 2),
        ("5x5 16x8x64", [16, 8, 64], 5, 1),
        ("5x5/2 32x16x64", [32, 16, 64], 5, 2),
    ] {
        count(memory, counter, name, &Depthwise(Windowed::layer(input, input[2], kernel, stride)));
    }
    count(memory, counter, "3x3/2 64x32x16", &MaxPool(Windowed::layer([64, 32, 16], 16, 3, 2)));
}

fn values(memory: &mut Memory, counter: &Counter) {
    let (requantizer, offsets) = (REQUANTIZER, [0; 2]);
    let input = Shape::new(16, 8, 128);
    count(memory, counter, "16x8x128", &GlobalAveragePool { input, bias: 640, requantizer, offsets });
    let multipliers = [20_000, 30_000];
    count(memory, counter, "16384", &Add { len: 16_384, multipliers, bias: 77, requantizer, offsets });
    let scale = || ChannelScale { positions: 128, channels: 128, zero_points: [-5, -128], requantizer, offsets };
    count(memory, counter, "128x128", &scale());
    let summand = Summand { zero_point: 3, multiplier: 1 << 23 };
    count(memory, counter, "128x128", &ChannelScaleAdd { scale: scale(), summand });
}

fn count<C: Case>(memory: &mut Memory, counter: &Counter, name: &str, case: &C) {
    case.fill(memory, &mut Random::new(1));
    let instructions = counter.instructions(|| case.run(memory, Kernels::Selected));
    line(format_args!("{} {name}", C::NAME), case.macs(), instructions);
}

fn line(name: impl Display, macs: usize, instructions: u32) {
    hprintln!("{},{},{}", name, macs, instructions);
}
