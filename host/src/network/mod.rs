//! The network as data (`graph`), the named networks, and the engine that runs and differentiates them.
//!
//! `interpreter` runs a graph node by node and is the reference; `engine` runs the same graph as a plan of fused steps,
//! forward and backward, over a batch and a team of threads. Both compute with [`crate::compute`] and agree.

pub mod bench;
pub mod builder;
pub mod channel_gate;
pub mod channels;
pub mod curve;
pub mod deja_nano;
pub mod engine;
pub mod float_model;
#[cfg(test)]
mod golden;
pub mod graph;
pub mod interpreter;
pub mod inverted_residual;
pub mod mobilenet_v1;
pub mod mobilenet_v2;
pub mod osnet;
pub mod pooling;

pub use deja_nano::DejaNano;
pub use engine::{Engine, Gradients, Outputs};
pub use float_model::FloatModel;
pub use graph::{Activation, Graph, Node, NodeId, Operator, Parameter, ParameterId, Role, Shape};
pub use mobilenet_v1::MobileNetV1;
pub use mobilenet_v2::MobileNetV2;
pub use osnet::OsNet;
pub use pooling::Pool;

/// The names [`by_name`] knows.
pub const NAMES: [&str; 11] = [
    "deja_nano",
    "mobilenet_v1_0.25",
    "mobilenet_v2_0.25",
    "mobilenet_v2_0.35",
    "mobilenet_v2_0.5",
    "mobilenet_v2_0.75",
    "mobilenet_v2_1",
    "osnet_x0.25",
    "osnet_x0.5",
    "osnet_x0.75",
    "osnet_x1",
];

/// Behind a name, asks for [`Pool::GeneralizedMean`] instead of the average, as in `osnet_x0.25_gem`.
pub const GENERALIZED_MEAN: &str = "_gem";

/// Why there is no such network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// No network has this name.
    #[error("no network is named `{name}`; choose one of {}, or one of these with `{GENERALIZED_MEAN}` behind it for a generalized-mean pool", NAMES.join(", "))]
    UnknownName {
        /// What was asked for.
        name: String,
    },
    /// The network's pools leave nothing of the picture.
    #[error("`{name}` needs a picture of at least {least}x{least}, not {height}x{width}")]
    TooSmall {
        /// What was asked for.
        name: String,
        /// Least rows and columns.
        least: usize,
        /// Rows of the picture.
        height: usize,
        /// Columns of the picture.
        width: usize,
    },
    /// The picture or the embedding has no extent.
    #[error(
        "`{name}` needs a picture of at least 1x1 and at least 1 embedding component, not {height}x{width} and {embedding}"
    )]
    Empty {
        /// What was asked for.
        name: String,
        /// Rows of the picture.
        height: usize,
        /// Columns of the picture.
        width: usize,
        /// Components of the embedding.
        embedding: usize,
    },
}

/// The network called `name` (one of [`NAMES`], perhaps followed by [`GENERALIZED_MEAN`]) for pictures of `input` = \[height, width\], initialized from `seed`.
///
/// # Errors
/// An unknown name (the message lists the known ones), an extent of zero, or a picture too small for the network's pools.
pub fn by_name(name: &str, input: [usize; 2], embedding: usize, seed: u64) -> Result<Graph, NetworkError> {
    let unknown = || NetworkError::UnknownName { name: name.into() };
    let (base, pool) = match name.strip_suffix(GENERALIZED_MEAN) {
        Some(base) => (base, Pool::GeneralizedMean),
        None => (name, Pool::Average),
    };
    if !NAMES.contains(&base) {
        return Err(unknown());
    }
    if input.contains(&0) || embedding == 0 {
        return Err(NetworkError::Empty { name: name.into(), height: input[0], width: input[1], embedding });
    }
    if base.starts_with("osnet") && input.iter().any(|extent| *extent < osnet::LEAST_EXTENT) {
        let [height, width] = input;
        return Err(NetworkError::TooSmall { name: name.into(), least: osnet::LEAST_EXTENT, height, width });
    }
    let width = || {
        let families = ["osnet_x", "mobilenet_v1_", "mobilenet_v2_"];
        let width = families.iter().find_map(|family| base.strip_prefix(family)).unwrap_or_default();
        width.parse().map_err(|_| unknown())
    };
    let mut graph = match base {
        "deja_nano" => DejaNano { input, embedding, pool }.build(seed),
        _ if base.starts_with("osnet") => OsNet { width: width()?, input, embedding, pool }.build(seed),
        _ if base.starts_with("mobilenet_v1") => MobileNetV1 { width: width()?, input, embedding, pool }.build(seed),
        _ => MobileNetV2 { width: width()?, input, embedding, pool }.build(seed),
    };
    graph.name = name.into();
    Ok(graph)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_name_builds_a_network_of_that_name() {
        for name in NAMES {
            let gem = format!("{name}{GENERALIZED_MEAN}");
            for name in [name, &gem] {
                assert_eq!(by_name(name, [32, 32], 8, 0).expect("a listed name").name, name);
            }
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = by_name("resnet_50", [32, 32], 8, 0).expect_err("no such network");
        assert!(error.to_string().contains("mobilenet_v2_0.35"), "{error}");
        assert!(by_name("mobilenet_v2_0.35", [0, 32], 8, 0).is_err());
        let error = by_name("osnet_x0.25", [64, 8], 8, 0).expect_err("nothing would be left");
        assert!(error.to_string().contains("16x16"), "{error}");
    }
}
