//! The bytes that host and camera agree on. No allocation, no floating-point arithmetic, no `unsafe`.
//!
//! * [`quant`]: the one rounding rule of all integer arithmetic,
//! * [`tensor`]: shapes and borrowed views of activations,
//! * [`model`]: the `.deja` file, read in place from flash,
//! * [`embedding`]: the int8 direction that is compared,
//! * [`protocol`]: frames, endpoints and messages on the link.
//!
//! This crate never performs input or output, and knows no board and no operating system.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(not(target_endian = "little"))]
compile_error!("the model is read in place and is little-endian");

pub mod embedding;
pub mod model;
pub mod protocol;
pub mod quant;
pub mod tensor;
