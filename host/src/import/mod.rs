//! Networks brought along and taken away: ONNX through tract, which also is our independent oracle.
//!
//! * [`onnx`]: an ONNX file as an embedding model, for evaluation and comparison;
//! * [`export`]: our graph as an ONNX file, for every other program;
//! * [`oracle`]: our graph run by tract, so that nobody has to believe our own engine.

mod error;
pub mod export;
pub mod onnx;
pub mod oracle;

pub use error::ImportError;
pub use onnx::OnnxModel;
