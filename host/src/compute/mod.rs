//! Forward and backward primitives on slices, with SIMD by run-time dispatch; each has a plain twin.
//!
//! Activations are NHWC, so the channel is the fastest axis and every primitive is a loop over positions of one
//! contiguous row of channels. [`Kernels`] is a table of functions, one table an instruction set; `scalar` is the
//! specification the others are tested against. [`team`] runs one worker a thread and adds up what they found.
//! [`int8`] holds a camera's integer arithmetic in the same manner. Nothing here knows of networks.

pub mod int8;
pub mod kernels;
pub mod patches;
mod scalar;
mod simd;
pub mod team;

pub use kernels::{Affine, Combination, Kernels, Matmul, Moments, Pullback, Window};
