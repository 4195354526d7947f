//! `deja verify`: a camera proves that it computes its model bit for bit.

use super::Context;
use super::device::Device;
use crate::device::short;
use crate::hexadecimal::hexadecimal;
use deja_shared::protocol::messages::Certificate;
use serde::Serialize;

const EXAMPLES: &str = "EXAMPLES:
  deja verify --device tcp:192.168.1.20:7700
  deja verify --device serial:/dev/ttyACM0 --json certificate.json";

/// Lets a camera prove that it computes its model bit for bit
///
/// The camera checks the whole model in its flash, embeds the golden pictures in it, and compares each embedding with the one
/// that `deja quantize` computed. Does one bit differ, it takes up its older model, if that one passes, and this command
/// fails. A camera does the same by itself before a new model runs, and whenever it starts.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    device: Device,
}

#[derive(Debug, Serialize)]
struct Outcome {
    device: String,
    board: String,
    /// Whether every golden pair came out bit for bit.
    certified: bool,
    /// The model that was tried.
    fingerprint: String,
    golden_pairs: u16,
    /// What was wrong; `null` where it is certified.
    fault: Option<String>,
    /// The model that runs now.
    runs: Option<String>,
    /// A newer model is in flash that failed, now or when the camera started.
    rolled_back: bool,
    seconds: f64,
}

/// Verifies.
///
/// # Errors
/// Those of the link, a camera without a model, and a model that fails.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let mut client = args.device.connect(context)?;
    let certificate = client.verify()?;
    let outcome = outcome(&certificate, args.device.device.to_string(), client.capabilities().board.to_string());
    let model = short(&certificate.fingerprint);
    if let Some(fault) = &certificate.fault {
        context.finish(&outcome)?;
        let now = certificate.runs.map_or("no model".to_owned(), |runs| format!("the older model {}", short(&runs)));
        anyhow::bail!("model {model} failed on the camera, which runs {now} now; flash it again: {fault}");
    }
    let (pairs, seconds) = (certificate.pairs, outcome.seconds);
    let certified = context.style.good("certified");
    let model = context.style.bold(model);
    context.say(format_args!("{model}: {certified}, {pairs} golden pairs came out bit for bit in {seconds:.1} s"))?;
    if certificate.rolled_back {
        context.warn("a newer model in the camera's flash failed, so the one before runs; flash the newer one again");
    }
    context.finish(&outcome)
}

fn outcome(certificate: &Certificate, device: String, board: String) -> Outcome {
    Outcome {
        device,
        board,
        certified: certificate.fault.is_none(),
        fingerprint: hexadecimal(&certificate.fingerprint),
        golden_pairs: certificate.pairs,
        fault: certificate.fault.map(|fault| fault.to_string()),
        runs: certificate.runs.map(|runs| hexadecimal(&runs)),
        rolled_back: certificate.rolled_back,
        seconds: f64::from(certificate.microseconds) / 1e6,
    }
}
