//! `deja profile`: what a model costs a camera, layer by layer.

use super::Context;
use super::cost::{self, Chips, emulated_boards};
use crate::device::{Address, Client, FORMS};
use crate::profile::{self, Profile};
use crate::quantize::Int8Model;
use crate::simulator::machine::Board;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "EXAMPLES:
  deja profile model.deja --board mps2-an386
  deja profile old.deja new.deja --board mps3-an547         what has become cheaper, kind by kind
  deja profile model.deja --board mps2-an500 --megahertz 480 --wait-states 2
  deja profile model.deja --device serial:/dev/ttyACM0      measured on the camera that runs this model
  deja profile model.deja --json - | jq '.layers[] | select(.kind == \"depthwise\")'";

/// Shows what a model costs a camera: instructions or cycles, flash and memory, layer by layer
///
/// On an emulated board instructions are counted, the same ones every time but for a few tens. They are no time: how long an
/// instruction takes depends on the core and its memory. --megahertz estimates it; --device measures it on a camera, in
/// cycles of its processor.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Model file that `deja quantize` wrote; a second one is compared with it
    #[arg(value_name = "MODEL.deja", required = true, num_args = 1..=2)]
    models: Vec<PathBuf>,
    /// Emulated board to count instructions on (needs QEMU)
    #[arg(long, default_value = "mps2-an386", value_parser = emulated_boards(), conflicts_with = "device")]
    board: &'static Board,
    /// Camera that runs the model, to measure there: tcp:HOST:PORT, serial:DEVICE[:BAUD] or sim:FLASH
    #[arg(long, value_name = "DEV", long_help = format!("Camera that runs the model, to measure there:\n{FORMS}"))]
    device: Option<Address>,
    #[command(flatten)]
    chips: Chips,
}

/// Profiles.
///
/// # Errors
/// Files that are no models, missing tools, a camera that runs another model.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let one = |path: &PathBuf| profile_one(path, args, context);
    let profiles = args.models.iter().map(one).collect::<anyhow::Result<Vec<_>>>()?;
    let board = args.device.is_none().then_some(args.board);
    match &profiles[..] {
        [old, new] => cost::compare([old, new], context),
        _ => profiles.iter().try_for_each(|profile| cost::show(profile, board, args.chips, context)),
    }
}

fn profile_one(path: &Path, args: &Args, context: &Context) -> anyhow::Result<Profile> {
    let file = Int8Model::open(path)?;
    let profile = match &args.device {
        Some(device) => profile::measure(&mut Client::connect(device)?, &file.model())?,
        None => {
            context.note(format_args!("counting the instructions of {} on {}", path.display(), args.board.name));
            profile::emulated(args.board, &file.model())?
        }
    };
    Ok(profile)
}
