//! `deja identify`: a camera says who is on a photograph.

use super::Context;
use super::device::{Device, SkippedImage, each_picture};
use super::sighting::Sighting;
use serde::Serialize;
use std::path::PathBuf;

const EXAMPLES: &str = "EXAMPLES:
  deja identify --device tcp:192.168.1.20:7700 door.jpg
  deja identify --device sim:camera.flash --json - faces/*.jpg";

/// Asks a camera who is on photographs
///
/// One line a picture: the name, or `unknown`, with the cosine to the nearest template and how far behind the next
/// identity is.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    device: Device,
    /// Photographs (JPEG, PNG, BMP)
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Outcome {
    pictures: Vec<Picture>,
    skipped: Vec<SkippedImage>,
}

#[derive(Debug, Serialize)]
struct Picture {
    image: PathBuf,
    #[serde(flatten)]
    sighting: Sighting,
}

/// Identifies.
///
/// # Errors
/// No readable picture, the camera's refusals.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let mut client = args.device.connect(context)?;
    let mut pictures = Vec::new();
    let skipped = each_picture(&mut client, &args.images, context, |client, image, size, pixels| {
        let sighting = Sighting::new(&client.identify(size, pixels)?);
        context.say(format_args!("{}: {}", image.display(), sighting.describe(context.style)))?;
        pictures.push(Picture { image: image.to_owned(), sighting });
        Ok(())
    })?;
    context.finish(&Outcome { pictures, skipped })
}
