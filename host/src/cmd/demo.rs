//! `deja demo`: the whole loop, from pictures to a camera that says who it sees.

use super::Context;
use crate::demo::camera::Board;
use crate::demo::people::Limits;
use crate::demo::{self, Outcome, QUANTIZED, Settings};
use crate::training::Recipe;
use crate::ui::table::{Align, Table};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::json;
use std::path::PathBuf;

const EXAMPLES: &str = "\
EXAMPLES:
  deja demo                                 built-in synthetic pedestrians, a camera simulated on this computer
  deja demo --board mps2-an386              the firmware on an emulated Cortex-M4 (needs QEMU)
  deja demo --board mps3-an547              the same on a Cortex-M55; mps2-an500 has a Cortex-M7, mps2-an505 an M33
  deja demo --data my-photographs           a folder per identity, Market-1501 folders, or a CSV manifest
  deja demo --data synthetic:identities=80,cameras=3 --epochs 5 --out /tmp/quick";

/// Shows the whole loop: train, evaluate, quantize, flash a camera, enroll, identify, report
///
/// Everything is written to one folder: the run, model.deja and report.html. Interrupted, it goes on where it stopped when
/// it is called again.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The camera: `sim` on this computer, or an emulated board
    #[arg(long, default_value = "sim", value_parser = boards())]
    board: Board,
    /// Data set with pictures to train on, to enroll and to ask about
    #[arg(long, value_name = "DIR", default_value = "synthetic")]
    data: PathBuf,
    /// Recipe in TOML; by default one that suits the data set
    #[arg(long, value_name = "R.toml")]
    recipe: Option<PathBuf>,
    /// Passes over the training pictures
    #[arg(long, value_name = "N")]
    epochs: Option<u64>,
    /// Most people to get to know, and as many strangers; by default 32, or 8 on an emulated board
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    people: Option<u16>,
    /// Folder to write to
    #[arg(long, value_name = "DIR", default_value = "deja-demo")]
    out: PathBuf,
}

/// Runs the loop and prints what came of it.
///
/// # Errors
/// The first step that fails.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    demo::create_folder(&args.out)?;
    let mut recipe = args.recipe.as_deref().map(Recipe::read).transpose()?;
    if let Some(epochs) = args.epochs {
        let base = match recipe {
            Some(recipe) => recipe,
            None => Recipe::for_data(&crate::dataset::open(&args.data)?)?,
        };
        recipe = Some(Recipe { epochs, ..base });
    }
    let limits = limits(args);
    let settings = Settings { data: args.data.clone(), recipe, board: args.board, limits, out: args.out.clone() };
    let outcome = demo::run(&settings, &|line| context.note(line), context.progress())?;
    for skipped in &outcome.skipped {
        context.warn(format_args!("skipped {}: {}", skipped.path.display(), skipped.reason));
    }
    show(&outcome, context)?;
    context.finish(&to_json(&outcome, args))
}

/// Reads a board's name.
fn boards() -> impl TypedValueParser<Value = Board> {
    let names = PossibleValuesParser::new(Board::all().map(Board::name));
    names.try_map(|name| Board::all().find(|board| board.name() == name).ok_or("no such board"))
}

/// A picture takes an emulated board's link a second, so fewer people meet it.
fn limits(args: &Args) -> Limits {
    let (people, templates, probes) = if args.board == Board::Sim { (32, 4, 4) } else { (8, 3, 2) };
    Limits { people: args.people.map_or(people, usize::from), templates, probes }
}

fn show(outcome: &Outcome, context: &Context) -> anyhow::Result<()> {
    let columns = [("ranking", Align::Left), ("mAP", Align::Right), ("rank-1", Align::Right), ("mINP", Align::Right)];
    let mut table = Table::new(&columns);
    for (name, evaluated) in [("float", &outcome.float), ("int8", &outcome.int8)] {
        let ranking = &evaluated.ranking;
        table.row([name.to_owned(), percent(ranking.map), percent(ranking.rank1()), percent(ranking.minp)]);
    }
    context.say(format_args!("\n{}, {} queries", outcome.data.name, outcome.float.ranking.queries.len()))?;
    context.say(table)?;
    let tally = outcome.tally;
    let mut table = Table::new(&[("the camera", Align::Left), ("right", Align::Right), ("asked", Align::Right)]);
    table.row(["named known people".to_owned(), tally.named_rightly.to_string(), tally.known.to_string()]);
    table.row(["turned strangers away".to_owned(), tally.turned_away.to_string(), tally.strangers.to_string()]);
    context.say(format_args!("\n{table}"))?;
    context.say(format_args!("\n{}", context.style.bold(outcome.report.display())))
}

fn to_json(outcome: &Outcome, args: &Args) -> serde_json::Value {
    let scores = |evaluated: &demo::Evaluated| {
        let ranking = &evaluated.ranking;
        json!({
            "queries": ranking.queries.len(), "gallery": ranking.gallery, "map": ranking.map, "minp": ranking.minp,
            "rank1": ranking.rank1(), "rank5": ranking.rank5(), "rank10": ranking.rank10(),
        })
    };
    let tally = outcome.tally;
    json!({
        "data": outcome.data.name,
        "board": outcome.camera.board.as_str(),
        "float": scores(&outcome.float),
        "int8": scores(&outcome.int8),
        "known": { "asked": tally.known, "named_rightly": tally.named_rightly },
        "strangers": { "asked": tally.strangers, "turned_away": tally.turned_away },
        "model": args.out.join(QUANTIZED),
        "report": outcome.report,
        "skipped": outcome.skipped.iter().map(|skipped| &skipped.path).collect::<Vec<_>>(),
    })
}

fn percent(fraction: f64) -> String {
    format!("{:.1} %", fraction * 100.0)
}
