//! Forward and backward primitives on slices, with SIMD by run-time dispatch; each has a plain twin.
