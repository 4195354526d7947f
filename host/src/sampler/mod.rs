//! Which pictures stand together in a batch. Metric learning lives on the make-up of its batches.

pub mod pk;

pub use pk::{PkSampler, PkSettings, SamplerError};
