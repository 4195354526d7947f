//! The network as data: what the trainer runs, what ONNX is written from, and what the quantizer lowers.

/// Height, width and channels of one activation (NHWC without the batch).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Shape {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels, the fastest-varying axis.
    pub channels: usize,
}

impl Shape {
    /// A shape from its three extents.
    pub const fn new(height: usize, width: usize, channels: usize) -> Self {
        Self { height, width, channels }
    }

    /// Number of values: height × width × channels.
    pub const fn len(self) -> usize {
        self.height * self.width * self.channels
    }

    /// Whether there is no value at all.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// Index of a node in [`Graph::nodes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub usize);

/// Index of a parameter in [`Graph::parameters`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParameterId(pub usize);

/// Element-wise activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// max(x, 0)
    Relu,
    /// min(max(x, 0), 6)
    Relu6,
}

/// What a node computes from its inputs.
#[derive(Debug, Clone, PartialEq)]
pub enum Operator {
    /// The picture: x = (pixel − [`Graph::PIXEL_MEAN`]) / [`Graph::PIXEL_SCALE`], RGB.
    Input,
    /// Dense convolution, weights `[kh, kw, in, out]`: y\[i,j,o\] = Σ x\[i·s−p+u, j·s−p+v, c\]·W\[u,v,c,o\] (+ b\[o\]).
    Convolution {
        /// Kernel extent (square).
        kernel: usize,
        /// Step in both directions.
        stride: usize,
        /// Zeros on every side.
        padding: usize,
        /// `[kernel, kernel, in, out]`
        weight: ParameterId,
        /// `[out]`
        bias: Option<ParameterId>,
    },
    /// One filter per channel, weights `[kh, kw, channels]`.
    Depthwise {
        /// Kernel extent (square).
        kernel: usize,
        /// Step in both directions.
        stride: usize,
        /// Zeros on every side.
        padding: usize,
        /// `[kernel, kernel, channels]`
        weight: ParameterId,
        /// `[channels]`
        bias: Option<ParameterId>,
    },
    /// 1×1 convolution of stride 1, weights `[in, out]`.
    Pointwise {
        /// `[in, out]`
        weight: ParameterId,
        /// `[out]`
        bias: Option<ParameterId>,
    },
    /// y = γ·(x − μ)/√(σ² + ε) + β per channel; batch statistics when training, running ones otherwise.
    BatchNorm {
        /// γ
        gamma: ParameterId,
        /// β
        beta: ParameterId,
        /// Running μ
        mean: ParameterId,
        /// Running σ² (unbiased, as PyTorch keeps it)
        variance: ParameterId,
        /// ε
        epsilon: f32,
    },
    /// Element-wise.
    Activation(Activation),
    /// Sum of two inputs of one shape.
    Add,
    /// The greatest value per channel under each position of a window; zeros do not stand around the picture.
    MaxPool {
        /// Window extent (square).
        kernel: usize,
        /// Step in both directions.
        stride: usize,
        /// How far the window reaches over every side.
        padding: usize,
    },
    /// The mean per channel under each position of a window that stays inside the picture.
    AveragePool {
        /// Window extent (square).
        kernel: usize,
        /// Step in both directions.
        stride: usize,
    },
    /// Mean over height and width: `[h, w, c]` → `[1, 1, c]`.
    GlobalAveragePool,
    /// (mean of max(x, floor)ᵖ)^(1/p) over height and width: `[h, w, c]` → `[1, 1, c]` (Radenović 2018, eq. 3).
    GeneralizedMeanPool {
        /// p, one value; one below 1 (the mean) counts as 1.
        exponent: ParameterId,
        /// Least value that is raised to a power, above 0.
        floor: f32,
    },
    /// 1/(1 + e⁻ˣ), element-wise.
    Sigmoid,
    /// min(max(x/6 + ½, 0), 1), element-wise (Howard 2019, §5.2).
    HardSigmoid,
    /// x·min(max(x/6 + ½, 0), 1), element-wise (Howard 2019, §5.2).
    HardSwish,
    /// max(x, 0) + slope·min(x, 0), element-wise with one slope a channel (He 2015, eq. 1).
    PRelu {
        /// `[channels]`
        slope: ParameterId,
    },
    /// The inputs' channels one behind the other; all inputs have the same rows and columns.
    Concat,
    /// As many channels as the node's shape has, from the `start`-th channel of the input.
    Slice {
        /// The first channel that is kept.
        start: usize,
    },
    /// The same values in the same order as one vector: `[h, w, c]` → `[1, 1, h·w·c]`.
    Flatten,
    /// Σ gate·x per channel; the inputs alternate between maps `[h, w, c]` and their gates `[1, 1, c]`. One pair is
    /// squeeze and excitation's scale (Hu 2018, eq. 4), several are OSNet's aggregation (Zhou 2019, eq. 3).
    ChannelScale,
    /// Matrix on a `[1, 1, in]` activation, weights `[in, out]`.
    FullyConnected {
        /// `[in, out]`
        weight: ParameterId,
        /// `[out]`
        bias: Option<ParameterId>,
    },
}

/// One step of the network; `inputs` stand earlier in [`Graph::nodes`].
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Unique, dotted, such as `blocks.3.expand`.
    pub name: String,
    /// What is computed.
    pub operator: Operator,
    /// From which nodes, in the operator's order.
    pub inputs: Vec<NodeId>,
    /// Shape of the result.
    pub shape: Shape,
}

/// How a parameter is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A matrix or filter: trained, with weight decay.
    Weight,
    /// γ, β or a bias: trained, without weight decay.
    Affine,
    /// Running statistics: not trained by gradient.
    Statistic,
}

/// A named array of the network.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Unique, dotted, such as `blocks.3.expand.weight`.
    pub name: String,
    /// Extents, slowest first.
    pub shape: Vec<usize>,
    /// Row-major values.
    pub values: Vec<f32>,
    /// How it is trained.
    pub role: Role,
}

/// A network: nodes in an order in which they can run, and their parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// Such as `mobilenet_v2_0.35`.
    pub name: String,
    /// `nodes[0]` is the only [`Operator::Input`].
    pub nodes: Vec<Node>,
    /// What the operators refer to.
    pub parameters: Vec<Parameter>,
    /// The embedding before the neck (what the metric loss sees).
    pub raw_embedding: NodeId,
    /// The embedding after the bottleneck-normalization neck: the output (what the ID loss sees and what is compared).
    pub embedding: NodeId,
}

impl Operator {
    /// What messages call it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Convolution { .. } => "convolution",
            Self::Depthwise { .. } => "depthwise convolution",
            Self::Pointwise { .. } => "pointwise convolution",
            Self::BatchNorm { .. } => "batch norm",
            Self::Activation(_) => "activation",
            Self::Add => "addition",
            Self::MaxPool { .. } => "max pool",
            Self::AveragePool { .. } => "average pool",
            Self::GlobalAveragePool => "global average pool",
            Self::GeneralizedMeanPool { .. } => "generalized-mean pool",
            Self::Sigmoid => "sigmoid",
            Self::HardSigmoid => "hard sigmoid",
            Self::HardSwish => "hard swish",
            Self::PRelu { .. } => "parametric ReLU",
            Self::Concat => "concatenation",
            Self::Slice { .. } => "slice of channels",
            Self::Flatten => "flattening",
            Self::ChannelScale => "channel scale",
            Self::FullyConnected { .. } => "fully connected layer",
        }
    }
}

impl Graph {
    /// Subtracted from every pixel value 0..=255.
    pub const PIXEL_MEAN: f32 = 128.0;
    /// Divides what is left, so that int8 input of scale 1/64 is `pixel − 128`, exactly.
    pub const PIXEL_SCALE: f32 = 64.0;

    /// Shape of the picture.
    pub fn input(&self) -> Shape {
        self.nodes[0].shape
    }

    /// Number of components of the embedding.
    pub fn dimension(&self) -> usize {
        self.nodes[self.embedding.0].shape.len()
    }

    /// The node behind `id`.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// The parameter behind `id`.
    pub fn parameter(&self, id: ParameterId) -> &Parameter {
        &self.parameters[id.0]
    }

    /// Multiply-accumulates of one picture.
    pub fn macs(&self) -> u64 {
        self.nodes.iter().map(|node| self.node_macs(node) as u64).sum()
    }

    fn node_macs(&self, node: &Node) -> usize {
        let positions = node.shape.height * node.shape.width;
        match &node.operator {
            Operator::Convolution { weight, .. }
            | Operator::Pointwise { weight, .. }
            | Operator::FullyConnected { weight, .. }
            | Operator::Depthwise { weight, .. } => positions * self.parameter(*weight).values.len(),
            _ => 0,
        }
    }
}
