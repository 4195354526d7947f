//! Metric on top: an affine map of the embedding, learned on the training set and folded into the network's head.
//!
//! The cosine treats all directions alike; embeddings do not. [`whitening`] gives every direction the same variance,
//! [`lda`] every direction the same variance *within* an identity. Both are affine maps of the neck's output, so [`fold`] moves
//! them into the fully connected layer before it: the network keeps its size, and a camera pays nothing.
//!
//! The other use of a map: [`mod@align`] learns how one model's embeddings become another's, so that templates survive a change of
//! model without the photographs; [`mod@adaptation`] does it with a data set and says what it costs.

pub mod adaptation;
pub mod align;
mod error;
mod fold;
mod lda;
mod map;
mod scatter;
mod whitening;

pub use adaptation::{Adaptation, AdaptationError, Standing, adapt};
pub use align::{Alignment, Fidelity, Method, Pair, align};
pub use error::ProjectionError;
pub use fold::fold;
pub use lda::lda;
pub use map::Projection;
pub use scatter::{Samples, Shrinkage};
pub use whitening::whitening;

use crate::dataset::Images;
use crate::evaluation::EvaluationError;
use crate::network::{Engine, Graph};
use crate::progress::Progress;

/// Pictures embedded between two words of progress.
const CHUNK: usize = 256;

/// What is put on top of a trained network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricOnTop {
    /// Nothing.
    #[default]
    None,
    /// [`whitening`].
    Whitening,
    /// [`lda`].
    Lda,
}

impl MetricOnTop {
    /// As recipes and the command call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Whitening => "whitening",
            Self::Lda => "lda",
        }
    }

    /// `graph` with this metric folded in, learned on how it embeds `images`; for [`MetricOnTop::None`] as it is.
    ///
    /// `engine` must be of the graph's architecture. An LDA may leave fewer components than the embedding had.
    ///
    /// # Errors
    /// [`ProjectionError`].
    pub fn applied(
        self,
        engine: &mut Engine,
        graph: &Graph,
        images: &Images,
        progress: &dyn Progress,
    ) -> Result<Graph, ProjectionError> {
        if self == Self::None {
            return Ok(graph.clone());
        }
        let vectors = embed(engine, graph, images, progress)?;
        let samples = Samples { vectors: &vectors, dimension: graph.dimension(), identities: &images.identities };
        let projection = match self {
            Self::Lda => lda(&samples, Shrinkage::LedoitWolf)?,
            Self::Whitening | Self::None => whitening(&samples, Shrinkage::LedoitWolf)?,
        };
        fold(graph, &projection)
    }
}

/// The neck's output as it is, `[n, dimension]`: only before normalization is a map of it an affine layer.
fn embed(
    engine: &mut Engine,
    graph: &Graph,
    images: &Images,
    progress: &dyn Progress,
) -> Result<Vec<f32>, ProjectionError> {
    let mut vectors = Vec::with_capacity(images.len() * graph.dimension());
    progress.start("embed the training set", images.len() as u64);
    for chunk in images.pixels.chunks(CHUNK * graph.input().len()) {
        if progress.interrupted() {
            progress.finish();
            return Err(ProjectionError::Interrupted);
        }
        let count = chunk.len() / graph.input().len();
        vectors.extend(engine.embed(graph, chunk, count));
        progress.advance(count as u64);
    }
    progress.finish();
    match vectors.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(EvaluationError::NotFinite { row: at / graph.dimension() }.into()),
        None => Ok(vectors),
    }
}

#[cfg(test)]
mod tests;
