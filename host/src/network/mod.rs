//! The network as data (`graph`), the named networks, and the engine that runs and differentiates them.

pub mod graph;
pub use graph::{Activation, Graph, Node, NodeId, Operator, Parameter, ParameterId, Role, Shape};
