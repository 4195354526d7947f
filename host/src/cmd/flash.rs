//! `deja flash`: firmware and model onto a camera.

use super::Context;
use super::device::Device;
use crate::device::{Client, ClientError, flash_firmware, short};
use crate::hexadecimal::hexadecimal;
use crate::quantize::Int8Model;
use deja_shared::protocol::messages::ModelCommitted;
use deja_shared::protocol::refusal::Refusal;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;

const EXAMPLES: &str = "EXAMPLES:
  deja flash --device tcp:192.168.1.20:7700 --model model.deja
  deja flash --device serial:/dev/ttyACM0 --firmware camera.elf --chip nRF52840_xxAA --model model.deja";

/// Puts a model, a firmware, or both onto a camera
///
/// A model travels over the camera's own link. The camera keeps what it got: a transfer that was broken off goes on where
/// it stood, and until the new model is complete, verified, and computed bit for bit on the camera, the old one runs.
/// Firmware travels through a debug probe.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
#[group(id = "what", required = true, multiple = true, args = ["model", "firmware"])]
pub struct Args {
    #[command(flatten)]
    device: Device,
    /// Model file that `deja quantize` wrote
    #[arg(long, value_name = "MODEL.deja")]
    model: Option<PathBuf>,
    /// Firmware of the board, as an ELF file
    #[arg(long, value_name = "ELF")]
    firmware: Option<PathBuf>,
    /// The board's chip as probe-rs calls it, where it is not recognized
    #[arg(long, requires = "firmware")]
    chip: Option<String>,
}

#[derive(Debug, Serialize)]
struct Outcome {
    device: String,
    firmware: Option<PathBuf>,
    model: Option<Model>,
}

#[derive(Debug, Serialize)]
struct Model {
    name: String,
    fingerprint: String,
    bytes: usize,
    seconds: f64,
    /// Templates of another model, kept but not compared.
    foreign_templates: u16,
}

/// Flashes.
///
/// # Errors
/// An invalid model, the camera's refusals, a link that stays broken, a missing probe.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    // A model that is no good is found out before the camera is troubled.
    let model = args.model.as_deref().map(Int8Model::open).transpose()?;
    if let Some(firmware) = &args.firmware {
        flash_firmware(firmware, args.chip.as_deref(), context.progress())?;
        context.say(format_args!("{} runs", context.style.bold(firmware.display())))?;
    }
    let mut outcome = Outcome { device: args.device.device.to_string(), firmware: args.firmware.clone(), model: None };
    if let (Some(model), Some(path)) = (model, &args.model) {
        let mut client = args.device.connect(context)?;
        outcome.model = Some(send(&mut client, path, &model, context)?);
    }
    context.finish(&outcome)
}

fn send(client: &mut Client, path: &Path, model: &Int8Model, context: &Context) -> anyhow::Result<Model> {
    let bytes = model.model().bytes();
    let start = Instant::now();
    let sent = client.flash_model(bytes, context.progress());
    let ModelCommitted { model, foreign_templates } = sent.map_err(|error| explain(error, path, model))?;
    let seconds = start.elapsed().as_secs_f64();
    let name = context.style.bold(&model.name);
    let (length, fingerprint) = (bytes.len(), short(&model.fingerprint));
    context.say(format_args!("{name} ({fingerprint}) runs: {length} bytes of {} in {seconds:.1} s", path.display()))?;
    if foreign_templates > 0 {
        context.warn(format_args!(
            "{foreign_templates} templates were enrolled with another model; they are kept, but nobody is known by them: \
             `deja gallery clear` and enroll again"
        ));
    }
    Ok(Model {
        name: model.name.to_string(),
        fingerprint: hexadecimal(&model.fingerprint),
        bytes: length,
        seconds,
        foreign_templates,
    })
}

/// A model that fails on the camera is tried here, to tell whether the file or the firmware is to blame.
fn explain(error: ClientError, path: &Path, model: &Int8Model) -> anyhow::Error {
    if !matches!(error.refusal(), Some(Refusal::Parity { .. })) {
        return error.into();
    }
    let blame = match model.check_golden() {
        Ok(()) => "this computer computes its golden pairs rightly: update the camera's firmware, or flash it again",
        Err(_) => {
            "its golden pairs do not come out on this computer either: it was changed; write it again with `deja quantize`"
        }
    };
    anyhow::Error::new(error).context(format!("{}: {blame}", path.display()))
}
