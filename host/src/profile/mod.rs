//! What a network costs a camera, layer by layer: instructions on an emulated board, cycles on hardware, and memory.
//!
//! The camera measures itself (`Profile` in the protocol's table): it embeds a picture with its clock around every kernel.
//! [`measure()`] asks it; [`emulated`] first puts the model into the flash of an emulated board, whose clock advances with
//! every instruction. [`random_model()`] makes a model of a network that nobody has trained, for what a network costs does
//! not depend on its weights. [`cycle_model`] estimates from instructions what they take on a real core.

pub mod cycle_model;
mod error;
mod flash;
mod measure;
mod memory_map;
mod random_model;

pub use error::ProfileError;
pub use flash::flash_with;
pub use measure::{emulated, measure};
pub use memory_map::MemoryMap;
pub use random_model::random_model;

use deja_shared::model::{Layer, Model};
use deja_shared::protocol::messages::LayerTicks;
use serde::Serialize;

/// An amount of work or of time; its name is the key in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Count {
    /// Instructions, on an emulated board.
    Instructions(u64),
    /// Cycles of the processor, on hardware.
    Cycles(u64),
    /// Time, where the camera cannot count cycles.
    Nanoseconds(u64),
}

impl Count {
    /// What is counted, in the plural.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Instructions(_) => "instructions",
            Self::Cycles(_) => "cycles",
            Self::Nanoseconds(_) => "nanoseconds",
        }
    }

    /// How many.
    pub fn number(self) -> u64 {
        match self {
            Self::Instructions(number) | Self::Cycles(number) | Self::Nanoseconds(number) => number,
        }
    }
}

/// What embedding one picture costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Profile {
    /// Name of the network.
    pub network: String,
    /// Name of the board.
    pub board: String,
    /// Every layer, in the order in which they run.
    pub layers: Vec<LayerProfile>,
    /// Multiply-accumulates of all layers.
    pub macs: u64,
    /// The whole way from a picture in the model's size to its embedding, measured without a look at the clock in between.
    #[serde(flatten)]
    pub count: Count,
    /// What of it is no layer's: the table of pixel values, the steps from layer to layer, the length of the embedding.
    pub outside_layers: Count,
    /// Activation memory.
    pub arena_bytes: u32,
    /// The model's file.
    pub flash_bytes: u32,
    /// How deep the stack was at its deepest; 0 where the board does not know.
    pub stack_bytes: u32,
}

/// What one layer costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerProfile {
    /// Its kind and its number.
    pub name: String,
    /// Its operator.
    pub kind: &'static str,
    /// Height, width and channels of what it writes.
    pub output: [u16; 3],
    /// Its multiply-accumulates.
    pub macs: u64,
    /// What it takes.
    #[serde(flatten)]
    pub count: Count,
    /// Bytes of activations that hold something while it runs; in layers that run together, the same for all of them.
    pub arena_bytes: u64,
    /// Its constants: weights or table, biases, multipliers.
    pub flash_bytes: u32,
    /// How deep the whole stack was while it ran.
    pub stack_bytes: u32,
}

impl LayerProfile {
    fn new(
        (model, map): (&Model<'_>, &MemoryMap),
        number: usize,
        layer: &Layer,
        (count, ticks): (Count, LayerTicks),
    ) -> Self {
        let shape = model.tensor(layer.output).shape;
        let constants = model.biases(layer).len() + model.multipliers(layer).len();
        Self {
            name: format!("{}_{number}", layer.kind.name()),
            kind: layer.kind.name(),
            output: [shape.height, shape.width, shape.channels],
            macs: macs(model, layer),
            count,
            arena_bytes: map.bytes(number),
            flash_bytes: layer.weights_bytes + (constants * size_of::<i32>()) as u32,
            stack_bytes: ticks.stack_bytes,
        }
    }

    /// What a multiply-accumulate takes, the layer's other work included; `None` without any.
    pub fn per_mac(&self) -> Option<f64> {
        (self.macs > 0).then(|| self.count.number() as f64 / self.macs as f64)
    }
}

/// Multiply-accumulates: every weight once for each output position; a layer without weights has none.
pub fn macs(model: &Model<'_>, layer: &Layer) -> u64 {
    let fan_in = if layer.kind.has_weights() { layer.fan_in(model.tensor(layer.weighs()).shape) } else { 0 };
    u64::from(fan_in) * model.tensor(layer.output).shape.len()
}
