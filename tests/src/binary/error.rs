//! Why machine code is not understood.

use std::fmt;

/// Why machine code is not understood; addresses are those of the program.
#[derive(Debug)]
pub enum BinaryError {
    /// The file is no ELF file of a microcontroller's program.
    Elf(object::read::Error),
    /// No function has this in its name.
    NoFunction(String),
    /// The linker defines no symbol of this name.
    NoSymbol(String),
    /// A branch goes to where no function is.
    NoCode(u32),
    /// An instruction whose effect on the flow or on the stack is not known here.
    Unknown(u32),
    /// A function calls itself, by these steps.
    Recursion(Vec<String>),
}

impl fmt::Display for BinaryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elf(error) => write!(f, "not the ELF file of a program: {error}"),
            Self::NoFunction(name) => write!(f, "no function is named {name}: has it been inlined?"),
            Self::NoSymbol(name) => write!(f, "the linker defines no {name}: is it in the linker's scripts?"),
            Self::NoCode(address) => write!(f, "at {address:#x}, where a branch goes, no function is"),
            Self::Unknown(address) => write!(f, "the instruction at {address:#x} is not understood"),
            Self::Recursion(names) => write!(f, "a function calls itself: {}", names.join(" → ")),
        }
    }
}

impl std::error::Error for BinaryError {}

impl From<object::read::Error> for BinaryError {
    fn from(error: object::read::Error) -> Self {
        Self::Elf(error)
    }
}
