//! What the tests across the packages share.

pub mod binary;
pub mod chained;
pub mod constants;
pub mod fuzz;
pub mod instructions;
pub mod model;
pub mod native;
pub mod parity;
pub mod session;
pub mod tools;
