//! How well held-out identities find themselves again while a run goes on.

use crate::dataset::Images;
use crate::evaluation::{Embeddings, rank};
use crate::network::{Engine, Graph};

/// Scores over the held-out identities, 0..1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    /// Mean average precision.
    pub map: f32,
    /// Share of queries whose best match is of their identity.
    pub rank1: f32,
}

/// Every held-out picture searches all the others; by the protocol of a ranking those of its own identity and camera are
/// left out, itself among them. `None` when no picture has a match left, or an embedding is not finite.
pub fn validate(engine: &mut Engine, graph: &Graph, images: &Images) -> Option<Scores> {
    let vectors = engine.embed(graph, &images.pixels, images.len());
    let (identities, cameras) = (images.identities.clone(), images.cameras.clone());
    let embeddings = Embeddings::new(graph.dimension(), vectors, identities, cameras).ok()?;
    let ranking = rank(&embeddings, &embeddings).ok()?;
    Some(Scores { map: ranking.map as f32, rank1: ranking.rank1() as f32 })
}
