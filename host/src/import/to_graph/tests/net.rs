//! Small ONNX files, put together node by node with random weights.

use prost::Message;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto};

use crate::import::proto::{float, floats, integers, model, node, whole_numbers};

/// Height and width of the picture.
pub const INPUT: [usize; 2] = [20, 12];

/// A file that grows.
pub struct Net {
    nodes: Vec<NodeProto>,
    arrays: Vec<TensorProto>,
    random: ChaCha8Rng,
}

impl Net {
    pub fn new() -> Self {
        Self { nodes: vec![], arrays: vec![], random: ChaCha8Rng::seed_from_u64(5) }
    }

    /// A node; gives the name of its output.
    pub fn add(&mut self, kind: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> String {
        let name = format!("{kind}.{}", self.nodes.len());
        self.nodes.push(node(kind, &name, inputs, attributes));
        name
    }

    /// A node of two outputs.
    pub fn add_two(&mut self, kind: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> [String; 2] {
        let first = self.add(kind, inputs, attributes);
        let second = format!("{first}.second");
        let last = self.nodes.len() - 1;
        self.nodes[last].output.push(second.clone());
        [first, second]
    }

    /// Random numbers in a range.
    pub fn random(&mut self, extents: &[usize], low: f32, high: f32) -> String {
        let values: Vec<f32> = (0..extents.iter().product()).map(|_| self.random.random_range(low..high)).collect();
        self.array(extents, &values)
    }

    pub fn array(&mut self, extents: &[usize], values: &[f32]) -> String {
        let name = format!("array.{}", self.arrays.len());
        self.arrays.push(floats(&name, extents, values));
        name
    }

    /// One number.
    pub fn number(&mut self, value: f32) -> String {
        self.array(&[], &[value])
    }

    pub fn whole(&mut self, values: &[i64]) -> String {
        let name = format!("array.{}", self.arrays.len());
        self.arrays.push(whole_numbers(&name, values));
        name
    }

    /// A convolution with bias; `weight` is `[out, in / groups, rows, columns]`.
    pub fn convolution(&mut self, x: &str, weight: [usize; 4], attributes: Vec<AttributeProto>) -> String {
        let bound = (3.0 / weight[1..].iter().product::<usize>() as f32).sqrt();
        let (weight, bias) = (self.random(&weight, -bound, bound), self.random(&weight[..1], -0.3, 0.3));
        self.add("Conv", &[x, &weight, &bias], attributes)
    }

    /// 3×3 with steps of 2 to `channels`, zeros around: what most small files begin with.
    pub fn stem(&mut self, channels: usize) -> String {
        self.convolution("picture", [channels, 3, 3, 3], vec![integers("strides", &[2, 2]), integers("pads", &[1; 4])])
    }

    /// Batch norm that does something.
    pub fn batch_norm(&mut self, x: &str, channels: usize) -> String {
        let bounds = [(0.5, 1.5), (-0.3, 0.3), (-0.3, 0.3), (0.5, 1.5)];
        let arrays = bounds.map(|(low, high)| self.random(&[channels], low, high));
        let inputs: Vec<&str> = std::iter::once(x).chain(arrays.iter().map(String::as_str)).collect();
        self.add("BatchNormalization", &inputs, vec![])
    }

    /// Mean over the map and a matrix to 6.
    pub fn head(&mut self, x: &str, channels: usize) -> String {
        let pooled = self.add("GlobalAveragePool", &[x], vec![]);
        let flat = self.add("Flatten", &[&pooled], vec![]);
        let matrix = self.random(&[channels, 6], -0.5, 0.5);
        self.add("MatMul", &[&flat, &matrix], vec![])
    }

    /// The file, whose output is `embedding`.
    pub fn model(self, embedding: &str, operator_set: i64) -> ModelProto {
        let output = tract_onnx::pb::ValueInfoProto { name: embedding.into(), ..Default::default() };
        let graph = GraphProto {
            name: "net".into(),
            input: vec![float("picture", &[3, INPUT[0], INPUT[1]])],
            output: vec![output],
            node: self.nodes,
            initializer: self.arrays,
            ..GraphProto::default()
        };
        model(graph, operator_set)
    }

    /// The bytes of [`Net::model`].
    pub fn bytes(self, embedding: &str, operator_set: i64) -> Vec<u8> {
        self.model(embedding, operator_set).encode_to_vec()
    }
}
