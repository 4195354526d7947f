//! What the tests across the packages share.

mod aligned;
pub mod fuzz;
pub mod model;
pub mod tiny_model;

pub use aligned::Aligned;
