//! A linked program: its functions, and what of its memory is code, data among code, and constants.

use std::collections::BTreeMap;
use std::ops::Range;

use object::{Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};

use super::BinaryError;

/// A program of 32 bits for a microcontroller, Thumb code alone.
pub struct Program {
    sections: Vec<Section>,
    /// Names by the address where a function begins.
    functions: BTreeMap<u32, String>,
    /// Whether code begins at an address (Arm's mapping symbol `$t`), or data (`$d`).
    is_code: BTreeMap<u32, bool>,
    /// Values that the linker defines, by name.
    linked: BTreeMap<String, u32>,
    /// Where constants begin, and where they end.
    constants: BTreeMap<u32, u32>,
}

struct Section {
    address: u32,
    bytes: Vec<u8>,
    is_code: bool,
}

impl Section {
    fn range(&self) -> Range<u32> {
        self.address..self.address + self.bytes.len() as u32
    }
}

impl Program {
    /// Reads an ELF file.
    ///
    /// # Errors
    /// [`BinaryError::Elf`].
    pub fn read(elf: &[u8]) -> Result<Self, BinaryError> {
        let file = object::File::parse(elf)?;
        let mut sections = Vec::new();
        for section in file.sections() {
            let is_code = section.kind() == SectionKind::Text;
            let is_read_only = matches!(section.kind(), SectionKind::ReadOnlyData | SectionKind::ReadOnlyString);
            // The table of exceptions lies where small numbers would point to; the processor reads it, and no code.
            let is_constant = is_read_only && section.name()? != ".vector_table";
            if is_code || is_constant {
                sections.push(Section { address: section.address() as u32, bytes: section.data()?.to_vec(), is_code });
            }
        }
        let mut program = Self {
            sections,
            functions: BTreeMap::new(),
            is_code: BTreeMap::new(),
            linked: BTreeMap::new(),
            constants: BTreeMap::new(),
        };
        for symbol in file.symbols() {
            let (name, address) = (symbol.name()?, symbol.address() as u32);
            match (symbol.kind(), name) {
                // Bit 0 says Thumb. Names without a length are aliases.
                (SymbolKind::Text, _) if symbol.size() > 0 || !program.is_function(address & !1) => {
                    _ = program.functions.insert(address & !1, demangled(name));
                }
                (SymbolKind::Data, _) => _ = program.constants.insert(address, address + symbol.size() as u32),
                (_, "$t") => _ = program.is_code.insert(address, true),
                (_, "$d") => _ = program.is_code.insert(address, false),
                _ => _ = program.linked.insert(name.to_owned(), address),
            }
        }
        Ok(program)
    }

    /// Where functions begin whose names hold `part`.
    ///
    /// # Errors
    /// [`BinaryError::NoFunction`].
    pub fn named(&self, part: &str) -> Result<Vec<u32>, BinaryError> {
        let found = self.functions.iter().filter(|(_, name)| name.contains(part)).map(|(&address, _)| address);
        let found: Vec<_> = found.collect();
        if found.is_empty() { Err(BinaryError::NoFunction(part.to_owned())) } else { Ok(found) }
    }

    /// The value of a symbol that the linker defines.
    ///
    /// # Errors
    /// [`BinaryError::NoSymbol`].
    pub fn linked(&self, name: &str) -> Result<u32, BinaryError> {
        self.linked.get(name).copied().ok_or_else(|| BinaryError::NoSymbol(name.to_owned()))
    }

    /// The name of the function that an address lies in.
    pub fn name(&self, address: u32) -> &str {
        self.functions.range(..=address).next_back().map_or("nothing", |(_, name)| name)
    }

    /// From the beginning of the function that an address lies in to that of the next one, or to the section's end.
    pub(super) fn function(&self, address: u32) -> Option<Range<u32>> {
        let section = self.sections.iter().find(|section| section.is_code && section.range().contains(&address))?;
        let (&start, _) = self.functions.range(..=address).next_back()?;
        let next = self.functions.range(address + 1..).next().map_or(u32::MAX, |(&next, _)| next);
        section.range().contains(&start).then(|| start..next.min(section.range().end))
    }

    /// Whether a function begins here.
    pub(super) fn is_function(&self, address: u32) -> bool {
        self.functions.contains_key(&address)
    }

    /// The half word at an address.
    pub(super) fn half(&self, address: u32) -> Option<u16> {
        let section = self.sections.iter().find(|section| section.range().contains(&address))?;
        let start = (address - section.address) as usize;
        Some(u16::from_le_bytes(section.bytes.get(start..start + 2)?.try_into().ok()?))
    }

    /// The word at an address.
    pub(super) fn word(&self, address: u32) -> Option<u32> {
        Some(u32::from(self.half(address)?) | u32::from(self.half(address + 2)?) << 16)
    }

    /// Whether what stands here are instructions.
    pub(super) fn is_code(&self, address: u32) -> bool {
        self.is_code.range(..=address).next_back().is_some_and(|(_, &is_code)| is_code)
    }

    /// Where the data that begins here, among code, ends.
    pub(super) fn data_end(&self, address: u32) -> Option<u32> {
        let code = self.is_code.range(address + 1..).find(|(_, is_code)| **is_code).map(|(&address, _)| address);
        Some(code.unwrap_or(u32::MAX).min(self.function(address)?.end))
    }

    /// The words of the constant that an address lies in; none where that is no constant.
    pub(super) fn constant(&self, address: u32) -> impl Iterator<Item = u32> {
        let section = self.sections.iter().find(|section| !section.is_code && section.range().contains(&address));
        let words = section.map(|section| {
            let before = self.constants.range(..=address).next_back().filter(|(_, end)| **end > address);
            // One without a name ends where the next one with a name begins.
            let next = self.constants.range(address + 1..).next().map_or(u32::MAX, |(&next, _)| next);
            let (start, end) = before.map_or((address, next), |(&start, &end)| (start, end));
            (start.next_multiple_of(4)..end.min(section.range().end)).step_by(4)
        });
        words.into_iter().flatten().filter_map(|address| self.word(address))
    }
}

/// A name as it stands in the source, without the hash.
fn demangled(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}
