//! For each activation, the bounds that hurt those who read it least.

use rayon::prelude::*;

use super::super::QuantizeError;
use super::super::scale::Quantization;
use super::super::structure::Structure;
use super::{Range, activations};
use crate::network::{Graph, NodeId, Operator, interpreter};
use crate::progress::Progress;

/// Most pictures that take part.
pub(super) const PICTURES: usize = 32;

/// For each node the range among its `candidates` with which the nodes that read it, the rest being float, err least:
/// Σ (f(q(x)) − f(x))² over all pictures, each reader's sum relative to Σ f(x)². Activation functions belong to the layer
/// before them on both sides. What nobody reads, the embedding, keeps its first candidate.
pub(super) fn choose(
    graph: &Graph,
    pictures: &[u8],
    candidates: &[Vec<Range>],
    progress: &dyn Progress,
) -> Result<Vec<Range>, QuantizeError> {
    let picture = graph.input().len();
    let count = pictures.len() / picture;
    let sample = count.min(PICTURES);
    let structure = Structure::of(graph);
    let errors = (0..sample)
        .into_par_iter()
        .map(|index| {
            let pixels = &pictures[index * count / sample * picture..][..picture];
            let mut results = activations(graph, pixels, progress)?;
            let node = |node: usize| errors(graph, &structure, &mut results, NodeId(node), &candidates[node]);
            Ok((0..candidates.len()).map(node).collect::<Vec<_>>())
        })
        .try_reduce_with(|a: Vec<Vec<f64>>, b| {
            Ok(a.into_iter().zip(b).map(|(a, b)| a.iter().zip(b).map(|(a, b)| a + b).collect()).collect())
        })
        .unwrap_or(Err(QuantizeError::NoPictures))?;
    let least = |(candidates, errors): (&Vec<Range>, Vec<f64>)| {
        let first = candidates[0];
        let best = candidates.iter().zip(errors).fold((first, f64::INFINITY), |(best, least), (range, error)| {
            if error < least { (*range, error) } else { (best, least) }
        });
        best.0
    };
    Ok(candidates.iter().zip(errors).map(least).collect())
}

/// The error of each candidate on one picture; none for a node that is not stored or not read.
fn errors(
    graph: &Graph,
    structure: &Structure,
    results: &mut [Vec<f32>],
    id: NodeId,
    candidates: &[Range],
) -> Vec<f64> {
    let mut errors = vec![0.0; candidates.len()];
    if structure.is_joined(graph, id) || matches!(graph.node(id).operator, Operator::Input) {
        return errors;
    }
    let exact = results[id.0].clone();
    for &reader in &structure.readers[id.0] {
        let expected = output(graph, structure, results, reader);
        let energy: f64 = expected.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        for (error, range) in errors.iter_mut().zip(candidates) {
            let quantization = Quantization::int8(*range, 0.0);
            results[id.0].iter_mut().zip(&exact).for_each(|(value, &x)| *value = quantization.round(x));
            let got = output(graph, structure, results, reader);
            let noise: f64 = got.iter().zip(&expected).map(|(a, b)| f64::from(a - b).powi(2)).sum();
            *error += if energy > 0.0 { noise / energy } else { noise };
        }
        results[id.0].copy_from_slice(&exact);
    }
    errors
}

/// What `id` computes from `results`, behind the activation function that is joined to it.
fn output(graph: &Graph, structure: &Structure, results: &[Vec<f32>], id: NodeId) -> Vec<f32> {
    let mut values = interpreter::run_node(graph, id, results);
    if let [reader] = structure.readers[id.0][..]
        && let Operator::Activation(activation) = graph.node(reader).operator
    {
        let (low, high) = activation.clamp();
        values.iter_mut().for_each(|x| *x = x.clamp(low, high));
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Node, Parameter, ParameterId, Role, Shape};
    use crate::progress::Silent;

    /// A picture of one position, and a layer that reads only its first channel where `second` is 0.
    fn graph(second: f32) -> Graph {
        let shape = |channels| Shape { height: 1, width: 1, channels };
        let layer = |name: &str, weight, from, channels| Node {
            name: name.into(),
            operator: Operator::Pointwise { weight: ParameterId(weight), bias: None },
            inputs: vec![NodeId(from)],
            shape: shape(channels),
        };
        let input = Node { name: "input".into(), operator: Operator::Input, inputs: vec![], shape: shape(3) };
        let parameter = |name: &str, shape: [usize; 2], values: Vec<f32>| Parameter {
            name: name.into(),
            shape: shape.to_vec(),
            values,
            role: Role::Weight,
        };
        Graph {
            name: "two".into(),
            nodes: vec![input, layer("a", 0, 0, 2), layer("b", 1, 1, 1)],
            parameters: vec![
                parameter("a.weight", [3, 2], vec![1.0, 0.0, 0.0, 30.0, 0.0, 0.0]),
                parameter("b.weight", [2, 1], vec![1.0, second]),
            ],
            raw_embedding: NodeId(2),
            embedding: NodeId(2),
        }
    }

    /// The second channel is thirty times as large: whether it may be clipped depends on whether somebody reads it.
    #[test]
    fn what_nobody_reads_may_be_clipped_and_what_counts_may_not() {
        let pictures: Vec<u8> = (0..20u8).flat_map(|i| [120 + i, 250 - i, 0]).collect();
        let wide = Range { low: -60.0, high: 60.0 };
        let narrow = Range { low: -0.3, high: 0.3 };
        let candidates = vec![vec![wide, narrow]; 3];
        let chosen = |second| choose(&graph(second), &pictures, &candidates, &Silent).unwrap()[1];
        assert_eq!(chosen(0.0), narrow);
        assert_eq!(chosen(1.0), wide);
    }
}
