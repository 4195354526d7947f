//! Where cases lie.

use deja_firmware::gallery::Gallery;
use deja_firmware::kernels::Parameters;
use deja_firmware::kernels::quad::Quad;

use crate::random::Random;

/// Room for an activation.
pub const ACTIVATION: usize = 160 << 10;
/// Most weights of a layer.
pub const WEIGHTS: usize = 160 << 10;
/// Most output channels.
pub const CHANNELS: usize = 1024;

/// Most quads of templates.
pub const QUADS: usize = 10;

/// Everything that a case needs.
#[repr(C, align(16))]
pub struct Memory {
    /// From the first one on.
    pub weights: [i8; WEIGHTS],
    /// Where a case's weights begin: 0 is the boundary that a model puts them on.
    pub first_weight: usize,
    pub biases: [i32; CHANNELS],
    pub multipliers: [i32; CHANNELS],
    pub inputs: [[i8; ACTIVATION]; 2],
    /// What the fast kernel and what the reference writes.
    pub outputs: [[i8; ACTIVATION]; 2],
    pub quads: [Quad; QUADS],
    pub gallery: Gallery,
}

impl Memory {
    pub const fn new() -> Self {
        Self {
            weights: [0; WEIGHTS],
            first_weight: 0,
            biases: [0; CHANNELS],
            multipliers: [0; CHANNELS],
            inputs: [[0; ACTIVATION]; 2],
            outputs: [[0; ACTIVATION]; 2],
            quads: [Quad::EMPTY; QUADS],
            gallery: Gallery::new(),
        }
    }

    /// Random constants of a layer: weights, biases, multipliers.
    pub fn draw_constants(&mut self, random: &mut Random, weights: usize, channels: usize) {
        random.fill(&mut self.weights[self.first_weight..][..weights], -127);
        self.biases[..channels].iter_mut().for_each(|bias| *bias = random.bias());
        self.multipliers[..channels].iter_mut().for_each(|multiplier| *multiplier = random.multiplier());
    }
}

/// Weights, biases and multipliers of a layer, out of the memory's.
pub fn parameters<'a>(weights: &'a [i8], biases: &'a [i32], multipliers: &'a [i32]) -> Parameters<'a> {
    Parameters { weights, biases, multipliers }
}
