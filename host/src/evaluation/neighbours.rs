//! Which embeddings are nearest to each, and how far two models agree about that.

use super::scores::{Scorer, highest};
use super::{Embeddings, EvaluationError};

/// The share of each picture's `count` nearest pictures (fewer where there are fewer) that both models name, on average over
/// the pictures; 1 where there is nothing to compare. Rows of `a` and `b` are embeddings of the same pictures.
///
/// # Errors
/// Different numbers of rows.
pub fn neighbour_agreement(a: &Embeddings, b: &Embeddings, count: usize) -> Result<f64, EvaluationError> {
    if a.len() != b.len() {
        let (vectors, identities, cameras) = (a.vectors().len(), a.len(), b.len());
        return Err(EvaluationError::Shape { dimension: a.dimension(), vectors, identities, cameras });
    }
    let count = count.min(a.len().saturating_sub(1));
    if count == 0 {
        return Ok(1.0);
    }
    let (of_a, of_b) = (nearest(a, count), nearest(b, count));
    let shared = of_a.iter().zip(&of_b).map(|(a, b)| a.iter().filter(|index| b.contains(index)).count()).sum::<usize>();
    Ok(shared as f64 / (count * a.len()) as f64)
}

/// The `count` nearest others of each row, by cosine.
fn nearest(embeddings: &Embeddings, count: usize) -> Vec<Vec<usize>> {
    Scorer::new(embeddings, embeddings).map(|query, scores| {
        scores[query] = f32::NEG_INFINITY;
        highest(scores, count)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circle(degrees: &[f32]) -> Embeddings {
        let entries: Vec<(f32, usize, u32)> = degrees.iter().map(|&angle| (angle, 0, 0)).collect();
        Embeddings::on_the_circle(&entries)
    }

    #[test]
    fn the_same_and_a_turned_circle_agree_and_a_moved_one_does_not() {
        let a = circle(&[0.0, 10.0, 30.0, 70.0]);
        assert_eq!(neighbour_agreement(&a, &a, 2).unwrap(), 1.0);
        assert_eq!(neighbour_agreement(&a, &circle(&[90.0, 100.0, 120.0, 160.0]), 2).unwrap(), 1.0);
        // Nearest one: 10, 0, 10, 30 degrees; then 10, 0 or 31, 70 and 30.
        let moved = circle(&[0.0, 10.0, 60.0, 70.0]);
        assert_eq!(neighbour_agreement(&a, &moved, 1).unwrap(), 0.75);
        assert_eq!(neighbour_agreement(&a, &moved, 10).unwrap(), 1.0, "all others are everybody's neighbours");
    }

    #[test]
    fn one_picture_has_no_neighbours_and_other_pictures_are_an_error() {
        assert_eq!(neighbour_agreement(&circle(&[5.0]), &circle(&[9.0]), 10).unwrap(), 1.0);
        assert!(neighbour_agreement(&circle(&[5.0]), &circle(&[9.0, 1.0]), 10).is_err());
    }
}
