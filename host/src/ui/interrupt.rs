//! Ctrl-C: the first asks long work to save what it has and stop, the second ends the program at once.

use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
/// What shells report for a program that Ctrl-C ended.
const ENDED_BY_USER: i32 = 130;

/// Begins to listen for Ctrl-C and for a polite request to end. Without it, either ends the program at once.
///
/// # Errors
/// When the system does not allow it.
pub fn listen() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            std::process::exit(ENDED_BY_USER);
        }
        eprintln!("stopping after this step; press Ctrl-C again to stop at once");
    })
}

/// Whether the user asked to stop.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}
