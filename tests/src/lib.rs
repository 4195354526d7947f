//! What the tests across the packages share.

mod aligned;
pub mod fuzz;
pub mod model;
pub mod native;
pub mod session;

pub use aligned::Aligned;
