//! Calls into tract that may not bring us down: on malformed graphs some of its rules panic instead of reporting.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Once;

use tract_core::prelude::TractError;

use super::ImportError;

thread_local! {
    /// Whether a panic of this thread is about to be reported as an error.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// What `call` gives; its error or panic as one about the file at `path`.
pub(super) fn guarded<T>(path: &Path, call: impl FnOnce() -> Result<T, TractError>) -> Result<T, ImportError> {
    silence_guarded_panics();
    GUARDED.set(true);
    // What a panic leaves half done is dropped with the file.
    let result = catch_unwind(AssertUnwindSafe(call));
    GUARDED.set(false);
    let reason = match result {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => format!("{error:#}"),
        Err(panic) => format!("a node has other inputs or attributes than its operator ({})", message(&*panic)),
    };
    Err(ImportError::Onnx { path: path.into(), reason })
}

/// The usual report on standard error is left to panics that nobody catches.
fn silence_guarded_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !GUARDED.get() {
                report(panic);
            }
        }));
    });
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason given")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_and_errors_become_errors_about_the_file() {
        let path = Path::new("net.onnx");
        assert_eq!(guarded(path, || Ok(3)).unwrap(), 3);
        let empty: Vec<usize> = vec![];
        let error = guarded(path, || Ok(empty[std::hint::black_box(7)])).unwrap_err().to_string();
        assert!(error.contains("net.onnx") && error.contains("index out of bounds"), "{error}");
        let error = guarded::<()>(path, || Err(TractError::msg("no such axis"))).unwrap_err().to_string();
        assert!(error.contains("no such axis"), "{error}");
    }
}
