//! Ranking by pairs of cameras: which view finds which other view badly.

use super::{Embeddings, EvaluationError, rank};
use rayon::prelude::*;
use std::collections::BTreeSet;

/// How queries from one camera find what another camera saw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CameraPair {
    /// Camera of the queries.
    pub query_camera: u32,
    /// Camera of the gallery's entries.
    pub gallery_camera: u32,
    /// Queries with a match there.
    pub queries: usize,
    /// Entries of that camera.
    pub gallery: usize,
    /// Mean average precision, 0 to 1.
    pub map: f64,
    /// CMC at rank 1, 0 to 1.
    pub rank1: f64,
}

/// Ranks, for each query camera and each gallery camera, only the entries of the one for queries of the other.
///
/// The protocol is that of [`rank`], so a camera never searches itself. Pairs without a query that has a match are left out.
/// In order of the cameras' numbers.
///
/// # Errors
/// [`EvaluationError::Dimensions`]; [`EvaluationError::NoMatches`] when no pair is left.
pub fn camera_pairs(queries: &Embeddings, gallery: &Embeddings) -> Result<Vec<CameraPair>, EvaluationError> {
    queries.check_against(gallery)?;
    let by_camera = |all: &Embeddings| -> Vec<(u32, Embeddings)> {
        let cameras: BTreeSet<u32> = all.cameras().iter().copied().collect();
        cameras.into_iter().map(|camera| (camera, all.filter(|index| all.cameras()[index] == camera))).collect()
    };
    let (queries_by, gallery_by) = (by_camera(queries), by_camera(gallery));
    let pairs: Vec<_> = queries_by.iter().flat_map(|from| gallery_by.iter().map(move |to| (from, to))).collect();
    let ranked = pairs.into_par_iter().map(|((query_camera, from), (gallery_camera, to))| match rank(from, to) {
        Ok(ranking) => Ok(Some(CameraPair {
            query_camera: *query_camera,
            gallery_camera: *gallery_camera,
            queries: ranking.queries.len(),
            gallery: to.len(),
            map: ranking.map,
            rank1: ranking.rank1(),
        })),
        Err(EvaluationError::NoMatches { .. }) => Ok(None),
        Err(error) => Err(error),
    });
    let found: Vec<CameraPair> = ranked.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    if found.is_empty() { Err(EvaluationError::NoMatches { queries: queries.len() }) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_camera_that_turns_pictures_around_is_found_out() {
        // Camera 3 sees identity 0 where the others see identity 1.
        let queries = Embeddings::on_the_circle(&[(0.0, 0, 1), (0.0, 0, 2), (90.0, 1, 1)]);
        let gallery = Embeddings::on_the_circle(&[(5.0, 0, 1), (5.0, 0, 2), (85.0, 1, 2), (90.0, 0, 3), (0.0, 1, 3)]);
        let pairs = camera_pairs(&queries, &gallery).unwrap();
        let names: Vec<_> = pairs.iter().map(|pair| (pair.query_camera, pair.gallery_camera)).collect();
        assert_eq!(names, [(1, 2), (1, 3), (2, 1), (2, 3)], "no camera searches itself");
        assert_eq!((pairs[0].queries, pairs[0].gallery, pairs[0].map, pairs[0].rank1), (2, 2, 1.0, 1.0));
        assert_eq!((pairs[1].map, pairs[1].rank1), (0.5, 0.0), "the match is second of two");
        assert_eq!(pairs[2].map, 1.0);
    }

    #[test]
    fn one_camera_alone_has_no_pair() {
        let all = Embeddings::on_the_circle(&[(0.0, 0, 1), (3.0, 0, 1)]);
        assert!(matches!(camera_pairs(&all, &all), Err(EvaluationError::NoMatches { queries: 2 })));
    }
}
