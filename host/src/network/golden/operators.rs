//! Every operator as PyTorch computes it (`operators.py`): values, gradients of inputs and parameters, statistics.
//!
//! An operator's input stands in the weights of a convolution before it: the k-th picture is 1 at its first pixel's
//! channel k and 0 elsewhere, so that each of those weights is one value of the input, and its gradient that value's.

use safetensors::SafeTensors;

use super::assert_close;
use crate::compute::Kernels;
use crate::network::builder::{Builder, Filter};
use crate::network::curve::Curve;
use crate::network::engine::reference;
use crate::network::{
    Activation, Engine, Gradients, Graph, NodeId, Operator, Parameter, ParameterId, Role, interpreter,
};

const TOLERANCE: f64 = 1e-4;
/// Names of inputs, in an operator's order.
const INPUTS: [&str; 5] = ["x", "x0", "gate0", "x1", "gate1"];

struct Case<'a> {
    /// Such as `convolution: k3 s1 p1`.
    name: &'a str,
    file: &'a SafeTensors<'a>,
}

impl Case<'_> {
    /// Extents and values, where the case has them.
    fn tensor(&self, name: &str) -> Option<(Vec<usize>, Vec<f32>)> {
        let tensor = self.file.tensor(&format!("{}/{name}", self.name)).ok()?;
        let values = tensor.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        Some((tensor.shape().to_vec(), values))
    }

    fn values(&self, name: &str) -> Vec<f32> {
        self.tensor(name).unwrap_or_else(|| panic!("{} has no {name}", self.name)).1
    }

    /// The number behind `word` in the name.
    fn extent(&self, word: &str) -> usize {
        let number = self.name.split(' ').find_map(|part| part.strip_prefix(word)?.parse().ok());
        number.unwrap_or_else(|| panic!("{} has no {word}", self.name))
    }

    fn is(&self, detail: &str) -> bool {
        self.name.split(' ').any(|word| word == detail)
    }

    /// Number of pictures.
    fn count(&self) -> usize {
        self.tensor("y").expect("an output").0[0]
    }

    /// The operator behind its inputs, as a network that ends with it.
    fn graph(&self) -> Graph {
        let shapes: Vec<_> = INPUTS.iter().filter_map(|name| Some((*name, self.tensor(name)?.0))).collect();
        let [height, width] = [1, 2].map(|axis| shapes[0].1[axis]);
        let mut b = Builder::new([height, width], 0);
        let from = b.input();
        let source = |(name, shape): &(&str, Vec<usize>)| {
            let extent = height.max(width);
            let filter = match shape[1..3] {
                [1, 1] => Filter { kernel: 1, stride: extent, padding: 0 },
                _ => Filter { kernel: 2 * extent - 1, stride: 1, padding: extent - 1 },
            };
            b.convolution(name, from, shape[3], filter)
        };
        let inputs: Vec<NodeId> = shapes.iter().map(source).collect();
        let output = self.operator(&mut b, &inputs);
        let mut graph = b.finish(self.name.into(), output, output);
        if let Some((shape, values)) = self.tensor("bias") {
            add_bias(&mut graph, Parameter { name: "operator.bias".into(), shape, values, role: Role::Affine });
        }
        for parameter in &mut graph.parameters {
            parameter.values = self.of_parameter("", parameter).expect("a value for each parameter");
        }
        graph
    }

    fn operator(&self, b: &mut Builder, inputs: &[NodeId]) -> NodeId {
        let (name, x) = ("operator", inputs[0]);
        let channels = self.tensor("y").expect("an output").0[3];
        let filter = || Filter { kernel: self.extent("k"), stride: self.extent("s"), padding: self.extent("p") };
        match self.name.split(':').next().unwrap_or_default() {
            "convolution" => b.convolution(name, x, channels, filter()),
            "depthwise" => b.depthwise(name, x, filter()),
            "pointwise" => b.pointwise(name, x, channels),
            "fully connected" => b.fully_connected(name, x, channels),
            "batch norm" => b.batch_norm(name, x, Role::Affine),
            "relu" => b.activation(name, x, Activation::Relu),
            "relu6" => b.activation(name, x, Activation::Relu6),
            "add" => b.add(name, x, inputs[1]),
            "sigmoid" => b.curve(name, x, Curve::Sigmoid),
            "hard sigmoid" => b.curve(name, x, Curve::HardSigmoid),
            "hard swish" => b.curve(name, x, Curve::HardSwish),
            "prelu" => b.prelu(name, x),
            "concatenation" => b.concat(name, inputs),
            "slice" => b.slice(name, x, self.extent("from"), channels),
            "flattening" => b.flatten(name, x),
            "global average pool" => b.global_average_pool(name, x),
            "max pool" => b.max_pool(name, x, filter()),
            "average pool" => b.average_pool(name, x, self.extent("k"), self.extent("s")),
            "generalized mean" => b.generalized_mean_pool(name, x),
            "channel scale" => b.channel_scale(name, inputs.as_chunks().0),
            other => panic!("no test for {other}"),
        }
    }

    /// What the case says (`prefix` and the name) of a parameter of its graph, in the parameter's layout.
    fn of_parameter(&self, prefix: &str, parameter: &Parameter) -> Option<Vec<f32>> {
        let (node, name) = parameter.name.rsplit_once('.')?;
        if node == "operator" {
            return Some(self.tensor(&format!("{prefix}{name}"))?.1);
        }
        let (shape, input) = self.tensor(&format!("{prefix}{node}"))?;
        let [height, width, channels] = [1, 2, 3].map(|axis| shape[axis]);
        let kernel = parameter.shape[0];
        let mut weight = vec![0.0; parameter.values.len()];
        for (index, row) in input.chunks_exact(channels).enumerate() {
            let (picture, i, j) = (index / (height * width), index / width % height, index % width);
            let tap = (kernel / 2 - i) * kernel + kernel / 2 - j;
            weight[(tap * 3 + picture) * channels..][..channels].copy_from_slice(row);
        }
        Some(weight)
    }

    fn pictures(&self, graph: &Graph) -> Vec<u8> {
        let (len, one) = (graph.input().len(), 192);
        let mut pixels = vec![128; self.count() * len];
        (0..self.count()).for_each(|picture| pixels[picture * len + picture] = one);
        pixels
    }

    fn compare(&self, who: &str, what: &str, got: &[f32], want: &[f32]) {
        assert_eq!(got.len(), want.len(), "{}: {who}: {what}", self.name);
        let [got, want] = [got, want].map(|values| values.iter().map(|x| f64::from(*x)).collect::<Vec<_>>());
        assert_close(&format!("{}: {who}: {what}", self.name), got, &want, TOLERANCE);
    }

    fn check_training(&self, kernels: &'static Kernels, threads: usize) {
        let (graph, dy) = (self.graph(), self.values("dy"));
        let (pixels, n) = (self.pictures(&graph), self.count());
        let mut trained = graph.clone();
        let mut engine = Engine::with_kernels(kernels, &graph, n, threads);
        self.compare(kernels.name, "y", engine.forward(&mut trained, &pixels, n).raw, &self.values("y"));
        let mut gradients = Gradients::zeros(&graph);
        engine.backward(&graph, &dy, &vec![0.0; dy.len()], &mut gradients);
        for (index, parameter) in graph.parameters.iter().enumerate() {
            let (prefix, got) = match parameter.role {
                Role::Statistic => ("moved_", &trained.parameters[index].values),
                _ => ("d_", &gradients.values[index]),
            };
            let want = self.of_parameter(prefix, parameter).expect("what PyTorch computes");
            self.compare(kernels.name, &format!("{prefix}{}", parameter.name), got, &want);
        }
    }

    fn check_inference(&self, kernels: &'static Kernels, threads: usize) {
        let (graph, n) = (self.graph(), self.count());
        let pixels = self.pictures(&graph);
        let embedded = Engine::with_kernels(kernels, &graph, n, threads).embed(&graph, &pixels, n);
        self.compare(kernels.name, "y in inference", &embedded, &self.values("y"));
        let pictures = pixels.chunks_exact(graph.input().len());
        let last = |picture| interpreter::run_with(kernels, &graph, picture).pop().expect("an output");
        self.compare("interpreter", "y", &pictures.flat_map(last).collect::<Vec<_>>(), &self.values("y"));
    }

    /// The twin in double precision, its gradients by central differences.
    fn check_reference(&self) {
        let (graph, n, dy) = (self.graph(), self.count(), self.values("dy"));
        let pixels = self.pictures(&graph);
        let y = reference::run(&graph, &pixels, n).pop().expect("an output");
        self.compare("reference", "y", &y.iter().map(|y| *y as f32).collect::<Vec<_>>(), &self.values("y"));
        let seeds = [dy.clone(), vec![0.0; dy.len()]];
        for (index, direction, difference) in reference::numeric_gradients(&graph, &pixels, n, &seeds, 0) {
            let parameter = &graph.parameters[index];
            let gradient = self.of_parameter("d_", parameter).expect("what PyTorch computes");
            let along: f64 = gradient.iter().zip(&direction).map(|(g, d)| f64::from(*g) * f64::from(*d)).sum();
            let size = gradient.iter().map(|g| f64::from(g * g)).sum::<f64>().sqrt();
            let what = format!("{}: reference: d_{}: {difference} along {along} of {size}", self.name, parameter.name);
            assert!((along - difference).abs() < 10.0 * TOLERANCE * size, "{what}");
        }
    }
}

/// Gives `bias` to the graph's last node.
fn add_bias(graph: &mut Graph, values: Parameter) {
    let id = ParameterId(graph.parameters.len());
    match &mut graph.nodes.last_mut().expect("a node").operator {
        Operator::Convolution { bias, .. } | Operator::Depthwise { bias, .. } | Operator::Pointwise { bias, .. } => {
            *bias = Some(id);
            graph.parameters.push(values);
        }
        _ => {}
    }
}

#[test]
fn single_operators_are_those_of_pytorch() {
    let file = SafeTensors::deserialize(include_bytes!("operators.safetensors")).expect("the script's file");
    let names: std::collections::BTreeSet<_> =
        file.names().into_iter().filter_map(|name| Some(name.split_once('/')?.0)).collect();
    assert!(names.len() > 40, "{names:?}");
    for name in names {
        let case = Case { name, file: &file };
        for (kernels, threads) in Kernels::available().into_iter().flat_map(|kernels| [(kernels, 1), (kernels, 2)]) {
            if !case.is("frozen") {
                case.check_training(kernels, threads);
            }
            if !case.is("training") {
                case.check_inference(kernels, threads);
            }
        }
        if !case.is("frozen") {
            case.check_reference();
        }
    }
}
