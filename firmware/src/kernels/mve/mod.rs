//! Cores with vectors of 128 bits (Helium, Armv8.1-M): Cortex-M55.
//!
//! The compiler knows no intrinsics for these instructions, so inner loops are whole functions in assembly, each with a
//! struct of what it reads, and plain Rust around them cuts slices, which is where the bounds are checked. What is not
//! faster here is the reference's.
//!
//! * Matrices and dense convolutions: `convolution` lays its windows out as rows of taps, `matrix` applies four filters
//!   at a time to rows, `block` is the assembly of that.
//! * Depthwise: `plane` brings 16 channels of a part of the input together, `taps` applies their `filters`.
//! * `search`: a probe and four templates at a time.
//! * `requantize`: sums into results, the same text everywhere.
#![allow(
    unsafe_code,
    reason = "inner loops are assembly: every block says why it reads and writes only what is borrowed"
)]

#[macro_use]
mod requantize;
mod add;
mod block;
mod channel_scale;
mod channel_scale_add;
mod convolution;
mod depthwise;
mod filters;
mod fully_connected;
mod global_average_pool;
mod matrix;
mod max_pool;
mod patches;
mod plane;
mod pointwise;
mod pointwise_add;
mod rows;
mod scale;
mod search;
mod taps;

pub use super::reference::{concat, generalized_mean_pool, prelu, widen};
pub use add::add;
pub use channel_scale::channel_scale;
pub use channel_scale_add::channel_scale_add;
pub use convolution::convolution;
pub use depthwise::depthwise;
pub use fully_connected::fully_connected;
pub use global_average_pool::global_average_pool;
pub use max_pool::max_pool;
pub use pointwise::pointwise;
pub use pointwise_add::pointwise_add;
pub use search::Probe;
