//! `deja adapt`: a gallery survives a change of model without the photographs.

use super::Context;
use super::device::Device;
use crate::dataset;
use crate::device::{Address, Client, FORMS, GalleryFile, cosine, short};
use crate::hexadecimal::hexadecimal;
use crate::projection::{Adaptation, AdaptationError, Fidelity, Method, Standing, adapt};
use crate::quantize::Int8Model;
use crate::ui::{Align, Table};
use anyhow::Context as _;
use deja_shared::model::Fingerprint;
use serde::Serialize;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "EXAMPLES:
  deja gallery --device tcp:192.168.1.20:7700 export people.json
  deja adapt old.deja new.deja market1501/ --gallery people.json --out people.new.json
  deja adapt old.deja new.deja vehicles/ --device serial:/dev/ttyACM0 --out people.new.json

The last one does everything: it exports the camera's gallery (and keeps it as people.new.old.json), flashes new.deja, and
imports the templates that were adapted, with the threshold for them.";

/// Turns the templates of one model into those of another, without the photographs
///
/// Both models embed DATA's training pictures; a map from the old embeddings to the new ones is learned on them (least squares
/// with regularization, or a rotation, whichever serves held-out identities better) and applied to every template. DATA's
/// queries and gallery tell what it costs in mAP, and from which cosine on an adapted gallery may know somebody: a threshold of
/// its own, as the new model's would know nearly nobody. Adapted templates are never quite as good as new ones: where there are
/// photographs, enroll again.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Model that the gallery was enrolled with
    #[arg(value_name = "OLD.deja")]
    old: PathBuf,
    /// Model that it shall serve
    #[arg(value_name = "NEW.deja")]
    new: PathBuf,
    /// Data set with training pictures to learn from, and a query and a gallery split to measure on
    #[arg(value_name = "DATA", long_help = format!("Data set to learn from and to measure on:\n{}", dataset::LAYOUTS))]
    data: PathBuf,
    /// Gallery that `deja gallery export` wrote
    #[arg(long, value_name = "FILE", required_unless_present = "device", conflicts_with = "device")]
    gallery: Option<PathBuf>,
    /// Camera whose gallery is adapted, and which gets the new model
    #[arg(long, value_name = "DEV", long_help = format!("Camera whose gallery is adapted, and which gets the new model:\n{FORMS}"))]
    device: Option<Address>,
    /// File for the adapted gallery, for `deja gallery import`
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Debug, Serialize)]
struct Outcome {
    old: String,
    new: String,
    method: &'static str,
    /// Regularization of least squares, as a share of the mean variance.
    ridge: Option<f64>,
    pictures: usize,
    identities: usize,
    /// By which the method was chosen.
    held_out: Fidelity,
    old_model: Standing,
    native: Standing,
    adapted: Standing,
    /// Least cosine of a match with an adapted template.
    threshold: Option<f32>,
    /// Expected false positive identification rate with as many identities as the gallery has.
    fpir: Option<f64>,
    /// mAP of the adapted gallery less that of a native one.
    delta_map: f64,
    templates: usize,
    people: usize,
    out: PathBuf,
    /// Where the camera's former gallery was kept.
    kept: Option<PathBuf>,
    skipped: Vec<PathBuf>,
}

/// Adapts.
///
/// # Errors
/// Models that are the same or cannot be read, a gallery of another model, too few pictures; with a camera also those of the
/// link and its refusals.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let (old, new) = (Int8Model::open(&args.old)?, Int8Model::open(&args.new)?);
    let [from, to] = [&old, &new].map(|model| model.model().header().fingerprint);
    if from == to {
        return Err(AdaptationError::SameModel(to).into());
    }
    let device = args.device.clone().map(|device| Device { device });
    let mut camera = device.map(|device| device.connect(context)).transpose()?;
    let gallery = read(args, camera.as_mut(), &from, context)?;
    let data = dataset::open(&args.data)?;
    let people = u16::try_from(gallery.identities()).unwrap_or(u16::MAX);
    let adaptation = adapt(&old, &new, &data, people, context.progress()).with_context(|| {
        let [old, new, data] = [&args.old, &args.new, &args.data].map(|path| path.display());
        format!("no map from {old} to {new} was learned on {data}")
    })?;
    show(&adaptation, old.model().header().dimension.into(), context)?;
    let adapted = gallery.adapted(&to, |template| adaptation.alignment.apply(template))?;
    adapted.write(&args.out)?;
    let threshold = adaptation.threshold.map(|choice| choice.threshold.q15);
    let kept = match camera {
        Some(mut camera) => Some(exchange(&mut camera, (&gallery, &adapted), (&new, threshold), args, context)?),
        None => None,
    };
    if let (None, Some(q15)) = (&kept, threshold) {
        context.say(format_args!(
            "after the import: deja gallery --device … threshold {:.4}   (adapted templates are not as near as new ones)",
            cosine(q15)
        ))?;
    }
    let (templates, people, out) = (adapted.templates.len(), adapted.identities(), args.out.display());
    context.say(format_args!(
        "{out}: {templates} templates of {people} identities, from {} to {}",
        short(&from),
        short(&to)
    ))?;
    context.finish(&outcome(&adaptation, &adapted, [hexadecimal(&from), hexadecimal(&to)], args, kept))
}

/// The gallery to adapt, if it is of `model`; it is read from the camera or from the file.
fn read(
    args: &Args,
    camera: Option<&mut Client>,
    model: &Fingerprint,
    context: &Context,
) -> anyhow::Result<GalleryFile> {
    let (gallery, source) = match (camera, &args.gallery) {
        (Some(camera), _) => (camera.export(context.progress())?, "the camera".to_owned()),
        (None, Some(path)) => (GalleryFile::read(path)?, path.display().to_string()),
        (None, None) => anyhow::bail!("give --gallery FILE or --device DEV"),
    };
    let refused = || format!("{source} cannot be adapted from {}", args.old.display());
    gallery.check_model(model).with_context(refused)?;
    Ok(gallery)
}

fn outcome(
    adaptation: &Adaptation,
    gallery: &GalleryFile,
    [old, new]: [String; 2],
    args: &Args,
    kept: Option<PathBuf>,
) -> Outcome {
    let Adaptation { alignment, identities, old: old_model, native, adapted, threshold, skipped } = adaptation;
    let ridge = if let Method::LeastSquares { ridge } = alignment.method { Some(ridge) } else { None };
    Outcome {
        old,
        new,
        method: alignment.method.name(),
        ridge,
        pictures: alignment.pairs,
        identities: *identities,
        held_out: alignment.held_out,
        old_model: *old_model,
        native: *native,
        adapted: *adapted,
        threshold: threshold.map(|choice| cosine(choice.threshold.q15)),
        fpir: threshold.map(|choice| choice.fpir),
        delta_map: adapted.map - native.map,
        templates: gallery.templates.len(),
        people: gallery.identities(),
        out: args.out.clone(),
        kept,
        skipped: skipped.iter().cloned().collect(),
    }
}

fn show(adaptation: &Adaptation, dimension: usize, context: &Context) -> anyhow::Result<()> {
    let Adaptation { alignment, identities, old, native, adapted, threshold, skipped } = adaptation;
    for path in skipped {
        context.warn(format_args!("skipped {}: it cannot be read", path.display()));
    }
    if alignment.pairs < 2 * dimension {
        let pairs = alignment.pairs;
        context.warn(format_args!(
            "{pairs} pictures are few for {dimension} components; with more the map will be better"
        ));
    }
    let percent = |value: f64| format!("{:.1} %", 100.0 * value);
    let columns = [
        ("gallery", Align::Left),
        ("probes", Align::Left),
        ("mAP", Align::Right),
        ("rank-1", Align::Right),
        ("recognized", Align::Right),
    ];
    let mut table = Table::new(&columns);
    for (gallery, probes, standing) in [("old", "old", old), ("adapted", "new", adapted), ("new", "new", native)] {
        let recognized = standing.recognized.map_or_else(|| "-".to_owned(), percent);
        table.row([gallery.to_owned(), probes.to_owned(), percent(standing.map), percent(standing.rank1), recognized]);
    }
    context.say(&table)?;
    match threshold {
        Some(choice) => context.say(format_args!(
            "threshold for adapted templates: cosine {:.4}; of strangers' pictures {} are accepted with {} identities enrolled",
            cosine(choice.threshold.q15),
            percent(choice.fpir),
            choice.threshold.gallery_identities
        ))?,
        None => context.warn(
            "no threshold for adapted templates: DATA's gallery shows too few identities; the new model's own is too strict \
             for them, so lower it with `deja gallery threshold`",
        ),
    }
    let (method, similarity, pairs) = (alignment.method.name(), alignment.held_out.cosine, alignment.pairs);
    context.say(format_args!(
        "map: {method} on {pairs} pictures of {identities} identities, cosine {similarity:.3} on held-out ones"
    ))
}

/// Keeps the camera's gallery in a file, gives the camera the new model, and puts the adapted gallery in the old one's place.
fn exchange(
    camera: &mut Client,
    (before, adapted): (&GalleryFile, &GalleryFile),
    (model, threshold): (&Int8Model, Option<i16>),
    args: &Args,
    context: &Context,
) -> anyhow::Result<PathBuf> {
    let kept = args.out.with_extension("old.json");
    before.write(&kept)?;
    camera.flash_model(model.model().bytes(), context.progress())?;
    put(camera, adapted, threshold, context).with_context(|| unfinished(&args.out))?;
    context.say(format_args!(
        "the camera runs the new model with the adapted gallery; the former gallery is in {}",
        kept.display()
    ))?;
    Ok(kept)
}

fn put(camera: &mut Client, gallery: &GalleryFile, threshold: Option<i16>, context: &Context) -> anyhow::Result<()> {
    camera.clear()?;
    camera.import(gallery, context.progress())?;
    if let Some(q15) = threshold {
        camera.set_threshold(Some(q15))?;
    }
    Ok(())
}

fn unfinished(out: &Path) -> String {
    format!(
        "the camera runs the new model, but not all templates are there; `deja gallery --device … import {}`",
        out.display()
    )
}
