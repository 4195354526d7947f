//! Boards' firmware: where embedding begins, what runs only at the end of everything, and the bound of the stack.

use deja::simulator::build_firmware;
use deja::simulator::machine::Board;

use super::{BinaryError, Graph, Program, Stack};
use crate::tools::skip;

/// Every form of embedding (alone, and with a look at the clock around every layer) is one of these.
pub const EMBED: &str = "deja_firmware::embedder::embed_metered";

/// What the names begin with of all that runs only when something has panicked, or has gone so wrong that it is the end.
const PANICS: [&str; 8] = [
    "core::panicking",
    "core::option::",
    "core::result::",
    "core::slice::",
    "core::str::slice_error",
    "core::cell::panic",
    "__rustc::rust_begin_unwind",
    "cortex_m_semihosting::",
];

/// What the processor itself puts on the stack for an exception: 26 words and one that aligns them.
const EXCEPTION: u32 = 27 * 4;

/// Whether what has this name runs only when something has panicked.
pub fn is_panic(name: &str) -> bool {
    PANICS.iter().any(|panic| name.starts_with(panic))
}

fn is_embed_or_panic(name: &str) -> bool {
    name.starts_with(EMBED) || is_panic(name)
}

/// The program of a board; none where the tools to build it are missing.
///
/// # Panics
/// Where it cannot be built or read.
pub fn read(board: &Board) -> Option<Program> {
    match build_firmware(board) {
        Ok(elf) => Some(Program::read(&std::fs::read(elf).expect("the program that was built")).expect("a program")),
        Err(error) => skip(&error),
    }
}

/// The most stack that a board's firmware can take.
#[derive(Debug)]
pub struct Bound<'p> {
    /// From a picture to its embedding.
    pub embed: Stack<'p>,
    /// The whole program, all calls through registers included, but for exceptions and what runs once something has panicked.
    pub program: Stack<'p>,
    /// The handlers of the clock's and of the link's exception.
    pub handlers: [u32; 2],
}

impl<'p> Bound<'p> {
    /// That of a program.
    ///
    /// # Errors
    /// [`BinaryError`] where there is none.
    pub fn of(program: &'p Program) -> Result<Self, BinaryError> {
        let entries = program.named(EMBED)?;
        let graph = Graph::new(program, &entries, is_panic)?;
        let mut embed = graph.stack(entries[0], |_| 0)?;
        for &entry in &entries[1..] {
            let other = graph.stack(entry, |_| 0)?;
            embed = if other.bytes > embed.bytes { other } else { embed };
        }
        let whole = |name: &str| {
            let entry = program.named(name)?[0];
            let graph = Graph::new(program, &[entry], is_embed_or_panic)?;
            graph.stack(entry, |end| if is_panic(end) { 0 } else { embed.bytes })
        };
        let handlers = [whole("SysTick")?.bytes, whole("DefaultHandler")?.bytes];
        Ok(Self { program: whole("Reset")?, embed, handlers })
    }

    /// Of everything. The two exceptions have the same priority, so that neither interrupts the other.
    pub fn bytes(&self) -> u32 {
        self.program.bytes + EXCEPTION + self.handlers[0].max(self.handlers[1])
    }
}
