//! Networks brought along and taken away: ONNX through tract, which also is our independent oracle.
//!
//! * [`to_graph`]: an ONNX file as our own graph, which everything else here works on;
//! * [`onnx`]: an ONNX file run by tract, for what our graph does not cover, and for comparison;
//! * [`export`]: our graph as an ONNX file, for every other program;
//! * [`oracle`]: our graph run by tract, so that nobody has to believe our own engine.
//!
//! `source` reads and checks a file for both readers, and `guard` keeps tract's panics from us; `preprocessing` says how a
//! file wants its pixels; `proto` spells the format's messages.

mod error;
pub mod export;
mod guard;
pub mod onnx;
pub mod oracle;
mod preprocessing;
mod proto;
mod source;
pub mod to_graph;

pub use error::{ForeignNode, ImportError};
pub use onnx::OnnxModel;
pub use preprocessing::{NotPreprocessing, Preprocessing};
pub use to_graph::{Obstacle, import};
