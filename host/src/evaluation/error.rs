//! Why embeddings could not be evaluated.

/// What is wrong with the embeddings that were given.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    /// The lists do not belong together.
    #[error("{vectors} numbers, {identities} identities and {cameras} cameras do not make rows of {dimension}")]
    Shape {
        /// Components of an embedding.
        dimension: usize,
        /// Numbers given.
        vectors: usize,
        /// Identities given.
        identities: usize,
        /// Cameras given.
        cameras: usize,
    },
    /// An embedding holds an infinity or no number at all.
    #[error("embedding {row} is not finite: the model has diverged or is damaged; train it again with a lower rate")]
    NotFinite {
        /// Which one.
        row: usize,
    },
    /// Queries and gallery come from different models.
    #[error("queries have {queries} components and the gallery {gallery}: embed both with the same model")]
    Dimensions {
        /// Components of a query.
        queries: usize,
        /// Components of a gallery entry.
        gallery: usize,
    },
    /// Nothing can be ranked.
    #[error("none of {queries} queries has a picture of the same identity from another camera in the gallery")]
    NoMatches {
        /// Queries given.
        queries: usize,
    },
    /// No pair, or no probe, of different identities.
    #[error("there are no pictures of different identities to compare: add identities to the query and gallery splits")]
    NoImpostors,
    /// The model could not embed the pictures.
    #[error("the model could not embed the pictures")]
    Model(#[source] Box<dyn std::error::Error + Send + Sync>),
}
