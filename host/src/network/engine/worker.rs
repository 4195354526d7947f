//! One thread's share of the batch: its pictures, their activations and gradients, and how a view is evaluated.

use std::ops::Range;

use super::plan::{Plan, View};
use crate::compute::{Affine, Kernels, Pullback};
use crate::network::Graph;
use crate::network::interpreter::pixel_value;

/// What one thread owns; nothing of it is shared.
#[derive(Debug)]
pub struct Worker {
    /// Pictures of the current batch.
    pub images: usize,
    /// What the last training forward pass computed.
    pub store: Store,
    /// Where a group of pictures is embedded.
    pub embedding: Store,
    /// `[images, dimension]`: raw and after the neck.
    pub outputs: [Vec<f32>; 2],
    pub norms: Vec<NormState>,
    /// Σg, then Σg·ẑ, of each batch norm in the backward pass.
    pub norm_sums: Vec<Vec<f64>>,
    /// One gradient buffer a slot of the plan.
    pub slots: Vec<Vec<f32>>,
    /// One gradient a parameter, summed over this worker's pictures.
    pub gradients: Vec<Vec<f32>>,
    pub scratch: Scratch,
}

/// The stored results of some pictures.
#[derive(Debug, Default)]
pub struct Store {
    pixels: Vec<u8>,
    buffers: Vec<Vec<f32>>,
    /// Per tensor, its buffer.
    places: Vec<usize>,
}

impl Store {
    /// No pictures yet; tensor t will be in buffer `places[t]`.
    fn new(places: Vec<usize>) -> Self {
        let buffers = vec![vec![]; places.iter().max().map_or(0, |place| place + 1)];
        Self { pixels: vec![], buffers, places }
    }

    /// Takes `pixels` and makes room for what will be computed from them; returns the number of pictures.
    pub fn load(&mut self, plan: &Plan, pixels: &[u8]) -> usize {
        let images = pixels.len() / plan.len(0);
        self.pixels.clear();
        self.pixels.extend_from_slice(pixels);
        for (tensor, place) in self.places.iter().enumerate().skip(1) {
            reserve(&mut self.buffers[*place], images * plan.len(tensor));
        }
        images
    }

    /// `[images, height, width, channels]` of a tensor that is not the picture.
    pub fn tensor(&self, tensor: usize) -> &[f32] {
        &self.buffers[self.places[tensor]]
    }

    /// The same, taken out to be written.
    pub fn take(&mut self, tensor: usize) -> Vec<f32> {
        std::mem::take(&mut self.buffers[self.places[tensor]])
    }

    /// Puts back what was taken.
    pub fn put(&mut self, tensor: usize, values: Vec<f32>) {
        self.buffers[self.places[tensor]] = values;
    }
}

/// Buffers for one group of pictures.
#[derive(Debug, Default)]
pub struct Scratch {
    pub input: Vec<f32>,
    pub gate: Vec<f32>,
    pub gradient: Vec<f32>,
    pub patches: Vec<f32>,
    pub patch_gradients: Vec<f32>,
    pub transposed: Vec<f32>,
    pub d_input: Vec<f32>,
    pub sums: [Vec<f32>; 2],
}

/// A batch norm's coefficients of the current batch, per channel.
#[derive(Debug, Clone)]
pub struct NormState {
    pub scale: Vec<f32>,
    pub shift: Vec<f32>,
    /// 1/√(σ² + ε)
    pub unit: Vec<f32>,
    /// −μ/√(σ² + ε)
    pub offset: Vec<f32>,
    pub mean: Vec<f64>,
    /// Biased: divided by the number of values.
    pub variance: Vec<f64>,
}

impl Worker {
    /// A worker without pictures; room for them is made when they come.
    pub fn new(plan: &Plan, graph: &Graph) -> Self {
        let channels = || plan.norms.iter().map(|norm| plan.tensors[norm.tensor].shape.channels);
        Self {
            images: 0,
            store: Store::new((0..plan.tensors.len()).collect()),
            embedding: Store::new(plan.places.clone()),
            outputs: [vec![], vec![]],
            norms: channels().map(NormState::new).collect(),
            norm_sums: channels().map(|channels| vec![0.0; 2 * channels]).collect(),
            slots: vec![vec![]; plan.slots.len()],
            gradients: graph.parameters.iter().map(|_| vec![]).collect(),
            scratch: Scratch::default(),
        }
    }
}

/// Makes `buffer` at least `len` values long without touching those it already has.
pub fn reserve(buffer: &mut Vec<f32>, len: usize) {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
}

/// What evaluating a view needs besides stored values.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    pub plan: &'a Plan,
    pub kernels: &'static Kernels,
    pub norms: &'a [NormState],
}

impl<'a> Context<'a> {
    /// The values of `view` for pictures `range`: the stored ones where the view is plain, else computed in `buffer`.
    pub fn values<'b>(&self, store: &'b Store, view: View, range: Range<usize>, buffer: &'b mut Vec<f32>) -> &'b [f32] {
        let len = self.plan.len(view.tensor);
        let bounds = range.start * len..range.end * len;
        if view.tensor != 0 && view.is_plain() {
            return &store.tensor(view.tensor)[bounds];
        }
        reserve(buffer, bounds.len());
        let output = &mut buffer[..bounds.len()];
        self.write(store, view, range, output);
        output
    }

    /// Writes the values of `view` for pictures `range` to `output`.
    pub fn write(&self, store: &Store, view: View, range: Range<usize>, output: &mut [f32]) {
        let len = self.plan.len(view.tensor);
        let bounds = range.start * len..range.end * len;
        if view.tensor == 0 {
            for (value, pixel) in output.iter_mut().zip(&store.pixels[bounds]) {
                *value = pixel_value(*pixel);
            }
        } else if view.is_plain() {
            output.copy_from_slice(&store.tensor(view.tensor)[bounds]);
        } else {
            let stored = &store.tensor(view.tensor)[bounds];
            self.with_pullback(view, |map| (self.kernels.affine)(&map.affine, stored, output));
        }
    }

    /// Calls `use_map` with the map from stored values to those of `view`.
    pub fn with_pullback<R>(&self, view: View, use_map: impl FnOnce(&Pullback) -> R) -> R {
        let (low, high) = view.activation.map_or((f32::NEG_INFINITY, f32::INFINITY), |activation| activation.clamp());
        if let Some(norm) = view.norm {
            let NormState { scale, shift, unit, offset, .. } = &self.norms[norm];
            return use_map(&Pullback { affine: Affine { scale, shift, low, high }, unit, offset });
        }
        let channels = self.plan.tensors[view.tensor].shape.channels;
        let (ones, zeros) = (vec![1.0; channels], vec![0.0; channels]);
        use_map(&Pullback { affine: Affine { scale: &ones, shift: &zeros, low, high }, unit: &ones, offset: &zeros })
    }
}

impl NormState {
    fn new(channels: usize) -> Self {
        let zeros = vec![0.0; channels];
        Self {
            scale: zeros.clone(),
            shift: zeros.clone(),
            unit: zeros.clone(),
            offset: zeros,
            mean: vec![0.0; channels],
            variance: vec![0.0; channels],
        }
    }

    /// Sets mean and variance from `[Σz, Σz²]` over `count` values a channel.
    pub fn set_moments(&mut self, sums: &[f64], count: f64) {
        let (first, second) = sums.split_at(self.mean.len());
        for c in 0..first.len() {
            self.mean[c] = first[c] / count;
            self.variance[c] = (second[c] / count - self.mean[c] * self.mean[c]).max(0.0);
        }
    }

    /// Derives the coefficients from mean, variance, γ and β.
    pub fn set_coefficients(&mut self, gamma: &[f32], beta: &[f32], epsilon: f32) {
        for c in 0..gamma.len() {
            let unit = 1.0 / (self.variance[c] + f64::from(epsilon)).sqrt();
            let scale = f64::from(gamma[c]) * unit;
            self.unit[c] = unit as f32;
            self.offset[c] = (-self.mean[c] * unit) as f32;
            self.scale[c] = scale as f32;
            self.shift[c] = (f64::from(beta[c]) - self.mean[c] * scale) as f32;
        }
    }
}
