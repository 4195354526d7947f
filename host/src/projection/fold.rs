//! The map into the layer before it, so that the network computes it for free.

use super::{Projection, ProjectionError};
use crate::network::{Graph, NodeId, Operator, Parameter, ParameterId};
use nalgebra::{DMatrix, DVector};

/// The network whose embedding is `projection` of the embedding of `graph`, of the same architecture.
///
/// The head gives h = Wᵀ·x + b, the neck s⊙(h − μ) + β with s = γ/√(σ² + ε), the map M·(… − c). So W′ = W·diag(s)·Mᵀ and
/// b′ = M·(s⊙(b − μ) + β − c), and the neck becomes the identity: γ = 1, σ² = 1 − ε, μ = β = 0. Both embeddings of the graph
/// are then the projected one. Where the map has fewer outputs, head and neck do too.
///
/// # Errors
/// [`ProjectionError::Dimensions`]; [`ProjectionError::NotFoldable`] when the embedding is no fully connected layer with a
/// bias, with at most a batch norm behind it that alone reads it.
pub fn fold(graph: &Graph, projection: &Projection) -> Result<Graph, ProjectionError> {
    if projection.input() != graph.dimension() {
        return Err(ProjectionError::Dimensions { map: projection.input(), network: graph.dimension() });
    }
    let Head { node, weight, bias, neck } =
        Head::of(graph).ok_or_else(|| ProjectionError::NotFoldable { network: graph.name.clone() })?;
    let (scale, shift) = neck.as_ref().map_or_else(|| Neck::none(graph.dimension()), |neck| neck.affine(graph));
    let old = &graph.parameter(weight).values;
    let old = DMatrix::from_row_iterator(old.len() / scale.len(), scale.len(), old.iter().map(|&v| f64::from(v)));
    let new = old * DMatrix::from_diagonal(&scale) * projection.matrix.transpose();
    let moved = vector(graph, bias).component_mul(&scale) + shift - &projection.centre;

    let mut folded = graph.clone();
    let outputs = projection.output();
    // Row-major, as weights `[in, out]` are.
    set(&mut folded, weight, vec![new.nrows(), outputs], new.transpose().iter());
    set(&mut folded, bias, vec![outputs], (&projection.matrix * moved).iter());
    if let Some(Neck { gamma, beta, mean, variance, epsilon }) = neck {
        for (id, value) in [(gamma, 1.0), (beta, 0.0), (mean, 0.0), (variance, f64::from(1.0 - epsilon))] {
            set(&mut folded, id, vec![outputs], std::iter::repeat_n(&value, outputs));
        }
    }
    for id in [node, graph.embedding] {
        folded.nodes[id.0].shape.channels = outputs;
    }
    Ok(folded)
}

/// The end of a network.
struct Head {
    node: NodeId,
    weight: ParameterId,
    bias: ParameterId,
    neck: Option<Neck>,
}

/// The parameters of a batch norm.
struct Neck {
    gamma: ParameterId,
    beta: ParameterId,
    mean: ParameterId,
    variance: ParameterId,
    epsilon: f32,
}

impl Head {
    fn of(graph: &Graph) -> Option<Self> {
        let last = graph.node(graph.embedding);
        let (node, neck) = match last.operator {
            Operator::BatchNorm { gamma, beta, mean, variance, epsilon } => {
                (last.inputs[0], Some(Neck { gamma, beta, mean, variance, epsilon }))
            }
            _ => (graph.embedding, None),
        };
        let readers = graph.nodes.iter().flat_map(|other| &other.inputs).filter(|&&input| input == node).count();
        let alone = readers == usize::from(neck.is_some()) && [node, graph.embedding].contains(&graph.raw_embedding);
        match graph.node(node).operator {
            Operator::FullyConnected { weight, bias: Some(bias) } if alone => Some(Self { node, weight, bias, neck }),
            _ => None,
        }
    }
}

impl Neck {
    /// Scale and shift of no neck.
    fn none(dimension: usize) -> (DVector<f64>, DVector<f64>) {
        (DVector::from_element(dimension, 1.0), DVector::zeros(dimension))
    }

    /// s and β − s⊙μ.
    fn affine(&self, graph: &Graph) -> (DVector<f64>, DVector<f64>) {
        let [gamma, beta, mean, variance] =
            [self.gamma, self.beta, self.mean, self.variance].map(|id| vector(graph, id));
        let scale = gamma.zip_map(&variance, |gamma, variance| gamma / (variance + f64::from(self.epsilon)).sqrt());
        let shift = beta - scale.component_mul(&mean);
        (scale, shift)
    }
}

fn vector(graph: &Graph, id: ParameterId) -> DVector<f64> {
    let values = &graph.parameter(id).values;
    DVector::from_iterator(values.len(), values.iter().map(|&value| f64::from(value)))
}

fn set<'a>(graph: &mut Graph, id: ParameterId, shape: Vec<usize>, values: impl Iterator<Item = &'a f64>) {
    let parameter: &mut Parameter = &mut graph.parameters[id.0];
    parameter.shape = shape;
    parameter.values = values.map(|&value| value as f32).collect();
}
