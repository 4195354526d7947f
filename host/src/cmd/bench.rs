//! `deja bench`: the project's own benchmarks, on this computer and on emulated boards.

use super::cost::{self, Chips, emulated_boards};
use super::{Context, parse_size};
use crate::loss::bench as loss;
use crate::network::bench::{self, Speed, Workload};
use crate::network::{Graph, Role};
use crate::profile;
use crate::quantize::{self, Int8Model};
use crate::simulator::machine::Board;
use crate::training::optimizer::{Optimizer, OptimizerSettings};
use crate::ui::{Align, Table};
use deja_firmware::gallery::{Gallery, MAX_IDENTITIES, MAX_TEMPLATES};
use deja_firmware::matching::identify;
use deja_shared::embedding::Embedding;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;

const EXAMPLES: &str = "EXAMPLES:
  deja bench train --batch 64
  deja bench embed --network mobilenet_v2_0.35 --input 128x64
  deja bench embed --model model.deja --threads 1
  deja bench match --json match.json
  deja bench loss --batch 256 --dimension 128
  deja bench device --network mobilenet_v1_0.25 --input 96x96 --board mps3-an547";

/// Measures how fast this computer trains, embeds and matches, and what networks cost a camera
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// What to measure
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum What {
    /// Whole training steps: forward, backward, optimizer
    Train(Load),
    /// A float network, or a quantized model, on pictures
    Embed {
        #[command(flatten)]
        load: Load,
        /// A .deja model, to be run in int8 as the camera would
        #[arg(long, value_name = "FILE", conflicts_with_all = ["network", "input"])]
        model: Option<PathBuf>,
    },
    /// Probes against a full gallery, with the camera's own code
    Match {
        /// Probes
        #[arg(long, default_value_t = 2000)]
        probes: usize,
        /// Components of an embedding
        #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..=256))]
        dimension: u16,
    },
    /// Mining, value and gradient of every loss
    Loss {
        /// Embeddings in a batch, four of each identity
        #[arg(long, default_value_t = 256)]
        batch: usize,
        /// Components of an embedding
        #[arg(long, default_value_t = 128)]
        dimension: usize,
        /// Batches that are measured
        #[arg(long, default_value_t = 20)]
        steps: usize,
    },
    /// A network with random weights on an emulated board, as `deja profile` shows it
    Device {
        /// Network
        #[arg(long, default_value = "mobilenet_v1_0.25")]
        network: String,
        /// Height and width of a picture
        #[arg(long, value_name = "HxW", default_value = "96x96", value_parser = parse_size)]
        input: [usize; 2],
        /// Bytes of activation memory to keep within, as `deja quantize` takes it
        #[arg(long, value_name = "BYTES")]
        arena_limit: Option<usize>,
        /// Emulated board (needs QEMU)
        #[arg(long, default_value = "mps2-an386", value_parser = emulated_boards())]
        board: &'static Board,
        #[command(flatten)]
        chips: Chips,
    },
}

#[derive(Debug, Clone, clap::Args)]
struct Load {
    /// Network
    #[arg(long, default_value = "mobilenet_v2_0.35")]
    network: String,
    /// Height and width of a picture
    #[arg(long, value_name = "HxW", default_value = "128x64", value_parser = parse_size)]
    input: [usize; 2],
    /// Pictures at once
    #[arg(long, default_value_t = 64)]
    batch: usize,
    /// Steps that are measured
    #[arg(long, default_value_t = 10)]
    steps: usize,
    /// Threads; by default one a core
    #[arg(long)]
    threads: Option<usize>,
}

impl Load {
    fn workload(&self) -> Workload {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        Workload {
            network: self.network.clone(),
            input: self.input,
            batch: self.batch.max(1),
            threads: self.threads.unwrap_or_else(cores).max(1),
            steps: self.steps.max(1),
        }
    }
}

/// Measures.
///
/// # Errors
/// An unknown network.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    match &args.what {
        What::Train(load) => {
            let mut optimizer = None;
            let speed = bench::training_step(&load.workload(), |graph, gradients| {
                let optimizer =
                    optimizer.get_or_insert_with(|| Optimizer::new(OptimizerSettings::default(), &lengths(graph)));
                step(optimizer, graph, &gradients.values);
            })?;
            show("trained", &speed, context)
        }
        What::Embed { load, model: None } => show("embedded", &bench::embed(&load.workload())?, context),
        What::Embed { load, model: Some(path) } => {
            let model = Int8Model::open(path)?;
            let pool = rayon::ThreadPoolBuilder::new().num_threads(load.workload().threads).build()?;
            let speed = pool.install(|| quantize::bench::embed(&model, &load.workload()))?;
            show("embedded (int8)", &speed, context)
        }
        What::Match { probes, dimension } => compare(*probes, usize::from(*dimension), context),
        What::Loss { batch, dimension, steps } => {
            let workload =
                loss::Workload { batch: (*batch).max(1), dimension: (*dimension).max(1), steps: (*steps).max(1) };
            charge(workload, context)
        }
        What::Device { network, input, arena_limit, board, chips } => {
            let file = profile::random_model(network, *input, *arena_limit, context.progress())?;
            let profile = profile::emulated(board, &file.model())?;
            cost::show(&profile, Some(*board), *chips, context)
        }
    }
}

fn show(what: &str, speed: &Speed, context: &Context) -> anyhow::Result<()> {
    let Speed { images_per_second, batch, threads, kernels, .. } = speed;
    let rate = context.style.bold(format_args!("{images_per_second:.1} pictures/s"));
    context.say(format_args!("{what}  {rate}  (batch {batch}, {threads} threads, {kernels})"))?;
    if let Some(bytes) = speed.peak_rss_bytes {
        context.say(format_args!("peak memory  {:.1} MB", bytes as f64 / 1e6))?;
    }
    context.finish(speed)
}

/// The optimizer's part of a training step, as the trainer does it.
fn step(optimizer: &mut Optimizer, graph: &mut Graph, gradients: &[Vec<f32>]) {
    optimizer.begin_step();
    for (index, (parameter, gradient)) in graph.parameters.iter_mut().zip(gradients).enumerate() {
        if parameter.role != Role::Statistic {
            optimizer.update(index, 1.0, parameter.role == Role::Weight, &mut parameter.values, gradient);
        }
    }
}

fn lengths(graph: &Graph) -> Vec<usize> {
    let trained = |role| role != Role::Statistic;
    graph.parameters.iter().map(|p| if trained(p.role) { p.values.len() } else { 0 }).collect()
}

/// How fast probes are matched.
#[derive(Debug, Serialize)]
struct Matching {
    probes_per_second: f64,
    comparisons_per_second: f64,
    templates: usize,
    dimension: usize,
}

fn compare(probes: usize, dimension: usize, context: &Context) -> anyhow::Result<()> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut embedding = || {
        let raw: Vec<i16> = (0..dimension).map(|_| random.random_range(-127..=127)).collect();
        Embedding::from_raw(&raw)
    };
    let mut gallery = Box::new(Gallery::new());
    for index in 0..MAX_TEMPLATES {
        gallery.add(&[0; 32], &format!("identity {}", index % MAX_IDENTITIES), &embedding()?)?;
    }
    let probes = (0..probes.max(1)).map(|_| embedding()).collect::<Result<Vec<_>, _>>()?;
    let start = Instant::now();
    let compared: usize = probes.iter().map(|probe| identify(&gallery, probe, 0).compared).sum();
    let seconds = start.elapsed().as_secs_f64();
    let matching = Matching {
        probes_per_second: probes.len() as f64 / seconds,
        comparisons_per_second: compared as f64 / seconds,
        templates: MAX_TEMPLATES,
        dimension,
    };
    let rate = context.style.bold(format_args!("{:.0} probes/s", matching.probes_per_second));
    context.say(format_args!("matched  {rate}  ({MAX_TEMPLATES} templates of {dimension} components, 1 thread)"))?;
    context.finish(&matching)
}

/// What each loss costs.
#[derive(Debug, Serialize)]
struct Charges {
    losses: Vec<loss::Cost>,
    batch: usize,
    dimension: usize,
    threads: usize,
    /// The most memory this process has had resident.
    peak_rss_bytes: Option<u64>,
}

fn charge(workload: loss::Workload, context: &Context) -> anyhow::Result<()> {
    let losses = loss::costs(workload)?;
    let mut table = Table::new(&[("loss", Align::Left), ("ms", Align::Right), ("active", Align::Right)]);
    for cost in &losses {
        let active = cost.active_fraction.map_or_else(String::new, |share| format!("{:.0} %", share * 100.0));
        table.row([cost.loss.to_owned(), format!("{:.2}", cost.milliseconds), active]);
    }
    let loss::Workload { batch, dimension, .. } = workload;
    let threads = rayon::current_num_threads();
    let peak_rss_bytes = bench::peak_resident_bytes();
    context.say(format_args!("{table}\n(batch {batch}, {dimension} components, {threads} threads)"))?;
    if let Some(bytes) = peak_rss_bytes {
        context.say(format_args!("peak memory  {:.1} MB", bytes as f64 / 1e6))?;
    }
    context.finish(&Charges { losses, batch, dimension, threads, peak_rss_bytes })
}
