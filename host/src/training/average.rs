//! A running average of the network's parameters, which forgets the jitter of the last steps.

use crate::network::Graph;

/// Exponential moving average of every parameter, running statistics included.
#[derive(Debug, Clone, PartialEq)]
pub struct Average {
    /// Weight of the past once warmed up.
    pub decay: f32,
    /// Updates so far.
    pub updates: u64,
    /// The averages, in the order of [`Graph::parameters`].
    pub values: Vec<Vec<f32>>,
}

impl Average {
    /// Begins at the network's present parameters.
    pub fn new(decay: f32, graph: &Graph) -> Self {
        let values = graph.parameters.iter().map(|parameter| parameter.values.clone()).collect();
        Self { decay, updates: 0, values }
    }

    /// a ← d·a + (1 − d)·w with d = min(decay, (1 + t)/(10 + t)) at update t, so that a short run is not stuck at its start.
    pub fn update(&mut self, graph: &Graph) {
        let t = self.updates as f32;
        let decay = self.decay.min((1.0 + t) / (10.0 + t));
        self.updates += 1;
        for (average, parameter) in self.values.iter_mut().zip(&graph.parameters) {
            average.iter_mut().zip(&parameter.values).for_each(|(a, w)| *a = decay * *a + (1.0 - decay) * w);
        }
    }

    /// The network with its parameters averaged.
    pub fn apply(&self, graph: &Graph) -> Graph {
        let mut averaged = graph.clone();
        for (parameter, average) in averaged.parameters.iter_mut().zip(&self.values) {
            parameter.values.copy_from_slice(average);
        }
        averaged
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Node, NodeId, Operator, Parameter, Role, Shape};

    fn graph(value: f32) -> Graph {
        let input =
            Node { name: "input".into(), operator: Operator::Input, inputs: vec![], shape: Shape::new(1, 1, 3) };
        let weight = Parameter { name: "w".into(), shape: vec![1], values: vec![value], role: Role::Weight };
        Graph {
            name: "test".into(),
            nodes: vec![input],
            parameters: vec![weight],
            raw_embedding: NodeId(0),
            embedding: NodeId(0),
        }
    }

    #[test]
    fn warms_up_then_follows_slowly() {
        let mut average = Average::new(0.9, &graph(0.0));
        average.update(&graph(1.0));
        assert!((average.values[0][0] - 0.9).abs() < 1e-6, "the first update keeps a tenth");
        for _ in 0..200 {
            average.update(&graph(1.0));
        }
        assert!((average.values[0][0] - 1.0).abs() < 1e-4);
        average.update(&graph(2.0));
        assert!((average.values[0][0] - 1.1).abs() < 1e-4, "decay 0.9 once warmed up");
        assert_eq!(average.apply(&graph(5.0)).parameters[0].values, average.values[0]);
    }
}
