//! What a person sees in the terminal: progress bars, tables, colours. Only `cmd` calls it.
//!
//! Everything here adapts to where it writes: to a terminal it draws, into a file or a pipe it writes plain lines.

mod interrupt;
mod progress;
mod style;
pub mod table;

pub use interrupt::{interrupted, listen};
pub use progress::Bars;
pub use style::Style;
pub use table::{Align, Table};
