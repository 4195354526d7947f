//! The loop that turns a data set and a recipe into a checkpoint.
//!
//! [`train()`] is the whole of it. Everything random follows from the recipe's seed and the position in the run
//! (`randomness`), and everything else is in the checkpoint, so that a run that was interrupted and resumed ends with the
//! same weights to the bit as one that was not.

pub mod average;
pub mod checkpoint;
pub mod early_stopping;
pub mod error;
pub mod fingerprint;
pub mod history;
pub mod imported;
pub mod material;
pub mod mine;
pub mod on_top;
pub mod optimizer;
pub mod randomness;
pub mod recipe;
pub mod report;
pub mod schedule;
pub mod split;
pub mod teacher;
pub mod train;
pub mod validation;
pub mod vitals;
pub mod watchdog;

mod atomic;
mod batches;
mod guide;
mod objective;
mod tensors;
mod trainer;

#[cfg(test)]
mod guided_tests;
#[cfg(test)]
mod tests;

pub use checkpoint::{Checkpoint, CheckpointError, Learner, RunState, TripletsInForce};
pub use error::TrainingError;
pub use fingerprint::fingerprint;
pub use history::EpochRecord;
pub use material::Material;
pub use mine::{MineRequest, mine, save_triplets};
pub use on_top::OnTop;
pub use recipe::{Recipe, RecipeError};
pub use teacher::{TEACHER, Teacher, TeacherError};
pub use train::{BEST, LAST, LOG, MODEL, Options, Outcome, REPORT, TRIPLETS, train};
