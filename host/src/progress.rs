//! How the library says how far long work has come. The command draws it; tests keep it [`Silent`].

/// A listener to one long piece of work at a time.
pub trait Progress: Send + Sync {
    /// Work named `label` of `total` steps begins.
    fn start(&self, label: &str, total: u64);
    /// `steps` more of them are done.
    fn advance(&self, steps: u64);
    /// A short text to stand beside the bar (loss, rate, …), replacing the one before.
    fn message(&self, text: &str);
    /// The work that was started is over.
    fn finish(&self);
    /// Whether the user asked to stop (Ctrl-C). Long loops ask between steps, save what they have and return.
    fn interrupted(&self) -> bool {
        false
    }
}

/// Says nothing, and is never interrupted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn start(&self, _label: &str, _total: u64) {}
    fn advance(&self, _steps: u64) {}
    fn message(&self, _text: &str) {}
    fn finish(&self) {}
}

/// Passes on only whether to stop, for work inside of work that has the bar already.
pub struct Quiet<'a>(pub &'a dyn Progress);

impl Progress for Quiet<'_> {
    fn start(&self, _label: &str, _total: u64) {}
    fn advance(&self, _steps: u64) {}
    fn message(&self, _text: &str) {}
    fn finish(&self) {}
    fn interrupted(&self) -> bool {
        self.0.interrupted()
    }
}
