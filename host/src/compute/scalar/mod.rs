//! Plain loops: the specification of every faster kernel, and what runs where there is no SIMD.

pub mod depthwise;
pub mod matmul;
pub mod normalization;
pub mod pooling;
