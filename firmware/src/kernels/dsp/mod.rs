//! Cores with the DSP extension: Cortex-M4, M7, M33.
//!
//! What is not faster here is the reference's.

pub use super::reference::{
    add, channel_scale, channel_scale_add, convolution, depthwise, fully_connected, global_average_pool, max_pool,
    pointwise, pointwise_add,
};
