//! One file a verb: parse the arguments, call the library, print the result. Nothing is computed here.
//!
//! A verb is a pair: `Args`, whose help text ends with examples, and `run`. Results go to standard output, everything
//! else to standard error; `--json` adds one JSON object. The exit code is 0 only when the work was done, 2 when the
//! arguments make no sense, and 1 otherwise.

mod adapt;
mod bench;
mod context;
mod cost;
mod demo;
mod device;
mod enroll;
mod evaluate;
mod export;
mod flash;
mod gallery;
mod identify;
mod inspect;
mod mine;
mod model;
mod profile;
mod quantize;
mod sighting;
mod simulate;
mod size;
mod train;
mod verify;
mod watch;

pub use context::{Context, Global};
pub use size::parse_size;

use crate::ui::{self, Style};
use clap::{Parser, Subcommand};
use std::process::ExitCode;

const EXAMPLES: &str = "EXAMPLES:
  deja demo
  deja train synthetic --out run
  deja quantize run/model.safetensors synthetic --out model.deja
  deja simulate model.deja --listen 127.0.0.1:7700
  deja enroll --device tcp:127.0.0.1:7700 Anna anna1.jpg anna2.jpg
  deja identify --device tcp:127.0.0.1:7700 door.jpg

`deja VERB --help` explains a verb.";

/// Recognizes again what it has seen before: trains, quantizes and flashes cameras, and enrolls whom they shall know
#[derive(Debug, Parser)]
#[command(name = "deja", version, after_help = EXAMPLES, propagate_version = true, subcommand_value_name = "VERB")]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Demo(demo::Args),
    Train(train::Args),
    Mine(mine::Args),
    Evaluate(evaluate::Args),
    Export(export::Args),
    Quantize(quantize::Args),
    Inspect(inspect::Args),
    Profile(profile::Args),
    Simulate(simulate::Args),
    Flash(flash::Args),
    Verify(verify::Args),
    Enroll(enroll::Args),
    Identify(identify::Args),
    Gallery(gallery::Args),
    Watch(watch::Args),
    Adapt(adapt::Args),
    Bench(bench::Args),
}

/// Runs the command that the program's arguments name.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(&cli.global);
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    ui::listen()?;
    let context = Context::new(&cli.global)?;
    match &cli.verb {
        Verb::Demo(args) => demo::run(args, &context),
        Verb::Train(args) => train::run(args, &context),
        Verb::Mine(args) => mine::run(args, &context),
        Verb::Evaluate(args) => evaluate::run(args, &context),
        Verb::Export(args) => export::run(args, &context),
        Verb::Quantize(args) => quantize::run(args, &context),
        Verb::Inspect(args) => inspect::run(args, &context),
        Verb::Profile(args) => profile::run(args, &context),
        Verb::Simulate(args) => simulate::run(args, &context),
        Verb::Flash(args) => flash::run(args, &context),
        Verb::Verify(args) => verify::run(args, &context),
        Verb::Enroll(args) => enroll::run(args, &context),
        Verb::Identify(args) => identify::run(args, &context),
        Verb::Gallery(args) => gallery::run(args, &context),
        Verb::Watch(args) => watch::run(args, &context),
        Verb::Adapt(args) => adapt::run(args, &context),
        Verb::Bench(args) => bench::run(args, &context),
    }
}

/// What failed, then why, a line each.
fn report(error: &anyhow::Error) {
    eprintln!("{} {error}", Style::stderr().error("error:"));
    let mut said = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // A transparent error repeats its cause word for word.
        if !said.contains(&cause) {
            eprintln!("  because {cause}");
        }
        said = cause;
    }
}

/// `RUST_LOG` may ask for more.
fn start_log(global: &Global) {
    use tracing_subscriber::EnvFilter;
    let level = match (global.quiet, global.verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "info,tract_core=warn,tract_onnx=warn",
        (false, _) => "debug,tract_core=warn,tract_onnx=warn",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_explains_itself_with_an_example() {
        for verb in Cli::command().get_subcommands_mut() {
            let name = verb.get_name().to_owned();
            let help = verb.render_long_help().to_string();
            assert!(help.contains("EXAMPLES:") && help.contains(&format!("deja {name}")), "{name}: {help}");
        }
    }
}
