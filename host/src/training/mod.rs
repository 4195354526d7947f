//! The loop that turns a data set and a recipe into a checkpoint.

pub mod optimizer;
pub mod randomness;
pub mod schedule;
pub mod split;
