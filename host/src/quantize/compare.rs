//! The int8 network against the float network, layer by layer.

use deja_firmware::embedder;
use deja_shared::embedding::Embedding;
use deja_shared::tensor::{Values, View};
use rayon::prelude::*;
use serde::Serialize;

use super::emit::emit;
use super::int8_model::{arena, unit};
use super::plan_arena::Plan;
use super::{Int8Model, QuantizeError, Quantized};
use crate::network::interpreter;
use crate::progress::Progress;

/// How well one layer's int8 values stand for its float values, over all pictures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerFidelity {
    /// The layer's name.
    pub name: String,
    /// The layer's kind, as [`deja_shared::model::LayerKind::name`] says it.
    pub kind: &'static str,
    /// 10·log₁₀(Σ x² / Σ (x − y)²) in decibels, x float and y int8; `None` where both agree exactly, or x is zero.
    pub signal_to_noise_db: Option<f64>,
    /// Σ x·y / √(Σ x² · Σ y²); 1 where both are zero.
    pub cosine: f64,
}

/// The whole comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fidelity {
    /// One a layer, in order.
    pub layers: Vec<LayerFidelity>,
    /// Mean over the pictures of the cosine between the camera's embedding and the float one.
    pub mean_cosine: f64,
    /// The worst of them.
    pub least_cosine: f64,
}

/// Runs both networks on `pictures` (`[n, height, width, 3]` RGB bytes) and compares what every layer writes.
///
/// Each int8 layer works on the int8 results before it, so the errors are those that the camera accumulates.
///
/// # Errors
/// No picture, not whole ones, a model that does not run, or an interruption.
pub fn compare(quantized: &Quantized, pictures: &[u8], progress: &dyn Progress) -> Result<Fidelity, QuantizeError> {
    let picture = quantized.graph.input().len();
    if pictures.is_empty() {
        return Err(QuantizeError::NoPictures);
    }
    if !pictures.len().is_multiple_of(picture) {
        return Err(QuantizeError::PictureSize { bytes: pictures.len(), picture });
    }
    // With every activation whole, and in the order of the layers.
    let model = Int8Model::from_bytes(emit(&quantized.lowered, &Plan::whole(&quantized.lowered), &[])?)?;
    progress.start("compare with float", (pictures.len() / picture) as u64);
    let sums = pictures
        .par_chunks_exact(picture)
        .map(|picture| {
            if progress.interrupted() {
                return Err(QuantizeError::Interrupted);
            }
            let sums = one_picture(quantized, &model, picture);
            progress.advance(1);
            sums
        })
        .try_reduce_with(|a, b| Ok(a.merge(b)));
    progress.finish();
    sums.unwrap_or(Err(QuantizeError::NoPictures)).map(|sums| sums.fidelity(quantized))
}

/// Sums over the values of one layer.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    xx: f64,
    yy: f64,
    xy: f64,
    noise: f64,
}

impl Sums {
    fn of(pairs: impl Iterator<Item = (f32, f32)>) -> Self {
        pairs.fold(Self::default(), |sums, (x, y)| {
            let (x, y) = (f64::from(x), f64::from(y));
            sums.plus(Self { xx: x * x, yy: y * y, xy: x * y, noise: (x - y) * (x - y) })
        })
    }

    fn plus(self, other: Self) -> Self {
        let (a, b) = (self, other);
        Self { xx: a.xx + b.xx, yy: a.yy + b.yy, xy: a.xy + b.xy, noise: a.noise + b.noise }
    }

    fn cosine(self) -> f64 {
        match (self.xx, self.yy) {
            (0.0, 0.0) => 1.0,
            (xx, yy) if xx > 0.0 && yy > 0.0 => self.xy / (xx * yy).sqrt(),
            _ => 0.0,
        }
    }

    fn decibels(self) -> Option<f64> {
        (self.noise > 0.0 && self.xx > 0.0).then(|| 10.0 * (self.xx / self.noise).log10())
    }
}

struct Total {
    layers: Vec<Sums>,
    cosines: Vec<f64>,
}

impl Total {
    fn merge(mut self, other: Self) -> Self {
        self.layers.iter_mut().zip(other.layers).for_each(|(a, b)| *a = a.plus(b));
        self.cosines.extend(other.cosines);
        self
    }

    fn fidelity(self, quantized: &Quantized) -> Fidelity {
        let layers = quantized.lowered.layers.iter().zip(&self.layers).map(|(layer, sums)| LayerFidelity {
            name: layer.name.clone(),
            kind: layer.layer.kind.name(),
            signal_to_noise_db: sums.decibels(),
            cosine: sums.cosine(),
        });
        Fidelity {
            layers: layers.collect(),
            mean_cosine: self.cosines.iter().sum::<f64>() / self.cosines.len() as f64,
            least_cosine: self.cosines.iter().copied().fold(1.0, f64::min),
        }
    }
}

/// Of two vectors; 1 where both are zero.
pub(super) fn cosine(a: &[f32], b: &[f32]) -> f64 {
    Sums::of(a.iter().copied().zip(b.iter().copied())).cosine()
}

fn one_picture(quantized: &Quantized, model: &Int8Model, picture: &[u8]) -> Result<Total, QuantizeError> {
    let float = interpreter::run(&quantized.graph, picture);
    let tensors = &quantized.lowered.tensors;
    let mut layers = vec![Sums::default(); tensors.len() - 1];
    let mut add = |number: usize, integers: &mut dyn Iterator<Item = i32>| {
        let tensor = &tensors[number];
        let real = integers.map(|q| tensor.quantization.dequantize(q));
        layers[number - 1] = Sums::of(float[tensor.node.0].iter().copied().zip(real));
    };
    let model = model.model();
    let raw = embedder::embed_layers(&model, picture, &mut arena(&model), |number, view: View<'_>| {
        if number > 0 {
            let width = tensors[usize::from(number)].quantization.width;
            add(usize::from(number), &mut Values::new(view.data, width).iter());
        }
    })?;
    add(tensors.len() - 1, &mut raw.iter().map(|&q| i32::from(q)));
    let float = &float[quantized.graph.embedding.0];
    let cosine = match Embedding::from_raw(&raw) {
        Ok(embedding) => Sums::of(float.iter().copied().zip(unit(&embedding))).cosine(),
        Err(_) => Sums::of(float.iter().map(|&x| (x, 0.0))).cosine(),
    };
    Ok(Total { layers, cosines: vec![cosine] })
}
