//! A `.deja` model on this computer's vector instructions: the numbers of `deja_firmware::embedder`, sooner.
//!
//! The plan packs every layer's constants once and gives each activation a buffer with the halo that the windows over
//! it need. What the kernels of [`crate::compute::int8`] do not know runs with the camera's own.

mod curves;
mod plan;
mod run;
#[cfg(test)]
mod tests;

pub use run::Scratch;

use self::curves::Curve;
use deja_firmware::kernels::{OutputRange, Window};
use deja_shared::model::Layer;

use crate::compute::int8::{Channelwise, Int8Kernels, Layout, Matrix};

/// A model's plan for one set of kernels.
#[derive(Debug, Clone)]
pub struct Int8Engine {
    kernels: &'static Int8Kernels,
    /// One an activation, without the raw embedding.
    places: Vec<Place>,
    /// Lengths of the buffers.
    buffers: Vec<usize>,
    /// One a layer.
    steps: Vec<Step>,
    /// Pixel value → byte of the input, for red, green and blue; none where both are the same.
    table: Option<Vec<u8>>,
}

/// Where an activation lies.
#[derive(Debug, Clone, Copy)]
struct Place {
    layout: Layout,
    /// The byte that stands for zero.
    zero: u8,
    buffer: usize,
}

#[derive(Debug, Clone)]
struct Step {
    layer: Layer,
    range: OutputRange,
    work: Work,
}

/// What computes a layer.
#[derive(Debug, Clone)]
enum Work {
    Convolution(Matrix, Window),
    PointwiseAdd(Matrix),
    Depthwise(Channelwise, Window),
    Add,
    Pool,
    MaxPool(Window),
    /// Scaled channels, perhaps with a sum.
    Scale,
    /// A function of one variable: one for all channels, or one a channel.
    Curve(Vec<Curve>),
    /// The channels of two inputs, each by its function.
    Concat([Curve; 2]),
    /// The raw embedding by a matrix.
    Last(Matrix),
    /// The camera's own kernel.
    Reference,
}
