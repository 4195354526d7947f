//! What the linked program of a board can and cannot do, read from its machine code.
//!
//! The folder exists because some promises stand in no source: the compiler decides which bounds it can prove, what it
//! inlines, and how much stack a function takes. So the program that would be flashed is taken apart: `program` reads functions
//! and data from the ELF file, `thumb` and `float` know the instructions that matter here, `body` follows one function through
//! its branches, and `graph` follows its calls. `firmware` says where a board's begins.
//!
//! **What is followed.** Direct calls, tail calls, jump tables. An indirect call may go to every function whose address stands
//! in the code that is followed, or in constant data that this code names. What is not understood (a jump to an unknown place, a
//! stack pointer that nobody can tell, recursion) is an error and not a gap.

mod body;
mod error;
pub mod firmware;
mod float;
mod graph;
mod program;
mod thumb;

pub use error::BinaryError;
pub use graph::{Graph, Stack};
pub use program::Program;
