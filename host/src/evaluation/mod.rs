//! How well embeddings find identities again: ranking, verification, open set, pairs of cameras.
//!
//! Everything here works on [`Embeddings`] and on one score, the cosine similarity: larger is more alike. What embeds
//! pictures stands behind [`EmbeddingModel`], so that a float network and a camera's integers are measured alike.

mod camera_pairs;
mod embedding_file;
mod embeddings;
mod error;
mod expand;
mod neighbours;
mod open_set;
mod ranking;
#[cfg(test)]
mod real_data;
mod rerank;
mod scores;
mod threshold;
mod verification;

pub use camera_pairs::{CameraPair, camera_pairs};
pub use embedding_file::{EmbeddingFileError, read_embeddings, write_embeddings};
pub use embeddings::Embeddings;
pub use error::EvaluationError;
pub use expand::expand_queries;
pub use neighbours::neighbour_agreement;
pub use open_set::{Interval, OpenSet, OpenSetPoint, every_second_identity, open_set};
pub use ranking::{Candidate, RankedQuery, Ranking, rank};
pub use rerank::{Rerank, rerank};
pub use threshold::{impostor_maxima, threshold_at};
pub use verification::{OperatingPoint, PairScores, Verification, pair_scores, verify};

use crate::progress::Progress;

/// Anything that turns pictures into embeddings: a checkpoint, an ONNX file, a `.deja` file.
pub trait EmbeddingModel {
    /// Height and width of the picture it takes.
    fn input(&self) -> [usize; 2];
    /// Components of an embedding.
    fn dimension(&self) -> usize;
    /// `pixels`: `[n, height, width, 3]` RGB bytes → `[n, dimension]`, L2-normalized rows.
    ///
    /// # Errors
    /// What the model itself reports; a picture that embeds to zero stays a zero row.
    fn embed(
        &mut self,
        pixels: &[u8],
        progress: &dyn Progress,
    ) -> Result<Vec<f32>, Box<dyn std::error::Error + Send + Sync>>;
}
