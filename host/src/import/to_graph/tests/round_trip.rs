//! Our own networks, exported and brought back.

use super::agrees;
use crate::import::export::export;
use crate::network::{NAMES, Operator, by_name};
use crate::quantize::fixtures::awake;

#[test]
fn every_named_network_comes_back_as_the_same_layers() {
    for name in NAMES.into_iter().filter(|name| !name.ends_with("0.75") && !name.ends_with("_1")) {
        for name in [name.to_owned(), format!("{name}_gem")] {
            // At half this size MobileNetV1 would pool a single position, which is nothing to do.
            let graph = awake(by_name(&name, [64, 32], 8, 3).unwrap(), 7);
            let imported = agrees(&export(&graph), None);
            let layers = |graph: &crate::network::Graph| {
                let layer = |node: &&crate::network::Node| !matches!(node.operator, Operator::BatchNorm { .. });
                graph.nodes.iter().filter(layer).count()
            };
            assert_eq!(layers(&imported), layers(&graph), "{name}");
        }
    }
}
