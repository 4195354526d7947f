//! `deja gallery`: whom a camera knows.

use super::Context;
use super::device::Device;
use crate::device::{Client, GalleryFile, cosine};
use crate::ui::{Align, Table};
use serde::Serialize;
use serde_json::json;
use std::path::PathBuf;

const EXAMPLES: &str = "EXAMPLES:
  deja gallery --device tcp:192.168.1.20:7700 list
  deja gallery --device tcp:192.168.1.20:7700 export people.json
  deja gallery --device serial:/dev/ttyACM0 import people.json
  deja gallery --device serial:/dev/ttyACM0 remove Anna";

/// Lists, removes, exports and imports whom a camera knows
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    device: Device,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Action {
    /// Who is in it
    List,
    /// Forget somebody
    Remove {
        /// Who
        name: String,
    },
    /// Forget everybody
    Clear,
    /// Write every template into a file
    Export {
        /// JSON file to write
        file: PathBuf,
    },
    /// Add the templates of a file; what is there already is not added twice
    Import {
        /// JSON file that `export` wrote
        file: PathBuf,
    },
    /// Show, or set, how alike somebody must be to be known
    Threshold {
        /// Least cosine of a match, from -1 to 1
        #[arg(value_name = "COSINE", allow_negative_numbers = true, conflicts_with = "reset")]
        cosine: Option<f32>,
        /// Go back to the model's own
        #[arg(long)]
        reset: bool,
    },
}

/// Does it.
///
/// # Errors
/// Those of the link, the camera's refusals, unreadable files.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let mut client = args.device.connect(context)?;
    match &args.action {
        Action::List => list(&mut client, context),
        Action::Remove { name } => {
            let removed = client.remove(name)?;
            context.say(format_args!("{name} is forgotten, with {} templates", removed.templates))?;
            context.finish(&json!({ "name": name, "identity": removed.identity, "templates": removed.templates }))
        }
        Action::Clear => {
            let identities = client.clear()?;
            context.say(format_args!("{identities} identities are forgotten"))?;
            context.finish(&json!({ "identities": identities }))
        }
        Action::Export { file } => {
            let gallery = client.export(context.progress())?;
            gallery.write(file)?;
            let (identities, templates) = (gallery.identities(), gallery.templates.len());
            context.say(format_args!("{}: {identities} identities, {templates} templates", file.display()))?;
            context.finish(&json!({ "file": file, "identities": identities, "templates": templates }))
        }
        Action::Import { file } => import(&mut client, &GalleryFile::read(file)?, context),
        Action::Threshold { cosine, reset } => threshold(&mut client, *cosine, *reset, context),
    }
}

#[derive(Debug, Serialize)]
struct Row {
    identity: u32,
    name: String,
    templates: u16,
}

fn list(client: &mut Client, context: &Context) -> anyhow::Result<()> {
    let mut table = Table::new(&[("identity", Align::Right), ("name", Align::Left), ("templates", Align::Right)]);
    let mut rows = Vec::new();
    for found in client.list()? {
        table.row([found.identity.to_string(), found.name.to_string(), found.templates.to_string()]);
        rows.push(Row { identity: found.identity, name: found.name.to_string(), templates: found.templates });
    }
    let camera = client.capabilities();
    context.say(&table)?;
    context.say(format_args!("{} of {} templates are taken", camera.templates, camera.max_templates))?;
    context.finish(&json!({
        "identities": rows,
        "templates": camera.templates,
        "max_templates": camera.max_templates,
        "gallery_fits_model": camera.gallery_fits_model,
    }))
}

fn import(client: &mut Client, gallery: &GalleryFile, context: &Context) -> anyhow::Result<()> {
    let added = client.import(gallery, context.progress())?;
    let present = gallery.templates.len() - added;
    context.say(format_args!("{added} templates added, {present} were there already"))?;
    context.finish(&json!({ "added": added, "present": present, "identities": gallery.identities() }))
}

fn threshold(client: &mut Client, wanted: Option<f32>, reset: bool, context: &Context) -> anyhow::Result<()> {
    let answer = match wanted {
        Some(wanted) => {
            anyhow::ensure!((-1.0..=1.0).contains(&wanted), "{wanted} is no cosine; give a number from -1 to 1");
            // Within ±32767 by the check above.
            client.set_threshold(Some((wanted * f32::from(i16::MAX)).round() as i16))?
        }
        None if reset => client.set_threshold(None)?,
        None => client.threshold()?,
    };
    match answer.cosine.map(cosine) {
        Some(cosine) => context.say(format_args!("least cosine of a match: {cosine:.4}"))?,
        None => context.say("least cosine of a match: the model's own")?,
    }
    context.finish(&json!({ "cosine": answer.cosine.map(cosine) }))
}
