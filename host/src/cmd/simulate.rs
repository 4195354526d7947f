//! `deja simulate`: a camera on this computer.

use super::Context;
use crate::device::{Address, Client};
use crate::quantize::Int8Model;
use crate::simulator::{Settings, Simulator};
use anyhow::Context as _;
use serde_json::json;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How soon a stop by the user is noticed.
const GLANCE: Duration = Duration::from_millis(100);

const EXAMPLES: &str = "EXAMPLES:
  deja simulate model.deja
  deja simulate model.deja --listen 0.0.0.0:7700 --flash camera.flash
  deja simulate model.deja --frames door/ --interval 2";

/// Runs a camera on this computer: the firmware itself behind a socket
///
/// It takes one connection at a time, and everything that a camera can do it does as the camera would, bit for bit.
/// Ctrl-C ends it.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Model that it runs; without one, the model in its flash
    #[arg(value_name = "MODEL.deja", required_unless_present = "flash")]
    model: Option<PathBuf>,
    /// Where to listen; port 0 takes any free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7700")]
    listen: SocketAddr,
    /// File that it remembers models and gallery in; without it, it forgets everything when it ends
    #[arg(long, value_name = "FILE")]
    flash: Option<PathBuf>,
    /// Folder of pictures that it sees, one after another
    #[arg(long, value_name = "DIR")]
    frames: Option<PathBuf>,
    /// Seconds that each picture is in front of it
    #[arg(long, value_name = "S", default_value_t = 1.0, requires = "frames")]
    interval: f64,
}

/// Simulates.
///
/// # Errors
/// An invalid model, an address or file in use, a folder without pictures.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let model = args.model.as_deref().map(Int8Model::open).transpose()?;
    let interval = Duration::try_from_secs_f64(args.interval).context("--interval")?;
    let settings = Settings {
        listen: args.listen,
        flash: args.flash.clone(),
        frames: args.frames.clone().map(|folder| (folder, interval)),
        ..Settings::default()
    };
    let simulator = Simulator::start(&settings).with_context(|| describe(args))?;
    let here = Address::from(simulator.address());
    if let Some(model) = &model {
        load(&here, model, context)?;
    }
    context.say(format_args!("{}", context.style.bold(format_args!("listening at {here}"))))?;
    context.finish(&json!({ "address": here.to_string(), "flash": args.flash }))?;
    context.note("Ctrl-C ends it");
    while simulator.is_running() && !context.progress().interrupted() {
        std::thread::sleep(GLANCE);
    }
    simulator.stop().context("the simulated camera has ended")
}

/// Flashes the model, unless it runs already.
fn load(address: &Address, model: &Int8Model, context: &Context) -> anyhow::Result<()> {
    let mut client = Client::connect(address)?;
    let wanted = model.model().header().fingerprint;
    let runs = client.capabilities().model.as_ref().is_some_and(|model| model.fingerprint == wanted);
    if !runs {
        client.flash_model(model.model().bytes(), context.progress())?;
    }
    Ok(())
}

fn describe(args: &Args) -> String {
    let flash = args.flash.iter().map(|path| format!(", flash {}", path.display()));
    let frames = args.frames.iter().map(|path| format!(", frames {}", path.display()));
    let parts: String = flash.chain(frames).collect();
    format!("cannot start a camera (listening at {}{parts})", args.listen)
}
