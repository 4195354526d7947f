//! One number for the weights of a network.

use crate::hexadecimal::hexadecimal;
use crate::network::Graph;
use sha2::{Digest, Sha256};

/// SHA-256 in hex of the names, shapes and values of all parameters, in their order: two networks that embed alike bit by bit
/// have the same, wherever they are stored.
pub fn fingerprint(graph: &Graph) -> String {
    let mut hash = Sha256::new();
    for parameter in &graph.parameters {
        hash.update(format!("{} {:?}\n", parameter.name, parameter.shape));
        let bytes: Vec<u8> = parameter.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        hash.update(bytes);
    }
    hexadecimal(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::by_name;

    #[test]
    fn one_bit_makes_another() {
        let graph = |seed| by_name("mobilenet_v2_0.25", [32, 16], 8, seed).unwrap();
        let mut other = graph(1);
        assert_eq!(fingerprint(&other), fingerprint(&graph(1)));
        assert_ne!(fingerprint(&other), fingerprint(&graph(2)));
        let value = &mut other.parameters[3].values[0];
        *value = f32::from_bits(value.to_bits() ^ 1);
        assert_ne!(fingerprint(&other), fingerprint(&graph(1)));
        assert_eq!(fingerprint(&other).len(), 64);
    }
}
