//! Which triplets of a batch (or of a whole set) are worth learning from.
//!
//! A strategy a file: it reads distances and identities and names [`Triplet`]s; `loss` decides what they cost.

pub mod batch_hard;
pub mod cross_batch;
pub mod distance;
pub mod memory;

pub use batch_hard::batch_hard;
pub use distance::{Distances, distance};
pub use memory::Memory;

/// Rows of a batch: an anchor, a picture of the same identity, and one of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Triplet {
    /// Row of the anchor.
    pub anchor: usize,
    /// Row of another picture of the anchor's identity.
    pub positive: usize,
    /// Row of a picture of another identity.
    pub negative: usize,
}
