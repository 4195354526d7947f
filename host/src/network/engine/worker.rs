//! One thread's share of the batch: its pictures, their activations and gradients, and how a view is evaluated.

use std::ops::Range;

use super::plan::{Plan, View};
use crate::compute::{Affine, Kernels, Pullback};
use crate::network::Graph;
use crate::network::interpreter::pixel_value;

/// What one thread owns; nothing of it is shared.
#[derive(Debug)]
pub struct Worker {
    /// Pictures of the current call.
    pub images: usize,
    pub store: Store,
    pub norms: Vec<NormState>,
    /// Σg, then Σg·ẑ, of each batch norm in the backward pass.
    pub norm_sums: Vec<Vec<f64>>,
    /// One gradient buffer a slot of the plan.
    pub slots: Vec<Vec<f32>>,
    /// One gradient a parameter, summed over this worker's pictures.
    pub gradients: Vec<Vec<f32>>,
    pub scratch: Scratch,
}

/// The stored results of this worker's pictures.
#[derive(Debug)]
pub struct Store {
    pub pixels: Vec<u8>,
    /// `[images, height, width, channels]` each; empty for the picture.
    pub tensors: Vec<Vec<f32>>,
}

/// Buffers for one group of pictures.
#[derive(Debug, Default)]
pub struct Scratch {
    pub input: Vec<f32>,
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
    /// Room for `capacity` pictures, taken when the first pictures come.
    pub fn new(plan: &Plan, graph: &Graph) -> Self {
        let channels = || plan.norms.iter().map(|norm| plan.tensors[norm.tensor].shape.channels);
        Self {
            images: 0,
            store: Store { pixels: vec![], tensors: vec![vec![]; plan.tensors.len()] },
            norms: channels().map(NormState::new).collect(),
            norm_sums: channels().map(|channels| vec![0.0; 2 * channels]).collect(),
            slots: vec![vec![]; plan.slots.len()],
            gradients: graph.parameters.iter().map(|_| vec![]).collect(),
            scratch: Scratch::default(),
        }
    }

    /// Takes `pixels` as the pictures of this call and makes room for what will be computed from them.
    pub fn load(&mut self, plan: &Plan, pixels: &[u8]) {
        self.images = pixels.len() / plan.len(0);
        self.store.pixels.clear();
        self.store.pixels.extend_from_slice(pixels);
        for (index, tensor) in self.store.tensors.iter_mut().enumerate().skip(1) {
            reserve(tensor, self.images * plan.len(index));
        }
    }

    /// The values of output `which` (0 raw, 1 embedding) of all pictures, `[images, dimension]`.
    pub fn output(&mut self, plan: &Plan, kernels: &'static Kernels, which: usize) -> &[f32] {
        let view = plan.views[plan.outputs[which]];
        let context = Context { plan, kernels, norms: &self.norms };
        context.values(&self.store, view, 0..self.images, &mut self.scratch.input)
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
            return &store.tensors[view.tensor][bounds];
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
            output.copy_from_slice(&store.tensors[view.tensor][bounds]);
        } else {
            let stored = &store.tensors[view.tensor][bounds];
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
