//! Progress as a person wants it: a bar on a terminal, a line now and then elsewhere, nothing when quiet.

use crate::progress::Progress;
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two lines about the same work.
const PAUSE: Duration = Duration::from_secs(10);
/// Shorter work leaves no line behind.
const WORTH_A_LINE: Duration = Duration::from_secs(2);

const TEMPLATE: &str = "{prefix:>22} [{bar:32}] {human_pos}/{human_len} {per_sec} {eta} {msg}";

/// Draws [`Progress`] on standard error and hears Ctrl-C ([`super::listen`]).
#[derive(Debug)]
pub struct Bars {
    look: Look,
    work: Mutex<Option<Work>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Bar,
    Lines,
    Silent,
}

/// The work that is going on.
#[derive(Debug)]
struct Work {
    bar: ProgressBar,
    label: String,
    message: String,
    said: Instant,
}

impl Bars {
    /// `quiet` says nothing at all.
    pub fn new(quiet: bool) -> Self {
        let look = match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => Look::Silent,
            (false, true) => Look::Bar,
            (false, false) => Look::Lines,
        };
        Self { look, work: Mutex::new(None) }
    }

    /// Does something with the work; a panic elsewhere does not end the reports.
    fn with(&self, action: impl FnOnce(&mut Option<Work>)) {
        action(&mut self.work.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Progress for Bars {
    fn start(&self, label: &str, total: u64) {
        let target = match self.look {
            Look::Bar => ProgressDrawTarget::stderr(),
            _ => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(total), target).with_prefix(label.to_owned());
        let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("=> "));
        self.with(|work| {
            if let Some(before) = work.take() {
                before.bar.finish_and_clear();
            }
            let (label, message) = (label.to_owned(), String::new());
            *work = Some(Work { bar, label, message, said: Instant::now() });
        });
    }

    fn advance(&self, steps: u64) {
        self.with(|work| {
            let Some(work) = work else { return };
            work.bar.inc(steps);
            if self.look == Look::Lines && work.said.elapsed() > PAUSE {
                work.said = Instant::now();
                eprintln!("{}", work.line());
            }
        });
    }

    fn message(&self, text: &str) {
        self.with(|work| {
            let Some(work) = work else { return };
            work.bar.set_message(text.to_owned());
            text.clone_into(&mut work.message);
        });
    }

    fn finish(&self) {
        self.with(|work| {
            let Some(work) = work.take() else { return };
            work.bar.finish_and_clear();
            if self.look != Look::Silent && work.bar.elapsed() > WORTH_A_LINE {
                eprintln!("{} in {:.1} s", work.line(), work.bar.elapsed().as_secs_f32());
            }
        });
    }

    fn interrupted(&self) -> bool {
        super::interrupted()
    }
}

impl Work {
    fn line(&self) -> String {
        let (done, total) = (self.bar.position(), self.bar.length().unwrap_or(0));
        let gap = if self.message.is_empty() { "" } else { ", " };
        let left = if done == 0 || done >= total {
            String::new()
        } else {
            let seconds = self.bar.elapsed().as_secs_f64() / done as f64 * (total - done) as f64;
            format!(", {} left", HumanDuration(Duration::from_secs_f64(seconds)))
        };
        format!("{}: {done}/{total}{gap}{}{left}", self.label, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_order_of_calls_is_taken() {
        let bars = Bars::new(true);
        bars.advance(3);
        bars.message("nothing is going on");
        bars.finish();
        bars.start("first", 10);
        bars.start("second", 2);
        bars.advance(1);
        bars.message("loss 0.5");
        bars.with(|work| assert_eq!(work.as_ref().unwrap().line(), "second: 1/2, loss 0.5, 0 seconds left"));
        bars.advance(1);
        bars.with(|work| assert_eq!(work.as_ref().unwrap().line(), "second: 2/2, loss 0.5"));
        bars.finish();
        bars.with(|work| assert!(work.is_none()));
    }
}
