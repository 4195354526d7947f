//! `deja enroll`: photographs of somebody become templates in a camera's gallery.

use super::Context;
use super::device::{Device, SkippedImage, each_picture};
use crate::device::{cosine, name};
use anyhow::Context as _;
use serde::Serialize;
use std::path::PathBuf;

/// A similarity below this to every older template of the same identity is worth a second look.
const ODD: f32 = 0.3;

const EXAMPLES: &str = "EXAMPLES:
  deja enroll --device tcp:192.168.1.20:7700 Anna anna1.jpg anna2.jpg anna3.jpg
  deja enroll --device serial:/dev/ttyACM0 'Red truck' truck/*.jpg";

/// Teaches a camera somebody from photographs
///
/// The camera embeds each picture itself and keeps the embedding as a template. Two to five pictures from different
/// sides serve best. More pictures of a known NAME are added to those it has.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    device: Device,
    /// Who it is; at most 32 bytes
    #[arg(value_name = "NAME")]
    name: String,
    /// Photographs (JPEG, PNG, BMP), cropped to what is to be recognized
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Outcome {
    name: String,
    identity: u32,
    templates: u16,
    enrolled: Vec<Template>,
    skipped: Vec<SkippedImage>,
}

#[derive(Debug, Serialize)]
struct Template {
    image: PathBuf,
    /// Cosine to the nearest older template of the same identity.
    own: Option<f32>,
    confusable: Option<Confusable>,
}

#[derive(Debug, Serialize)]
struct Confusable {
    name: String,
    cosine: f32,
}

/// Enrolls.
///
/// # Errors
/// No readable picture, the camera's refusals.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    name(&args.name)?;
    let mut client = args.device.connect(context)?;
    let mut enrolled = Vec::new();
    let mut last = None;
    let skipped = each_picture(&mut client, &args.images, context, |client, image, size, pixels| {
        let before = enrolled.len();
        let answer = client
            .enroll(&args.name, size, pixels)
            .with_context(|| format!("{before} of {} pictures were enrolled before", args.images.len()))?;
        let confusable = answer
            .confusable
            .as_ref()
            .map(|other| Confusable { name: other.name.to_string(), cosine: cosine(other.cosine) });
        let template = Template { image: image.to_owned(), own: answer.own.map(cosine), confusable };
        last = Some((answer.identity, answer.templates));
        describe(&template, context)?;
        enrolled.push(template);
        Ok(())
    })?;
    let (identity, templates) = last.context("no picture was enrolled")?;
    let name = context.style.bold(&args.name);
    context.say(format_args!("{name} is identity {identity} with {templates} templates"))?;
    context.finish(&Outcome { name: args.name.clone(), identity, templates, enrolled, skipped })
}

fn describe(template: &Template, context: &Context) -> anyhow::Result<()> {
    let image = template.image.display();
    match template.own {
        None => context.say(format_args!("{image}: enrolled, the first of this identity"))?,
        Some(own) => context.say(format_args!("{image}: enrolled, cosine {own:.3} to the identity's nearest"))?,
    }
    if template.own.is_some_and(|own| own < ODD) {
        context.warn(format_args!("{image} is unlike the other pictures of this identity; is it the same one?"));
    }
    if let Some(other) = &template.confusable {
        let Confusable { name, cosine } = other;
        context.warn(format_args!("{image} would have been taken for {name} (cosine {cosine:.3}); look again"));
    }
    Ok(())
}
