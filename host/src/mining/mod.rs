//! Which triplets of a batch (or of a whole set) are worth learning from.
//!
//! A strategy a file: it reads distances and identities and names [`Triplet`]s; `loss` decides what they cost.

pub mod batch_hard;
pub mod distance;
pub mod distance_rows;
pub mod error;
pub mod memory;
pub mod n_pair_classes;
pub mod offline;
pub mod semi_hard;
pub mod triplet_class;
pub mod triplet_file;

mod pool;

pub use batch_hard::batch_hard;
pub use distance::{Distances, Metric, distance};
pub use distance_rows::distance_rows;
pub use error::MiningError;
pub use memory::Memory;
pub use n_pair_classes::n_pair_classes;
pub use offline::{Mined, OfflineSettings, mine};
pub use semi_hard::{Fallback, semi_hard};
pub use triplet_class::{Counts, TripletClass, TripletShares};
pub use triplet_file::{TripletFile, TripletFileError};

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
