//! One operator with its shape, as both a property and a count use it.

mod matrix;
mod search;
mod values;
mod windowed;

pub use matrix::{FullyConnected, Pointwise, PointwiseAdd};
pub use search::Search;
pub use values::{Add, ChannelScale, ChannelScaleAdd, GlobalAveragePool, REQUANTIZER};
pub use windowed::{Convolution, Depthwise, MaxPool, Windowed};

use deja_firmware::kernels::OutputRange;
use deja_shared::tensor::{Shape, View, ViewMut};

use crate::memory::Memory;
use crate::random::Random;

/// Whose kernels run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernels {
    /// Those that a camera with this core runs.
    Selected,
    /// The specification.
    Reference,
}

/// An operator with its shape, the scales being drawn too.
pub trait Case: core::fmt::Debug + Sized {
    /// Of the operator.
    const NAME: &'static str;

    /// Any shape.
    fn draw(random: &mut Random) -> Self;

    /// Fills what the operator reads.
    fn fill(&self, memory: &mut Memory, random: &mut Random);

    /// Bytes that it writes.
    fn result_bytes(&self) -> usize;

    /// Its multiply-accumulates, or its values where it has none.
    fn macs(&self) -> usize;

    /// Writes the result to its [`place`] among the outputs.
    fn run(&self, memory: &mut Memory, kernels: Kernels);
}

/// Bytes before and behind a result, which nobody may write.
pub const MARGIN: usize = 16;

/// Where a result of `bytes` lies that begins `offset` bytes from a 16-byte boundary.
pub fn place(offset: usize, bytes: usize) -> core::ops::Range<usize> {
    MARGIN + offset..MARGIN + offset + bytes
}

/// The outputs that these kernels write.
fn output(outputs: &mut [[i8; crate::memory::ACTIVATION]; 2], kernels: Kernels) -> &mut [i8] {
    &mut outputs[kernels as usize]
}

fn view(values: &[i8], offset: usize, shape: Shape) -> View<'_> {
    View { shape, data: &values[offset..offset + shape.len() as usize] }
}

fn view_mut(values: &mut [i8], offset: usize, shape: Shape) -> ViewMut<'_> {
    ViewMut { shape, data: &mut values[place(offset, shape.len() as usize)] }
}

/// Every second one is that of a layer without an activation of its own.
fn draw_range(random: &mut Random) -> OutputRange {
    let zero_point = random.between(-128, 127) as i8;
    if random.one_in(2) {
        return OutputRange { zero_point, low: -128, high: 127 };
    }
    let (a, b) = (random.between(-128, 127) as i8, random.between(-128, 127) as i8);
    OutputRange { zero_point, low: a.min(b), high: a.max(b) }
}
