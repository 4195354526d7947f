//! Colours, on terminals only.

use std::fmt::Display;
use std::io::IsTerminal;

/// How to emphasize on one of the output streams.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    coloured: bool,
}

impl Style {
    /// For standard output.
    pub fn stdout() -> Self {
        Self::of(std::io::stdout().is_terminal())
    }

    /// For standard error.
    pub fn stderr() -> Self {
        Self::of(std::io::stderr().is_terminal())
    }

    /// Never coloured.
    pub const PLAIN: Self = Self { coloured: false };

    /// `NO_COLOR` in the environment is heeded (<https://no-color.org>).
    fn of(terminal: bool) -> Self {
        Self { coloured: terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) }
    }

    /// What matters.
    pub fn bold(self, text: impl Display) -> String {
        self.paint("1", text)
    }

    /// What went well.
    pub fn good(self, text: impl Display) -> String {
        self.paint("32", text)
    }

    /// What to look at.
    pub fn warning(self, text: impl Display) -> String {
        self.paint("33", text)
    }

    /// What failed.
    pub fn error(self, text: impl Display) -> String {
        self.paint("1;31", text)
    }

    fn paint(self, code: &str, text: impl Display) -> String {
        if self.coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_coloured_styles_emit_codes() {
        assert_eq!(Style::PLAIN.error("no"), "no");
        assert_eq!(Style { coloured: true }.good(7), "\x1b[32m7\x1b[0m");
    }
}
