//! The growing graph, and what each ONNX array is in it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tract_core::internal::DimLike;
use tract_core::prelude::Tensor;
use tract_onnx::pb::{GraphProto, NodeProto};
use tract_onnx::tract_hir::infer::Factoid;

use super::super::Preprocessing;
use super::super::source::Source;
use super::call::Call;
use super::layout::{Extents, Layout};
use super::obstacle::{Obstacle, advice};
use super::value::{Affine, Part, Value};
use crate::network::{Graph, Node, NodeId, Operator, Parameter, ParameterId, Role, Shape};

/// Goes through the nodes of a file once.
pub struct Walker<'a> {
    pub source: &'a Source,
    pub nodes: Vec<Node>,
    pub parameters: Vec<Parameter>,
    /// What depends on the picture.
    pub values: HashMap<&'a str, Value>,
    /// What was folded here, because tract leaves large constants alone.
    pub constants: HashMap<&'a str, Arc<Tensor>>,
    /// Who reads each array, by operator; an output of the graph is read too.
    readers: HashMap<&'a str, Vec<&'a str>>,
    names: HashSet<String>,
}

impl<'a> Walker<'a> {
    /// A graph with the picture in it, prepared as the file wants it.
    pub fn new(source: &'a Source, graph: &'a GraphProto, preprocessing: Preprocessing) -> Self {
        let mut readers: HashMap<&str, Vec<&str>> = HashMap::new();
        for node in &graph.node {
            node.input.iter().for_each(|input| readers.entry(input).or_default().push(&node.op_type));
        }
        graph.output.iter().for_each(|output| readers.entry(&output.name).or_default().push(""));
        let mut walker = Self {
            source,
            nodes: vec![],
            parameters: vec![],
            values: HashMap::new(),
            constants: HashMap::new(),
            readers,
            names: HashSet::new(),
        };
        let given: HashSet<&str> = graph.initializer.iter().map(|tensor| &tensor.name[..]).collect();
        let input = graph.input.iter().map(|input| &input.name[..]).find(|name| !given.contains(name));
        let value = walker.picture(preprocessing);
        walker.values.insert(input.unwrap_or_default(), value);
        walker
    }

    /// The input as the file wants it: x = s·pixel + t, where our pixel is 64·x + 128.
    fn picture(&mut self, preprocessing: Preprocessing) -> Value {
        let shape = Shape::new(self.source.height, self.source.width, 3);
        let mut node = self.node("input", Operator::Input, &[], shape);
        let [scale, shift] = [preprocessing.scale, preprocessing.shift].map(|values| values.map(f64::from));
        let (unit, middle) = (f64::from(Graph::PIXEL_SCALE), f64::from(Graph::PIXEL_MEAN));
        let affine = Affine {
            scale: scale.map(|scale| scale * unit).into(),
            shift: (0..3).map(|c| scale[c] * middle + shift[c]).collect(),
        };
        if preprocessing.blue_first {
            let swap = (0..9).map(|at| if preprocessing.source(at % 3) == at / 3 { 1.0 } else { 0.0 }).collect();
            let weight = self.parameter("input.order.weight", vec![3, 3], swap, Role::Weight);
            node = self.node("input.order", Operator::Pointwise { weight, bias: None }, &[node], shape);
        }
        Value::map(node, &self.extents(node)).then(affine)
    }

    /// Adds what `node` computes.
    pub fn visit(&mut self, node: &'a NodeProto) -> Result<(), Obstacle> {
        let call = Call(node);
        let computed = node.input.iter().any(|input| self.values.contains_key(&input[..]));
        let known = node.output.iter().all(|output| output.is_empty() || self.known(output).is_some());
        if known || !computed {
            if !known {
                self.fold(call);
            }
            return Ok(());
        }
        self.dispatch(call)?;
        node.output.iter().try_for_each(|output| self.check_extents(output))
    }

    fn dispatch(&mut self, call: Call<'a>) -> Result<(), Obstacle> {
        match call.operator() {
            "Conv" => self.convolution(call),
            "Gemm" => self.gemm(call),
            "MatMul" => self.matrix_product(call),
            "BatchNormalization" => self.batch_norm(call),
            "Add" | "Sub" | "Mul" | "Div" | "Sum" => self.arithmetic(call),
            "Neg" => self.negation(call),
            "Relu" => self.clip(call, 0.0, f64::INFINITY),
            "Clip" | "Max" | "Min" => self.bounds(call),
            "PRelu" | "LeakyRelu" => self.sloped(call),
            "Sigmoid" | "HardSigmoid" | "HardSwish" => self.curve(call),
            "GlobalAveragePool" | "ReduceMean" => self.mean(call),
            "GlobalMaxPool" | "ReduceMax" => self.greatest(call),
            "MaxPool" => self.max_pool(call),
            "AveragePool" => self.average_pool(call),
            "Pow" => self.power(call),
            "ReduceL2" | "ReduceSum" | "ReduceSumSquare" | "Sqrt" | "Reciprocal" | "LpNormalization" => {
                self.length(call)
            }
            "Concat" => self.concatenation(call),
            "Split" => self.split(call),
            "Slice" => self.slice(call),
            "Gather" => self.gather(call),
            "Pad" => self.pad(call),
            "Expand" => self.expand(call),
            "Transpose" => self.transpose(call),
            "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" | "Identity" | "Dropout" | "Cast" => self.reshape(call),
            // Its result is a constant, or else nobody can use it.
            "Shape" => Ok(()),
            other => Err(Obstacle::Operator { advice: advice(other) }),
        }
    }

    /// How often an array is read.
    pub fn uses(&self, name: &str) -> usize {
        self.readers.get(name).map_or(0, Vec::len)
    }

    /// Whether `operator` is the only reader of an array.
    pub fn only_read_by(&self, name: &str, operator: &str) -> bool {
        self.readers.get(name).is_some_and(|readers| readers[..] == [operator])
    }

    /// Extents of what a node computes.
    pub fn extents(&self, node: NodeId) -> Extents {
        Extents { batch: self.source.batch, shape: self.nodes[node.0].shape }
    }

    /// Extents of an ONNX array, as tract found them.
    pub fn found_extents(&self, name: &str) -> Option<Vec<usize>> {
        let fact = self.source.model.outlet_fact(*self.source.outlets.get(name)?).ok()?;
        fact.shape.concretize()?.iter().map(|dim| dim.to_usize().ok()).collect()
    }

    fn check_extents(&self, name: &str) -> Result<(), Obstacle> {
        let (Some(value), Some(expected)) = (self.values.get(name), self.found_extents(name)) else { return Ok(()) };
        let mut found = value.layout.lengths(&self.extents(value.node));
        if value.padding != [0; 4] || value.part.is_some() {
            // Padding is not in the node, and parts of patterns keep the layout of what they are made of.
            found.clone_from(&expected);
        }
        if found == expected {
            return Ok(());
        }
        Err(Obstacle::Extents { expected: format!("{expected:?}"), found: format!("{found:?}") })
    }

    /// What stands behind an input, whatever it is.
    pub fn any_value(&self, call: Call<'a>, index: usize) -> Result<Value, Obstacle> {
        let name = call.input(index).unwrap_or_default();
        self.values.get(name).cloned().ok_or_else(|| Obstacle::Input { name: name.into() })
    }

    /// An input that may be extended: once somebody else reads it too, what was put off is made a node first.
    pub fn passed(&mut self, call: Call<'a>, index: usize) -> Result<Value, Obstacle> {
        let name = call.input(index).unwrap_or_default();
        let value = self.any_value(call, index)?;
        complete(&value)?;
        if value.padding != [0; 4] {
            return Err(Obstacle::Window);
        }
        let shared = self.uses(name) > 1;
        let mut value = if shared && value.affine.is_some() { self.settled(call, index)? } else { value };
        value.sole &= !shared;
        Ok(value)
    }

    /// The node of an input, with nothing put off.
    pub fn settled(&mut self, call: Call<'a>, index: usize) -> Result<Value, Obstacle> {
        let name = call.input(index).unwrap_or_default();
        let value = self.any_value(call, index)?;
        complete(&value)?;
        if value.direction {
            return Err(Obstacle::Normalized);
        }
        if value.padding != [0; 4] {
            return Err(Obstacle::Window);
        }
        let value = self.settle(value, name);
        if let Some((name, _)) = self.values.get_key_value(name) {
            self.values.insert(name, value.clone());
        }
        Ok(value)
    }

    /// Makes a value of its own a node.
    pub fn settle(&mut self, mut value: Value, name: &str) -> Value {
        if let Some(affine) = value.affine.take() {
            value.node = self.apply(&affine, value.node, value.sole, name);
            value.sole = true;
        }
        value
    }

    /// A value that is a map, `[batch, channels, rows, columns]`.
    pub fn map_only(&self, value: &Value) -> Result<(), Obstacle> {
        let extents = self.extents(value.node);
        if value.layout.is_map(&extents) {
            return Ok(());
        }
        Err(Obstacle::Layout { found: format!("{:?}", value.layout.lengths(&extents)) })
    }

    /// Says what an output is.
    pub fn define(&mut self, call: Call<'a>, index: usize, value: Value) {
        self.values.insert(call.output(index), value);
    }

    /// A new node that is an output as `[batch, channels, rows, columns]`.
    pub fn define_map(&mut self, call: Call<'a>, operator: Operator, inputs: &[NodeId], shape: Shape) {
        let node = self.node(call.name(), operator, inputs, shape);
        self.define(call, 0, Value::map(node, &self.extents(node)));
    }

    /// A new node that is an output, in the order of an input of the same extents.
    pub fn define_like(&mut self, call: Call<'a>, operator: Operator, inputs: &[NodeId], layout: Layout) {
        let node = self.node(call.name(), operator, inputs, self.nodes[inputs[0].0].shape);
        self.define(call, 0, Value::of(node, layout));
    }

    /// A new node; its name is made unlike all others.
    pub fn node(&mut self, name: &str, operator: Operator, inputs: &[NodeId], shape: Shape) -> NodeId {
        let unique = self.unique(name);
        self.nodes.push(Node { name: unique, operator, inputs: inputs.to_vec(), shape });
        NodeId(self.nodes.len() - 1)
    }

    fn unique(&mut self, name: &str) -> String {
        let mut unique = name.to_owned();
        let mut number = 1;
        while !self.names.insert(unique.clone()) {
            number += 1;
            unique = format!("{name}.{number}");
        }
        unique
    }

    /// A new parameter.
    pub fn parameter(&mut self, name: &str, shape: Vec<usize>, values: Vec<f64>, role: Role) -> ParameterId {
        let values = values.into_iter().map(|value| value as f32).collect();
        let name = self.unique(name);
        self.parameters.push(Parameter { name, shape, values, role });
        ParameterId(self.parameters.len() - 1)
    }
}

/// Refuses the parts of patterns.
fn complete(value: &Value) -> Result<(), Obstacle> {
    let (part, whole) = match value.part {
        None => return Ok(()),
        Some(Part::Floor(_) | Part::Power { .. }) => ("a power", "a generalized-mean pool"),
        Some(Part::HalfMean) => ("a mean over rows or columns alone", "a mean over both"),
        Some(Part::Square | Part::SquareSum | Part::Length | Part::InverseLength) => {
            ("a square or a length", "an L2 normalization at the end")
        }
        Some(Part::Spread) => ("a vector repeated at every position", "a gate that multiplies a map"),
    };
    Err(Obstacle::Unfinished { part, whole })
}
