//! How well embeddings find identities again: ranking, verification, open set.

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
