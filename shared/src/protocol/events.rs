//! What a camera says without being asked.

use serde::{Deserialize, Serialize};

use super::messages::Identified;

/// A text of the camera's log.
pub type LogText = heapless::String<96>;

/// An unsolicited message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The camera looked and decided.
    Sighting {
        /// Time since the start.
        uptime_ms: u32,
        /// What it decided.
        identified: Identified,
    },
    /// Something worth knowing.
    Log {
        /// How much it matters.
        level: Level,
        /// What it is.
        text: LogText,
    },
}

/// How much a log line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Level {
    /// Something failed.
    Error,
    /// Something is odd.
    Warning,
    /// Something happened.
    Info,
}
