//! What a quantized network is judged by: pictures of held-out identities, as the float network embeds them.

use super::gate::Gate;
use super::int8_model::unit;
use super::ship::ShipError;
use super::{Fidelity, Int8Model, Quantized, compare};
use crate::dataset::Images;
use crate::evaluation::{Embeddings, EvaluationError};
use crate::network::{FloatModel, Graph};
use crate::progress::Progress;
use deja_shared::embedding::Embedding;

/// Pictures, and what the float network makes of them.
pub(super) struct Judges<'a> {
    images: &'a Images,
    /// The float embeddings, and the same in as many components as a camera holds; `None` without pictures.
    float: Option<[Embeddings; 2]>,
    /// Those on which layers are compared, `[n, height, width, 3]` RGB bytes.
    pub compared: &'a [u8],
    pub progress: &'a dyn Progress,
}

/// What they say.
#[derive(Debug)]
pub(super) struct Verdict {
    /// What the camera computes for each picture; `None` for one in which it sees nothing.
    pub embeddings: Vec<Option<Embedding>>,
    /// Retrieval; `None` when no picture can be found by another.
    pub gate: Option<Gate>,
    /// Layer by layer.
    pub fidelity: Fidelity,
}

impl<'a> Judges<'a> {
    /// `shortened` is the float network as it was lowered, whose embedding may have fewer components than that of `graph`.
    ///
    /// # Errors
    /// An interruption.
    pub fn new(
        (graph, shortened): (&Graph, &Graph),
        images: &'a Images,
        compared: &'a [u8],
        progress: &'a dyn Progress,
    ) -> Result<Self, ShipError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let embed = |graph: &Graph| Embeddings::of(&mut FloatModel::new(graph.clone(), cores), images, progress);
        let mut float = None;
        if !images.is_empty() {
            let whole = embed(graph)?;
            let short = if whole.dimension() == shortened.dimension() { whole.clone() } else { embed(shortened)? };
            float = Some([whole, short]);
        }
        Ok(Self { images, float, compared, progress })
    }

    /// # Errors
    /// A model that does not run, or an interruption.
    pub fn judge(&self, quantized: &Quantized) -> Result<Verdict, ShipError> {
        let model = Int8Model::from_bytes(quantized.bytes.clone())?;
        let embeddings = model.embeddings(&self.images.pixels, self.progress)?;
        let gate = self.gate(&embeddings)?;
        let fidelity = compare(quantized, self.compared, self.progress)?;
        Ok(Verdict { embeddings, gate, fidelity })
    }

    fn gate(&self, int8: &[Option<Embedding>]) -> Result<Option<Gate>, ShipError> {
        let Some([float, reference]) = &self.float else { return Ok(None) };
        let dimension = reference.dimension();
        let rows = int8.iter().flat_map(|row| row.as_ref().map_or_else(|| vec![0.0; dimension], unit)).collect();
        let int8 = Embeddings::new(dimension, rows, self.images.identities.clone(), self.images.cameras.clone())?;
        match Gate::measure(float, reference, &int8) {
            Err(EvaluationError::NoMatches { .. } | EvaluationError::NoImpostors) => Ok(None),
            gate => Ok(Some(gate?)),
        }
    }
}
