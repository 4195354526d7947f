//! What every verb is given: where to report progress, and where to put its results.

use crate::progress::Progress;
use crate::ui::{Bars, Style};
use anyhow::Context as _;
use serde::Serialize;
use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Options that every verb takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Global {
    /// Write the result as one JSON object to FILE; `-` is standard output, which then holds nothing else
    #[arg(long, global = true, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// No progress and no notes, only results and errors
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Tell what is going on; twice tells more
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// Where a verb reports to.
#[derive(Debug)]
pub struct Context {
    bars: Bars,
    json: Option<PathBuf>,
    quiet: bool,
    /// How to emphasize on standard output.
    pub style: Style,
}

impl Context {
    /// As the options say.
    ///
    /// # Errors
    /// When the file for JSON cannot be there: better now than after an hour of work.
    pub fn new(global: &Global) -> anyhow::Result<Self> {
        if let Some(path) = &global.json {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let missing = folder.is_some_and(|folder| !folder.is_dir());
            anyhow::ensure!(!missing && !path.is_dir(), "--json {}: name a file in an existing folder", path.display());
        }
        let style = if global.json.as_deref() == Some(Path::new("-")) { Style::PLAIN } else { Style::stdout() };
        Ok(Self { bars: Bars::new(global.quiet), json: global.json.clone(), quiet: global.quiet, style })
    }

    /// For the library to say how far it is.
    pub fn progress(&self) -> &dyn Progress {
        &self.bars
    }

    /// A line of the result for people, on standard output.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn say(&self, line: impl Display) -> anyhow::Result<()> {
        if self.json.as_deref() == Some(Path::new("-")) {
            return Ok(());
        }
        write_stdout(&format!("{line}\n"))
    }

    /// A line that is not part of the result, on standard error.
    pub fn note(&self, line: impl Display) {
        if !self.quiet {
            eprintln!("{line}");
        }
    }

    /// A line that a person should see, on standard error, also when quiet.
    pub fn warn(&self, line: impl Display) {
        eprintln!("{} {line}", Style::stderr().warning("warning:"));
    }

    /// The result for programs, where `--json` wants it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(&self, result: &impl Serialize) -> anyhow::Result<()> {
        let Some(path) = &self.json else { return Ok(()) };
        let text = serde_json::to_string_pretty(result).context("the result cannot be written as JSON")? + "\n";
        if path == Path::new("-") {
            return write_stdout(&text);
        }
        std::fs::write(path, text).with_context(|| format!("{}: cannot be written", path.display()))
    }
}

/// Whoever reads our output may stop reading (`deja … | head`): that is no error.
fn write_stdout(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.context("standard output cannot be written"),
    }
}
