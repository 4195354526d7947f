//! A float network with the engine that runs it, as evaluation wants it.

use super::{Engine, Graph};
use crate::evaluation::EmbeddingModel;
use crate::progress::Progress;

/// Pictures between two words of progress.
const CHUNK: usize = 128;

/// A graph in inference mode; embeddings are L2-normalized.
#[derive(Debug)]
pub struct FloatModel {
    graph: Graph,
    engine: Engine,
}

/// Why pixels cannot be embedded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmbedError {
    /// The bytes are not whole pictures.
    #[error("{bytes} bytes are not whole {height}x{width} RGB pictures; resize the pictures to the network's input")]
    NotWholePictures {
        /// Bytes given.
        bytes: usize,
        /// Rows of a picture.
        height: usize,
        /// Columns of a picture.
        width: usize,
    },
    /// The caller asked to stop.
    #[error("interrupted before all pictures were embedded")]
    Interrupted,
}

impl FloatModel {
    /// `graph` on `threads` threads.
    pub fn new(graph: Graph, threads: usize) -> Self {
        let engine = Engine::new(&graph, CHUNK, threads);
        Self { graph, engine }
    }

    /// The network.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }
}

impl EmbeddingModel for FloatModel {
    fn input(&self) -> [usize; 2] {
        let shape = self.graph.input();
        [shape.height, shape.width]
    }

    fn dimension(&self) -> usize {
        self.graph.dimension()
    }

    fn embed(
        &mut self,
        pixels: &[u8],
        progress: &dyn Progress,
    ) -> Result<Vec<f32>, Box<dyn std::error::Error + Send + Sync>> {
        let (len, [height, width]) = (self.graph.input().len(), self.input());
        if !pixels.len().is_multiple_of(len) {
            return Err(EmbedError::NotWholePictures { bytes: pixels.len(), height, width }.into());
        }
        progress.start("embed", (pixels.len() / len) as u64);
        let mut embeddings = Vec::with_capacity(pixels.len() / len * self.dimension());
        for chunk in pixels.chunks(CHUNK * len) {
            if progress.interrupted() {
                progress.finish();
                return Err(EmbedError::Interrupted.into());
            }
            let count = chunk.len() / len;
            embeddings.extend(self.engine.embed(&self.graph, chunk, count));
            progress.advance(count as u64);
        }
        progress.finish();
        normalize_rows(&mut embeddings, self.graph.dimension());
        Ok(embeddings)
    }
}

/// Divides each row by its Euclidean length; a zero row stays zero.
fn normalize_rows(values: &mut [f32], dimension: usize) {
    for row in values.chunks_exact_mut(dimension) {
        let length = row.iter().map(|value| value * value).sum::<f32>().sqrt();
        if length > 0.0 {
            row.iter_mut().for_each(|value| *value /= length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{by_name, interpreter};
    use crate::progress::Silent;

    #[test]
    fn embeddings_are_the_interpreters_normalized_and_wrong_sizes_are_refused() {
        let graph = by_name("mobilenet_v2_0.35", [16, 16], 8, 1).expect("a known name");
        let pixels: Vec<u8> = (0..3 * 16 * 16 * 3).map(|index| (index * 31 % 251) as u8).collect();
        let mut expected = Vec::new();
        for picture in pixels.chunks_exact(16 * 16 * 3) {
            expected.extend_from_slice(&interpreter::run(&graph, picture)[graph.embedding.0]);
        }
        normalize_rows(&mut expected, 8);
        let mut model = FloatModel::new(graph, 2);
        let embeddings = model.embed(&pixels, &Silent).expect("whole pictures");
        for (got, want) in embeddings.iter().zip(&expected) {
            assert!((got - want).abs() < 1e-4, "{got} instead of {want}");
        }
        assert_eq!(embeddings.len(), 24);
        let error = model.embed(&pixels[1..], &Silent).expect_err("not whole");
        assert!(error.to_string().contains("16x16"), "{error}");
    }
}
