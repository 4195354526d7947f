//! `deja inspect`: what is in a model file.

use super::Context;
use crate::device::cosine;
use crate::hexadecimal::hexadecimal;
use crate::profile::MemoryMap;
use crate::profile::macs;
use crate::quantize::Int8Model;
use crate::ui::{Align, Table};
use deja_shared::model::{Layer, Model};
use deja_shared::tensor::Shape;
use serde::Serialize;
use std::path::PathBuf;

const EXAMPLES: &str = "EXAMPLES:
  deja inspect model.deja
  deja inspect model.deja --json - | jq .arena_bytes";

/// Shows what is in a model file: layers, memory map, threshold, fingerprint
///
/// The file is checked from end to end first, as a camera would.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Model file that `deja quantize` wrote
    #[arg(value_name = "MODEL.deja")]
    model: PathBuf,
}

#[derive(Debug, Serialize)]
struct Outcome {
    name: String,
    fingerprint: String,
    bytes: u32,
    input: [u16; 2],
    dimension: u16,
    arena_bytes: u32,
    weights_bytes: u64,
    macs: u64,
    /// Least cosine of a match.
    threshold: f32,
    /// False positive identification rate for which it was chosen.
    fpir: f64,
    gallery_identities: u16,
    golden: u16,
    layers: Vec<Row>,
    memory: MemoryMap,
}

#[derive(Debug, Serialize)]
struct Row {
    kind: &'static str,
    input: [u16; 3],
    output: [u16; 3],
    /// Bits of a value of the output.
    output_bits: usize,
    kernel: [u8; 2],
    stride: u8,
    macs: u64,
    weights_bytes: u32,
    /// The layers that run together from this one on; 0: it is alone, or not the first.
    chain: u16,
    /// Rows of the last one's result that they compute at a time.
    band: u16,
}

/// Inspects.
///
/// # Errors
/// A file that cannot be read or is no valid model of this version.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let file = Int8Model::open(&args.model)?;
    let outcome = Outcome::new(&file.model());
    context.say(format_args!("{}  {}", context.style.bold(&outcome.name), args.model.display()))?;
    context.say(format_args!("fingerprint  {}", outcome.fingerprint))?;
    let [height, width] = outcome.input;
    context.say(format_args!("picture      {height} x {width} RGB → {} components", outcome.dimension))?;
    context.say(format_args!("file         {} bytes, {} of them weights", outcome.bytes, outcome.weights_bytes))?;
    context.say(format_args!("work         {} multiply-accumulates", outcome.macs))?;
    context.say(format_args!("threshold    {}", outcome.describe_threshold()))?;
    context.say(format_args!("golden       {} pairs of picture and embedding", outcome.golden))?;
    context.say(format_args!("\n{}", outcome.table()))?;
    context.say(format_args!("\n{}", outcome.memory))?;
    context.finish(&outcome)
}

impl Outcome {
    fn new(model: &Model<'_>) -> Self {
        let header = model.header();
        let layers: Vec<Row> = model.layers().map(|layer| Row::new(model, &layer)).collect();
        Self {
            name: header.name().to_owned(),
            fingerprint: hexadecimal(&header.fingerprint),
            bytes: header.total_bytes,
            input: [header.input_height, header.input_width],
            dimension: header.dimension,
            arena_bytes: header.arena_bytes,
            weights_bytes: layers.iter().map(|layer| u64::from(layer.weights_bytes)).sum(),
            macs: layers.iter().map(|layer| layer.macs).sum(),
            threshold: cosine(header.threshold),
            fpir: f64::from(header.fpir_ppm) / 1e6,
            gallery_identities: header.gallery_identities,
            golden: header.golden_count,
            layers,
            memory: MemoryMap::new(model),
        }
    }

    fn describe_threshold(&self) -> String {
        match self.gallery_identities {
            0 => format!("cosine {:.4}; none was chosen, everybody is a stranger", self.threshold),
            n => format!("cosine {:.4}, for FPIR {:.2} % at {n} identities", self.threshold, self.fpir * 100.0),
        }
    }

    fn table(&self) -> Table {
        let right = |name| (name, Align::Right);
        let mut table = Table::new(&[
            right("layer"),
            ("kind", Align::Left),
            right("input"),
            right("output"),
            right("kernel"),
            right("stride"),
            right("macs"),
            right("weights"),
            ("rows at a time", Align::Left),
        ]);
        let mut together = 0..0;
        for (index, row) in self.layers.iter().enumerate() {
            let shape = |[height, width, channels]: [u16; 3]| format!("{height}x{width}x{channels}");
            let kernel =
                if row.kernel == [0, 0] { String::new() } else { format!("{}x{}", row.kernel[0], row.kernel[1]) };
            let stride = if row.stride == 0 { String::new() } else { row.stride.to_string() };
            let [macs, weights] = [row.macs.to_string(), row.weights_bytes.to_string()];
            let (input, output) = (shape(row.input), shape(row.output));
            let output = if row.output_bits == 8 { output } else { format!("{output} i16") };
            if row.chain > 0 {
                together = index..index + usize::from(row.chain);
            }
            let chain = match together.contains(&index) {
                true if row.chain > 0 => format!("┐ {}", row.band),
                true if index + 1 == together.end => "┘".to_owned(),
                true => "│".to_owned(),
                false => String::new(),
            };
            table.row([index.to_string(), row.kind.to_owned(), input, output, kernel, stride, macs, weights, chain]);
        }
        table
    }
}

impl Row {
    fn new(model: &Model<'_>, layer: &Layer) -> Self {
        let (input, output) = (model.tensor(layer.input).shape, model.tensor(layer.output).shape);
        let extents = |shape: Shape| [shape.height, shape.width, shape.channels];
        Self {
            kind: layer.kind.name(),
            input: extents(input),
            output: extents(output),
            output_bits: if layer.kind.is_last() { 16 } else { 8 * model.tensor(layer.output).width.bytes() },
            kernel: [layer.kernel_height, layer.kernel_width],
            stride: layer.stride,
            macs: macs(model, layer),
            weights_bytes: layer.weights_bytes,
            chain: layer.chain,
            band: layer.band,
        }
    }
}
