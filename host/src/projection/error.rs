//! Why no metric can be put on top.

use crate::evaluation::EvaluationError;

/// Why no metric can be learned, or put into a network.
#[derive(Debug, thiserror::Error)]
pub enum ProjectionError {
    /// Lists that do not belong together.
    #[error("{vectors} numbers and {identities} identities do not make rows of {dimension}")]
    Shape {
        /// Components of an embedding.
        dimension: usize,
        /// Numbers given.
        vectors: usize,
        /// Identities given.
        identities: usize,
    },
    /// A mean and a variance need two.
    #[error(
        "a metric on top needs at least 2 training pictures, not {pictures}; give more, or set metric_on_top = \"none\""
    )]
    TooFewPictures {
        /// Pictures given.
        pictures: usize,
    },
    /// There is nothing to tell apart.
    #[error(
        "LDA needs at least 2 identities of which one has 2 pictures, not {identities} identities of which {repeated} have 2; \
         give more pictures, or take whitening"
    )]
    TooFewIdentities {
        /// Identities given.
        identities: usize,
        /// Those with at least two pictures.
        repeated: usize,
    },
    /// Every embedding is the same, or every embedding of an identity.
    #[error("{what} embed to the same vector: the network has collapsed or the pictures are copies; train it anew")]
    Constant {
        /// Which pictures.
        what: &'static str,
    },
    /// The map and the network differ in dimension.
    #[error("the map takes {map} components and the network gives {network}")]
    Dimensions {
        /// Components the map takes.
        map: usize,
        /// Components of the embedding.
        network: usize,
    },
    /// The map does not fit into the network.
    #[error(
        "{network}: its embedding is not a fully connected layer with at most a batch norm behind it, so nothing folds into it"
    )]
    NotFoldable {
        /// Name of the network.
        network: String,
    },
    /// Two models cannot be aligned on so little.
    #[error(
        "{pairs} pictures of {identities} identities are too few to learn from; give at least 16 of 5 identities, and better \
         several times as many pictures as an embedding has components"
    )]
    TooFewPairs {
        /// Pictures in which both models see something.
        pairs: usize,
        /// Whom they show.
        identities: usize,
    },
    /// Embeddings of one model that differ in dimension.
    #[error(
        "the embeddings of one model differ in their number of components: embed all pictures with the same two models"
    )]
    PairDimensions,
    /// An embedding is not finite.
    #[error(transparent)]
    Embeddings(#[from] EvaluationError),
    /// The user asked to stop.
    #[error("interrupted before all training pictures were embedded")]
    Interrupted,
}
