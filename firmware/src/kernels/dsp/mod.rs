//! Cores with the DSP extension: Cortex-M4, M7, M33.
//!
//! The compiler knows no intrinsics for these instructions and spills what does not fit fourteen registers, so inner loops
//! are whole functions in assembly, each with a struct of what it reads; plain Rust around them cuts the work up, which is
//! where bounds are checked. What is not faster here is the reference's.
//!
//! * Depthwise: [`plane`] brings four channels of a part of the input together, [`taps`] applies their filters.
//! * [`clamp`]: bounds narrower than an int8.
#![allow(
    unsafe_code,
    reason = "inner loops are assembly: every block says why it reads and writes only what is borrowed"
)]

#[macro_use]
mod assembly;
mod clamp;
mod depthwise;
mod plane;
mod taps;

pub use super::reference::{
    add, channel_scale, channel_scale_add, convolution, fully_connected, global_average_pool, max_pool, pointwise,
    pointwise_add,
};
pub use depthwise::depthwise;
