//! Step 0: an embedding longer than a camera holds becomes its coordinates along the directions that matter most.

use deja_shared::embedding::MAX_DIMENSION;
use nalgebra::{DMatrix, SymmetricEigen};

use super::QuantizeError;
use crate::network::{Engine, Graph, Node, NodeId, Operator, Parameter, ParameterId, Role, Shape};
use crate::progress::Progress;

/// Pictures embedded between two words of progress.
const CHUNK: usize = 64;

/// `graph` with an embedding of at most [`MAX_DIMENSION`] components; as it is where that holds already
/// (or it is a map and no vector).
///
/// A matrix behind the embedding keeps the coordinates along the eigenvectors of Σ u·uᵀ with the greatest eigenvalues,
/// where u are the embeddings of `pictures` (`[n, height, width, 3]` RGB bytes) at length 1. No mean is taken away, so that
/// the cosines of what lies within these directions stay what they are (Eckart & Young 1936).
///
/// # Errors
/// No picture, not whole ones, an embedding that is not finite, or an interruption.
pub fn shorten(graph: &Graph, pictures: &[u8], progress: &dyn Progress) -> Result<Graph, QuantizeError> {
    let (shape, picture) = (graph.node(graph.embedding).shape, graph.input().len());
    let long = shape.channels;
    if shape.len() > long || long <= MAX_DIMENSION {
        return Ok(graph.clone());
    }
    if pictures.is_empty() {
        return Err(QuantizeError::NoPictures);
    }
    if !pictures.len().is_multiple_of(picture) {
        return Err(QuantizeError::PictureSize { bytes: pictures.len(), picture });
    }
    let moments = moments(graph, pictures, long, progress)?;
    let (directions, kept) = greatest(moments);
    tracing::info!(
        "the embedding's {long} components become {MAX_DIMENSION}, which keep {:.2} % of its squared length",
        100.0 * kept
    );
    Ok(behind(graph, long, directions))
}

/// Σ u·uᵀ over the pictures.
fn moments(
    graph: &Graph,
    pictures: &[u8],
    long: usize,
    progress: &dyn Progress,
) -> Result<DMatrix<f64>, QuantizeError> {
    let picture = graph.input().len();
    let mut engine = Engine::new(graph, CHUNK, std::thread::available_parallelism().map_or(1, usize::from));
    let mut sum = DMatrix::zeros(long, long);
    progress.start("find the embedding's directions", (pictures.len() / picture) as u64);
    for chunk in pictures.chunks(CHUNK * picture) {
        if progress.interrupted() {
            progress.finish();
            return Err(QuantizeError::Interrupted);
        }
        let count = chunk.len() / picture;
        let embeddings = engine.embed(graph, chunk, count);
        if embeddings.iter().any(|value| !value.is_finite()) {
            return Err(QuantizeError::NotFinite { name: graph.node(graph.embedding).name.clone() });
        }
        let mut rows = DMatrix::from_row_iterator(count, long, embeddings.iter().map(|&value| f64::from(value)));
        for mut row in rows.row_iter_mut() {
            let length = row.norm();
            row /= if length > 0.0 { length } else { 1.0 };
        }
        sum += rows.tr_mul(&rows);
        progress.advance(count as u64);
    }
    progress.finish();
    Ok(sum)
}

/// `[long, MAX_DIMENSION]`, row-major: the eigenvectors with the greatest eigenvalues as columns, and which part of the
/// trace they hold.
fn greatest(moments: DMatrix<f64>) -> (Vec<f32>, f64) {
    let trace = moments.trace();
    let eigen = SymmetricEigen::new(moments);
    let mut order: Vec<usize> = (0..eigen.eigenvalues.len()).collect();
    order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
    order.truncate(MAX_DIMENSION);
    let kept: f64 = order.iter().map(|&column| eigen.eigenvalues[column]).sum();
    let row = |row: usize| order.iter().map(move |&column| (row, column));
    let matrix = (0..eigen.eigenvectors.nrows()).flat_map(row).map(|place| eigen.eigenvectors[place] as f32).collect();
    (matrix, if trace > 0.0 { kept / trace } else { 1.0 })
}

fn behind(graph: &Graph, long: usize, directions: Vec<f32>) -> Graph {
    let mut shortened = graph.clone();
    let name = format!("{}.shortened", graph.node(graph.embedding).name);
    let weight = ParameterId(shortened.parameters.len());
    shortened.parameters.push(Parameter {
        name: format!("{name}.weight"),
        shape: vec![long, MAX_DIMENSION],
        values: directions,
        role: Role::Weight,
    });
    let operator = Operator::FullyConnected { weight, bias: None };
    let shape = Shape::new(1, 1, MAX_DIMENSION);
    shortened.nodes.push(Node { name, operator, inputs: vec![graph.embedding], shape });
    shortened.embedding = NodeId(shortened.nodes.len() - 1);
    shortened
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{by_name, interpreter};
    use crate::progress::Silent;
    use crate::quantize::fixtures::{INPUT, PICTURE, awake, pictures};

    fn cosine(a: &[f32], b: &[f32]) -> f32 {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    }

    #[test]
    fn cosines_are_kept() {
        let graph = awake(by_name("deja_nano", INPUT, 300, 1).unwrap(), 2);
        let pixels = pictures(6, 3);
        let shortened = shorten(&graph, &pixels, &Silent).unwrap();
        assert_eq!(shortened.dimension(), MAX_DIMENSION);
        let embeddings: Vec<[Vec<f32>; 2]> = (pixels.chunks_exact(PICTURE))
            .map(|picture| [&graph, &shortened].map(|g| interpreter::run(g, picture)[g.embedding.0].clone()))
            .collect();
        for [long, short] in &embeddings {
            let [first_long, first_short] = &embeddings[0];
            assert!((cosine(first_long, long) - cosine(first_short, short)).abs() < 1e-4);
        }
        let short = by_name("deja_nano", INPUT, 64, 1).unwrap();
        assert_eq!(shorten(&short, &[], &Silent).unwrap(), short);
        assert!(matches!(shorten(&graph, &[], &Silent), Err(QuantizeError::NoPictures)));
        assert!(matches!(shorten(&graph, &pixels[1..], &Silent), Err(QuantizeError::PictureSize { .. })));
    }
}
