//! Average query expansion: a query becomes the mean of itself and what it found.

use super::scores::{Scorer, highest};
use super::{Embeddings, EvaluationError};

/// Each query q becomes (q + Σ g) / (neighbours + 1) over its `neighbours` most similar gallery entries g, at unit length.
///
/// No label takes part: as in re-ranking, entries of the query's own camera and junk support it too, though a ranking
/// leaves them out afterwards. With 0 neighbours the queries stay. Chum et al. 2007, "Total Recall", §4.
///
/// # Errors
/// [`EvaluationError::Dimensions`].
pub fn expand_queries(
    queries: &Embeddings,
    gallery: &Embeddings,
    neighbours: usize,
) -> Result<Embeddings, EvaluationError> {
    queries.check_against(gallery)?;
    let expanded = Scorer::new(queries, gallery).map(|query, scores| {
        let mut sum = queries.row(query).to_vec();
        for entry in highest(scores, neighbours) {
            sum.iter_mut().zip(gallery.row(entry)).for_each(|(sum, value)| *sum += value);
        }
        sum
    });
    let (identities, cameras) = (queries.identities().to_vec(), queries.cameras().to_vec());
    Embeddings::new(queries.dimension(), expanded.concat(), identities, cameras)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Identity::Known;
    use crate::evaluation::rank;

    #[test]
    fn a_query_moves_towards_what_it_found() {
        // The query at 0° finds its identity at 10° and 20°; a third view at 50° is farther than a stranger at −45°.
        let queries = Embeddings::on_the_circle(&[(0.0, 0, 1)]);
        let gallery = Embeddings::on_the_circle(&[(10.0, 0, 2), (20.0, 0, 3), (50.0, 0, 4), (-45.0, 1, 2)]);
        let expanded = expand_queries(&queries, &gallery, 2).unwrap();
        let angle = expanded.row(0)[1].atan2(expanded.row(0)[0]).to_degrees();
        assert!((angle - 10.0).abs() < 1e-3, "the mean of 0°, 10° and 20° is not {angle}°");
        let [before, after] = [&queries, &expanded].map(|queries| rank(queries, &gallery).unwrap().map);
        assert!(before < 1.0 && after == 1.0, "{before} → {after}");
    }

    #[test]
    fn nothing_is_added_without_neighbours_and_everything_with_too_many() {
        let (queries, gallery) =
            (Embeddings::on_the_circle(&[(0.0, 0, 1)]), Embeddings::on_the_circle(&[(90.0, 0, 2)]));
        assert_eq!(expand_queries(&queries, &gallery, 0).unwrap(), queries);
        let expanded = expand_queries(&queries, &gallery, 100).unwrap();
        assert!((expanded.row(0)[0] - 0.5f32.sqrt()).abs() < 1e-6, "one entry, added once");
        let other = Embeddings::new(1, vec![1.0], vec![Known(0)], vec![1]).unwrap();
        assert!(matches!(expand_queries(&queries, &other, 1), Err(EvaluationError::Dimensions { .. })));
    }
}
