//! The specification: plain loops, without any instruction set in mind.
//!
//! They run natively in the simulator and in the evaluation of data sets, and on every processor that has nothing
//! better, so slices are cut outside of the inner loops and the inner loops run over channels. That is all.

mod add;
mod convolution;
mod depthwise;
mod fully_connected;
mod global_average_pool;
mod pointwise;
#[cfg(test)]
mod testing;

pub use add::add;
pub use convolution::convolution;
pub use depthwise::depthwise;
pub use fully_connected::fully_connected;
pub use global_average_pool::global_average_pool;
pub use pointwise::pointwise;

/// Σ aᵢ·bᵢ, modulo 2³².
fn dot(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b)).fold(0, i32::wrapping_add)
}

/// Σ aᵢ, modulo 2³².
fn sum(a: &[i8]) -> i32 {
    a.iter().map(|&a| i32::from(a)).fold(0, i32::wrapping_add)
}

/// A requantized value within bounds of 8 bits.
fn narrow(value: i32) -> i8 {
    // The requantizer has clamped it.
    value as i8
}
