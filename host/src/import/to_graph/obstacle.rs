//! Why a node of an ONNX graph is none of ours.

/// What stands in the way, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// No operator of ours computes this.
    #[error("our networks have no such operator; {advice}")]
    Operator {
        /// What to do instead.
        advice: &'static str,
    },
    /// An attribute or a constant has a value that our operator cannot have.
    #[error("its {what} is {found}, but must be {wanted}")]
    Setting {
        /// Which one.
        what: &'static str,
        /// Its value.
        found: String,
        /// What is possible.
        wanted: &'static str,
    },
    /// An input that must be a constant is computed.
    #[error("its {what} is computed while the network runs; export it with the constants folded in")]
    NotConstant {
        /// Which input.
        what: &'static str,
    },
    /// A constant holds NaN or an infinity.
    #[error("its {what} holds a value that is not a finite number: the training diverged, or the file is damaged")]
    NotFinite {
        /// Which input.
        what: &'static str,
    },
    /// An input is missing, or of another type.
    #[error("it has no usable input `{name}`; the file is damaged or uses sequences, which no layer reads")]
    Input {
        /// The array.
        name: String,
    },
    /// A layer gets values in an order that it cannot work on.
    #[error(
        "it works on an array of {found}; only maps [batch, channels, rows, columns] and vectors [batch, channels] \
             can be, so keep channels apart from rows and columns up to the last linear layer"
    )]
    Layout {
        /// The extents.
        found: String,
    },
    /// Two arrays, or an array and a constant, do not meet channel by channel.
    #[error("its inputs {left} and {right} meet neither value by value nor channel by channel")]
    Broadcast {
        /// Extents of one.
        left: String,
        /// Extents of the other.
        right: String,
    },
    /// A window that no square with one step stands for.
    #[error("no square window with one step and the same padding all around sees the same values; give it such a one")]
    Window,
    /// Two maps are multiplied.
    #[error("it multiplies two maps; use ReLU or hard swish instead of SiLU, and gates of one value a channel")]
    Product,
    /// Something reads what is normalized to length 1.
    #[error(
        "it reads values that were divided by their length; cut the network before that division, or let it be the last"
    )]
    Normalized,
    /// A pattern was begun, but not finished.
    #[error("it reads {part}, which our networks have only as part of {whole}")]
    Unfinished {
        /// What is there.
        part: &'static str,
        /// What it belongs to.
        whole: &'static str,
    },
    /// What we would compute has other extents.
    #[error("it gives {expected}, but as layers of ours it would give {found}; please report this file")]
    Extents {
        /// By tract.
        expected: String,
        /// By us.
        found: String,
    },
}

/// What to do about an operator that only `deja evaluate` can run.
pub fn advice(operator: &str) -> &'static str {
    match operator {
        "InstanceNormalization" | "LayerNormalization" | "GroupNormalization" | "MeanVarianceNormalization" => {
            "train the network with batch norm in its place, whose statistics are fixed"
        }
        "QLinearConv"
        | "QLinearMatMul"
        | "ConvInteger"
        | "MatMulInteger"
        | "QuantizeLinear"
        | "DequantizeLinear"
        | "DynamicQuantizeLinear"
        | "QLinearAdd" => "give the float network: `deja quantize` makes the integers",
        "Softmax" | "LogSoftmax" | "ArgMax" | "TopK" => {
            "export the network up to its embedding, without the classifier"
        }
        "Resize" | "Upsample" | "ConvTranspose" | "GridSample" => "resize the pictures, not the maps",
        "Tanh" | "Elu" | "Selu" | "Gelu" | "Mish" | "Softplus" | "Erf" | "Exp" | "Swish" => {
            "train the network with ReLU, PReLU or hard swish in its place"
        }
        "If" | "Loop" | "Scan" | "LSTM" | "GRU" | "RNN" => "export a network without branches and loops",
        _ => {
            "use layers of MobileNet, ResNet, OSNet or MobileFaceNet; `deja evaluate` runs other networks, but no camera does"
        }
    }
}
