//! The specification: plain loops, without any instruction set in mind.
//!
//! They run natively in the simulator and in the evaluation of data sets, and on every processor that has nothing
//! better, so slices are cut outside of the inner loops and the inner loops run over channels. That is all.

mod add;
mod channel_scale;
mod channel_scale_add;
mod concat;
mod convolution;
mod depthwise;
mod fully_connected;
mod generalized_mean_pool;
mod global_average_pool;
mod lookup;
mod max_pool;
mod pointwise;
mod pointwise_add;
mod prelu;
mod search;
#[cfg(test)]
pub(super) mod testing;
mod widen;

pub use add::add;
pub use channel_scale::channel_scale;
pub use channel_scale_add::channel_scale_add;
pub use concat::concat;
pub use convolution::convolution;
pub(super) use convolution::{Place, Source};
pub use depthwise::depthwise;
pub use fully_connected::fully_connected;
pub use generalized_mean_pool::generalized_mean_pool;
pub use global_average_pool::global_average_pool;
pub use lookup::lookup;
pub use max_pool::max_pool;
pub use pointwise::pointwise;
pub use pointwise_add::pointwise_add;
pub use prelu::prelu;
pub use search::Probe;
pub use widen::widen;

/// The place of an int8 in a table that starts with the entry for −128.
fn entry(value: i8) -> usize {
    usize::from(value as u8 ^ 0x80)
}

/// A requantized value within bounds of 8 bits.
fn narrow(value: i32) -> i8 {
    // The requantizer has clamped it.
    value as i8
}
