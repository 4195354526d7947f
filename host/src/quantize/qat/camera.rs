//! The network as the camera runs it: lowered, and run by the camera's own code, with every activation kept.

use super::super::calibrate::Range;
use super::super::int8_model::arena;
use super::super::lower::{Lowered, lower_with};
use super::super::order::Placed;
use super::super::plan_arena::Plan;
use super::super::{AlignedBytes, QuantizeError, emit};
use super::parameters::round_weights;
use crate::network::Graph;
use deja_firmware::embedder;
use deja_shared::model::Model;
use deja_shared::tensor::View;
use rayon::prelude::*;

/// One state of the parameters, lowered.
#[derive(Debug)]
pub struct Camera {
    /// The float network with the weights that the camera has.
    pub rounded: Graph,
    /// What is run.
    pub lowered: Lowered,
    /// The 8-bit tensor that holds each node's activation.
    pub tensor_of: Vec<Option<usize>>,
    bytes: AlignedBytes,
}

/// Every integer that the camera computes of one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// One a tensor of [`Lowered`], but the picture (empty) and the raw embedding.
    pub tensors: Vec<Vec<i8>>,
    /// The raw embedding.
    pub raw: Vec<i16>,
}

impl Camera {
    /// `graph`, its weights clipped, in the order of `calibrated`, every activation whole.
    ///
    /// # Errors
    /// What cannot be lowered.
    pub fn new(graph: Graph, ranges: &[Range], calibrated: &Placed) -> Result<Self, QuantizeError> {
        let lowered = lower_with(&graph, ranges, calibrated.residual)?;
        let bytes = emit::emit(&lowered, &Plan::whole(&lowered), &[])?;
        let mut tensor_of = vec![None; graph.nodes.len()];
        // The last is the raw embedding, of 16 bits.
        let tensors = lowered.tensors[..lowered.tensors.len() - 1].iter().enumerate();
        tensors.for_each(|(number, tensor)| tensor_of[tensor.node.0] = Some(number));
        let mut rounded = graph;
        round_weights(&mut rounded);
        Ok(Self { rounded, lowered, tensor_of, bytes })
    }

    /// What it computes of each of `pixels`, `[n, height, width, 3]` RGB bytes.
    ///
    /// # Errors
    /// Never for whole pictures.
    pub fn traces(&self, pixels: &[u8]) -> Result<Vec<Trace>, QuantizeError> {
        let model = Model::parse(&self.bytes)?;
        let run = |arena: &mut Vec<i8>, picture: &[u8]| {
            let mut tensors = vec![vec![]; self.lowered.tensors.len()];
            let raw = embedder::embed_layers(&model, picture, arena, |number, view: View<'_>| {
                if number > 0 {
                    tensors[usize::from(number)] = view.data.to_vec();
                }
            })?;
            Ok(Trace { tensors, raw: raw.to_vec() })
        };
        pixels.par_chunks_exact(self.rounded.input().len()).map_init(|| arena(&model), run).collect()
    }

    /// The real values of a raw embedding.
    pub fn embedding(&self, trace: &Trace) -> Vec<f32> {
        let quantization = self.lowered.tensors[self.lowered.tensors.len() - 1].quantization;
        trace.raw.iter().map(|&q| quantization.dequantize(q.into())).collect()
    }
}
