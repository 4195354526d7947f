//! Tables of exact instruction counts: what was found must be in the stored table, and hardly more than there.
//!
//! A rise over 2 % fails. After a change that is meant to alter them, `DEJA_BLESS=1` writes the table anew.

use std::collections::BTreeMap;
use std::path::Path;

/// A count may rise by one part in this many.
const PART: u64 = 50;

/// What a case takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Count {
    /// Multiply-accumulates, or values where an operator has none.
    pub macs: u64,
    /// Instructions.
    pub instructions: u64,
}

/// By machine and case.
pub type Table = BTreeMap<(String, String), Count>;

/// Holds `found` against the table in the file `path`, or writes it there.
///
/// # Panics
/// Where a case is missing or too many, or takes more than 2 % more than before.
pub fn check(found: &Table, path: &Path) {
    if std::env::var_os("DEJA_BLESS").is_some() {
        return std::fs::write(path, text(found)).expect("the table can be written");
    }
    let text = std::fs::read_to_string(path).expect("there is a table");
    let stored: Table = text.lines().skip(1).map(entry).collect();
    let anew = format!("write {} anew: DEJA_BLESS=1", path.display());
    assert_eq!(stored.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>(), "{anew}");
    let risen = found.iter().filter(|(case, count)| {
        let before = stored[*case].instructions;
        count.instructions > before + before / PART
    });
    let risen: Vec<_> = risen.map(|(case, count)| (case, stored[case], count)).collect();
    assert!(risen.is_empty(), "instructions have risen over 2 %: {risen:#?}");
}

/// Reads `case,macs,instructions`.
///
/// # Panics
/// At anything else.
pub fn parse(line: &str) -> (String, Count) {
    let mut fields = line.rsplitn(3, ',');
    let mut number = || fields.next().and_then(|field| field.parse().ok()).unwrap_or_else(|| panic!("{line}"));
    let (instructions, macs) = (number(), number());
    (fields.next().unwrap_or_default().to_owned(), Count { macs, instructions })
}

fn entry(line: &str) -> ((String, String), Count) {
    let (machine, rest) = line.split_once(',').expect("a machine and a case");
    let (case, count) = parse(rest);
    ((machine.to_owned(), case), count)
}

fn text(table: &Table) -> String {
    let line = |((machine, case), count): (&(String, String), &Count)| {
        format!("{machine},{case},{},{}\n", count.macs, count.instructions)
    };
    "machine,case,multiply_accumulates,instructions\n".to_owned() + &table.iter().map(line).collect::<String>()
}
