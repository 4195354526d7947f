//! `deja watch`: what a camera sees, as it sees it.

use super::Context;
use super::device::Device;
use super::sighting::Sighting;
use deja_shared::protocol::events::{Event, Level};
use serde::Serialize;
use std::time::{Duration, Instant};

const EXAMPLES: &str = "EXAMPLES:
  deja watch --device tcp:192.168.1.20:7700
  deja watch --device serial:/dev/ttyACM0 --seconds 60 --json sightings.json";

/// Shows what a camera sees, as it sees it
///
/// One line a sighting, until Ctrl-C or until the given time is over.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    device: Device,
    /// Stop after so many seconds
    #[arg(long, value_name = "S")]
    seconds: Option<u64>,
}

#[derive(Debug, Default, Serialize)]
struct Outcome {
    sightings: Vec<Entry>,
}

#[derive(Debug, Serialize)]
struct Entry {
    uptime_ms: u32,
    #[serde(flatten)]
    sighting: Sighting,
}

/// Watches.
///
/// # Errors
/// When the camera is gone.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let mut client = args.device.connect(context)?;
    context.note("watching; Ctrl-C ends it");
    let mut outcome = Outcome::default();
    let end = args.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let stopped = || context.progress().interrupted() || end.is_some_and(|end| Instant::now() >= end);
    for event in client.watch(&stopped) {
        match event? {
            Event::Sighting { uptime_ms, identified } => {
                let sighting = Sighting::new(&identified);
                let seconds = f64::from(uptime_ms) / 1000.0;
                context.say(format_args!("{seconds:>10.3} s  {}", sighting.describe(context.style)))?;
                outcome.sightings.push(Entry { uptime_ms, sighting });
            }
            Event::Log { level: Level::Info, text } => context.note(format_args!("camera: {text}")),
            Event::Log { text, .. } => context.warn(format_args!("camera: {text}")),
        }
    }
    context.finish(&outcome)
}
