//! `deja mine`: a checkpoint and a data set become a triplet file.

use super::Context;
use crate::dataset;
use crate::mining::triplet_file::{Header, shortfalls};
use crate::mining::{OfflineSettings, TripletClass};
use crate::training::{Checkpoint, MineRequest, mine, save_triplets};
use crate::ui::{Align, Table};
use serde_json::json;
use std::path::PathBuf;

const EXAMPLES: &str = "EXAMPLES:
  deja mine run/model.safetensors synthetic --out triplets.jsonl
  deja mine run/last.safetensors market1501/ --out triplets.jsonl --triplets 50000 --easy 0 --semi-hard 0.7 --hard 0.3
  deja mine run/model.safetensors market1501/ --out triplets.jsonl --pictures 4000 --margin 0.2
  deja train market1501/ --out second --triplets triplets.jsonl --remine-every 5";

const DEFAULT: OfflineSettings = OfflineSettings::DEFAULT;

/// Mines triplets for `deja train --triplets`
///
/// Embeds the training pictures with a frozen checkpoint, counts all their triplets as easy, semi-hard and hard, and writes a
/// file with some of each: a JSON line that says from what and how it was mined, and a JSON line for each triplet.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Checkpoint (.safetensors) of a run
    #[arg(value_name = "CHECKPOINT")]
    checkpoint: PathBuf,
    /// Data set whose training pictures are mined
    #[arg(value_name = "DATA", long_help = format!("Data set whose training pictures are mined:\n{}", dataset::LAYOUTS))]
    data: PathBuf,
    /// The triplet file to write
    #[arg(long, value_name = "TRIPLETS")]
    out: PathBuf,
    /// How many triplets to choose; fewer where a class does not have its share
    #[arg(long, value_name = "N", default_value_t = DEFAULT.triplets)]
    triplets: usize,
    /// Margin between easy and semi-hard, in Euclidean distance of normalized embeddings
    #[arg(long, value_name = "M", default_value_t = DEFAULT.margin)]
    margin: f32,
    /// Share of easy triplets: the negative is farther than the positive by more than the margin
    #[arg(long, value_name = "SHARE", default_value_t = DEFAULT.easy)]
    easy: f32,
    /// Share of semi-hard triplets: the negative is farther than the positive, but inside the margin
    #[arg(long, value_name = "SHARE", default_value_t = DEFAULT.semi_hard)]
    semi_hard: f32,
    /// Share of hard triplets: the negative is as near as the positive or nearer
    #[arg(long, value_name = "SHARE", default_value_t = DEFAULT.hard)]
    hard: f32,
    /// Of each anchor, positive and class, choose among so many nearest negatives
    #[arg(long, value_name = "K", default_value_t = DEFAULT.candidates)]
    candidates: usize,
    /// Embed only about so many pictures, all those of identities drawn at random; 0 embeds all
    #[arg(long, value_name = "N", default_value_t = 0)]
    pictures: usize,
    /// Seed of everything random
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads; by default one a core
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    threads: usize,
}

/// Mines.
///
/// # Errors
/// A checkpoint, data set or quota that cannot be used, and a file that cannot be written.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let settings = OfflineSettings {
        triplets: args.triplets,
        margin: args.margin,
        easy: args.easy,
        semi_hard: args.semi_hard,
        hard: args.hard,
        candidates: args.candidates,
        ..DEFAULT
    };
    let request = MineRequest { settings, seed: args.seed, pictures: args.pictures, threads: args.threads };
    let checkpoint = Checkpoint::load(&args.checkpoint)?;
    let data = dataset::open(&args.data)?;
    let file = mine(&checkpoint, &data, &request, context.progress())?;
    save_triplets(&args.out, &file)?;
    let warnings = shortfalls(&file.header);
    warnings.iter().for_each(|warning| context.warn(warning));
    context.say(table(&file.header))?;
    let (count, embedded, out) = (file.triplets.len(), file.header.embedded, context.style.bold(args.out.display()));
    context.say(format_args!("\n{count} triplets of {embedded} pictures: {out}"))?;
    context.finish(&json!({ "out": args.out, "triplets": count, "header": file.header, "warnings": warnings }))
}

/// The classes with their shares.
fn table(header: &Header) -> Table {
    let columns = ["examined", "share", "wanted", "chosen", "share"].map(|name| (name, Align::Right));
    let mut table = Table::new(&[&[("class", Align::Left)], &columns[..]].concat());
    let wanted = header.settings.wanted();
    for class in TripletClass::ALL {
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        table.row([
            class.name().to_owned(),
            header.examined.of(class).to_string(),
            percent(header.examined.share(class)),
            wanted.of(class).to_string(),
            header.chosen.of(class).to_string(),
            percent(header.chosen.share(class)),
        ]);
    }
    table
}
