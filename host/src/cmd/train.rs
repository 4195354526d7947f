//! `deja train`: a data set becomes a network.

use super::{Context, parse_size};
use crate::dataset;
use crate::loss::LossTerm;
use crate::training::{Checkpoint, EpochRecord, LAST, OnTop, Options, Recipe, train};
use crate::ui::{Align, Table};
use serde_json::json;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "EXAMPLES:
  deja train synthetic --out run
  deja train market1501/ --out run --recipe recipe.toml
  deja train vehicles/manifest.csv --out run --network mobilenet_v2_0.5 --input 64x64 --epochs 60
  deja train synthetic --out run --loss batch_hard,cross_entropy
  deja train market1501/ --out run --recipe distilled --teacher large.onnx
  deja train synthetic --out run --loss distillation,cross_entropy --teacher other/model.safetensors
  deja train synthetic --out run --triplets triplets.jsonl --remine-every 5
  deja train synthetic --out run --resume
  deja train --print-recipe default > recipe.toml";

/// Trains a network to tell identities apart
///
/// Everything a run depends on is in its recipe; the options here override it. The folder of the run holds
/// last.safetensors to resume from, model.safetensors and report.html when it is finished, and log.jsonl with a line an epoch.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = long_help())]
pub struct Args {
    /// Data set: Market-1501 folders, a folder per identity, a CSV manifest, or `synthetic`
    #[arg(value_name = "DATA", required_unless_present = "print_recipe", long_help = format!("Data set:\n{}", dataset::LAYOUTS))]
    data: Option<PathBuf>,
    /// Folder of the run
    #[arg(long, value_name = "RUN", required_unless_present = "print_recipe")]
    out: Option<PathBuf>,
    /// Print a recipe, whole, to start one's own from: one that is shipped, or a file with its gaps filled
    #[arg(long, value_name = "NAME", conflicts_with_all = ["data", "out", "recipe", "resume"])]
    print_recipe: Option<PathBuf>,
    /// Recipe in TOML, or the name of one that is shipped; what it leaves out has a default
    #[arg(long, value_name = "R.toml")]
    recipe: Option<PathBuf>,
    /// Network, such as mobilenet_v2_0.35
    #[arg(long, value_name = "N")]
    network: Option<String>,
    /// Height and width of the network's picture
    #[arg(long, value_name = "HxW", value_parser = parse_size)]
    input: Option<[usize; 2]>,
    /// What is minimized: names of losses, such as `batch_hard,cross_entropy`; what the recipe says of them stays
    #[arg(long, value_name = "A,B,…", value_delimiter = ',', value_parser = LossTerm::named)]
    loss: Vec<LossTerm>,
    /// Learn from a teacher: an .onnx model, a checkpoint, or a file of embeddings (.safetensors); adds a distillation
    /// where the recipe has none
    #[arg(long, value_name = "FILE")]
    teacher: Option<PathBuf>,
    /// Learn from mined triplets: a file of `deja mine`
    #[arg(long, value_name = "FILE")]
    triplets: Option<PathBuf>,
    /// Mine triplets anew every N epochs by the run's own weights, without --triplets also at the beginning
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    remine_every: Option<u64>,
    /// Passes over the training pictures
    #[arg(long, value_name = "N")]
    epochs: Option<u64>,
    /// Seed of everything random
    #[arg(long)]
    seed: Option<u64>,
    /// Threads; by default one a core
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    threads: usize,
    /// Go on with the run in the folder
    #[arg(long)]
    resume: bool,
}

impl Args {
    /// The recipe's file, or that of the run to resume, or the default; then the options.
    fn recipe(&self, run: &Path) -> anyhow::Result<Recipe> {
        let last = run.join(LAST);
        let mut recipe = match &self.recipe {
            Some(path) => Recipe::read(path)?,
            None if self.resume && last.exists() => Checkpoint::load(&last)?.state.recipe,
            None => Recipe::default(),
        };
        if let Some(network) = &self.network {
            recipe.network.name.clone_from(network);
        }
        recipe.network.input = self.input.unwrap_or(recipe.network.input);
        if !self.loss.is_empty() {
            let said = |named: &LossTerm| recipe.losses.iter().find(|term| term.resembles(named)).cloned();
            recipe.losses = self.loss.iter().map(|named| said(named).unwrap_or_else(|| named.clone())).collect();
        }
        if let Some(teacher) = &self.teacher {
            recipe.learn_from_teacher(&std::path::absolute(teacher)?);
        }
        if self.triplets.is_some() || self.remine_every.is_some() {
            recipe.learn_from_triplets();
        }
        recipe.mining.every = self.remine_every.unwrap_or(recipe.mining.every);
        recipe.epochs = self.epochs.unwrap_or(recipe.epochs);
        recipe.seed = self.seed.unwrap_or(recipe.seed);
        recipe.check()?;
        recipe.check_teacher()?;
        Ok(recipe)
    }
}

/// Trains.
///
/// # Errors
/// An unusable data set or recipe, a diverged run, an interruption.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    if let Some(name) = &args.print_recipe {
        return context.say(toml::to_string(&Recipe::read(name)?)?.trim_end());
    }
    let (Some(data), Some(run)) = (&args.data, &args.out) else {
        anyhow::bail!("give a data set, and the folder of the run with --out");
    };
    let recipe = args.recipe(run)?;
    let data = dataset::open(data)?;
    let options = Options { resume: args.resume, threads: args.threads, triplets: args.triplets.clone() };
    let outcome = train(&data, &recipe, run, options, context.progress())?;
    for skipped in &outcome.skipped {
        context.warn(format_args!("skipped {}: {}", skipped.path.display(), skipped.reason));
    }
    let (pictures, identities) = (outcome.pictures, outcome.identities);
    context.say(table(&outcome.history))?;
    let model = context.style.bold(outcome.model.display());
    context.say(format_args!("\ntrained on {pictures} pictures of {identities} identities: {model}"))?;
    if let Some(on_top) = &outcome.metric_on_top {
        context.say(describe(on_top))?;
    }
    if let Some(best) = outcome.best {
        let ended = outcome.history.len();
        context.say(format_args!("its weights are those of epoch {}, the best of {ended}", best.epoch))?;
    }
    context.say(format_args!("how it went: {}", outcome.report.display()))?;
    let last = outcome.history.iter().rev();
    context.finish(&json!({
        "model": outcome.model,
        "report": outcome.report,
        "best_epoch": outcome.best.map(|best| best.epoch),
        "pictures": pictures,
        "identities": identities,
        "skipped": outcome.skipped.iter().map(|skipped| &skipped.path).collect::<Vec<_>>(),
        "validation_map": last.clone().find_map(|record| record.validation_map),
        "validation_rank1": last.clone().find_map(|record| record.validation_rank1),
        "metric_on_top": outcome.metric_on_top,
        "epochs": outcome.history,
    }))
}

/// The examples, the shipped recipes, and every setting with its default.
fn long_help() -> String {
    let shipped = |name: &str| format!("  {name:<14} {}\n", Recipe::purpose(name).unwrap_or_default());
    let recipes: String = Recipe::names().map(shipped).collect();
    let defaults = toml::to_string(&Recipe::default()).unwrap_or_default();
    let defaults: String = defaults.lines().map(|line| format!("  {line}").trim_end().to_owned() + "\n").collect();
    format!(
        "{EXAMPLES}\n\nSHIPPED RECIPES (--recipe NAME; --print-recipe NAME shows one whole):\n{recipes}\nA RECIPE, with the \
         defaults of what it leaves out:\n{defaults}"
    )
}

/// What a metric on top changed on the held-out identities.
fn describe(on_top: &OnTop) -> String {
    let change = |without: Option<f32>, with: Option<f32>| match without.zip(with) {
        Some((without, with)) => format!("{:.1} → {:.1} %", without * 100.0, with * 100.0),
        None => "unknown, for no held-out identity has a match".into(),
    };
    let (method, dimension) = (on_top.method.name(), on_top.dimension);
    let map = change(on_top.map_without, on_top.map_with);
    let rank1 = change(on_top.rank1_without, on_top.rank1_with);
    format!("{method} on top, {dimension} components: validation mAP {map}, rank-1 {rank1}")
}

/// The epochs that looked at held-out identities, and the last one.
fn table(history: &[EpochRecord]) -> Table {
    let columns = ["epoch", "loss", "active", "id found", "pictures/s", "mAP", "rank-1"];
    let mut table = Table::new(&columns.map(|name| (name, Align::Right)));
    let last = history.last().map_or(0, |record| record.epoch);
    for record in history.iter().filter(|record| record.validation_map.is_some() || record.epoch == last) {
        let percent = |value: Option<f32>| value.map_or_else(String::new, |value| format!("{:.1} %", value * 100.0));
        table.row([
            record.epoch.to_string(),
            format!("{:.3}", record.loss),
            percent(Some(record.active_fraction)),
            percent(Some(record.id_correct)),
            format!("{:.0}", record.images_per_second),
            percent(record.validation_map),
            percent(record.validation_rank1),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn the_long_help_shows_every_setting_with_its_default_and_the_shipped_recipes() {
        let help = Cli::command().render_long_help().to_string();
        let defaults = help.split_once("A RECIPE, with").unwrap().1.split_once('\n').unwrap().1;
        assert_eq!(toml::from_str::<Recipe>(defaults).unwrap(), Recipe::default(), "what is shown is a recipe");
        assert!(defaults.contains("[watchdog]") && defaults.contains("patience = 0"));
        for name in Recipe::names() {
            assert!(help.contains(&format!("  {name} ")), "{name}");
        }
    }

    #[test]
    fn a_recipe_can_be_printed_without_data_and_nothing_else_goes_without() {
        let parse = |arguments: &[&str]| Cli::try_parse_from([&["train"], arguments].concat());
        assert!(parse(&["--print-recipe", "default"]).is_ok());
        for arguments in [&[][..], &["synthetic"], &["--out", "run"], &["synthetic", "--print-recipe", "default"]] {
            assert!(parse(arguments).is_err(), "{arguments:?}");
        }
    }

    #[test]
    fn a_teacher_is_named_where_the_run_finds_it_again() {
        let folder = tempfile::tempdir().unwrap();
        let recipe = |arguments: &[&str]| {
            let all = [&["train", "synthetic", "--out", "run"], arguments].concat();
            Cli::try_parse_from(all).unwrap().args.recipe(folder.path())
        };
        for before in [&["--recipe", "distilled"][..], &["--loss", "distillation,cross_entropy"]] {
            let message = recipe(before).unwrap_err().to_string();
            assert!(message.contains("--teacher FILE"), "{message}");
            let taught = recipe(&[before, &["--teacher", "t.onnx"]].concat()).unwrap();
            let teacher = &taught.losses[0].distillation().unwrap().teacher;
            assert!(taught.losses.len() == 2 && teacher.is_absolute() && teacher.ends_with("t.onnx"));
        }
        assert_eq!(recipe(&["--teacher", "t.onnx"]).unwrap().losses.len(), 3);
    }

    #[test]
    fn a_printed_recipe_is_the_same_recipe() {
        for name in Recipe::names() {
            let recipe = Recipe::read(Path::new(name)).unwrap();
            let printed = toml::to_string(&recipe).unwrap();
            assert_eq!(toml::from_str::<Recipe>(&printed).unwrap(), recipe, "{name}");
        }
    }
}
