//! Cores with the DSP extension: Cortex-M4, M7, M33.
//!
//! The compiler knows no intrinsics for these instructions and spills what does not fit fourteen registers, so inner loops
//! are whole functions in assembly, each with a struct of what it reads; plain Rust around them cuts the work up, which is
//! where bounds are checked.
//!
//! * Matrices and dense convolutions: `convolution` lays its windows out as rows of taps, `matrix` takes positions as such,
//!   `words` makes 16 bits of 8, `rows` applies filters to four rows at a time or to one; `widen`, `block` and `row` are the
//!   assembly of that.
//! * Depthwise: `plane` brings four channels of a part of the input together, `filters` their filters, `taps` applies these.
//! * `search`: a probe and four templates at a time.
//! * `gate`: factors of channels; `clamp`: bounds narrower than an int8.
#![allow(
    unsafe_code,
    reason = "inner loops are assembly: every block says why it reads and writes only what is borrowed"
)]

#[macro_use]
mod assembly;
mod add;
mod block;
mod channel_scale;
mod channel_scale_add;
mod clamp;
mod convolution;
mod depthwise;
mod filters;
mod fully_connected;
mod gate;
mod global_average_pool;
mod matrix;
mod max_pool;
mod plane;
mod pointwise;
mod pointwise_add;
mod row;
mod rows;
mod search;
mod taps;
mod widen;
mod words;

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
