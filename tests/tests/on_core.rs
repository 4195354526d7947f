//! The kernels on the emulated cores themselves: the reference's bits, and no more instructions than before.
//!
//! Counts under QEMU are exact, so `golden/instructions.csv` holds them for every machine; a rise over 2 % fails. Where the
//! emulator or the compiler's target is missing, the tests say so and pass, except in continuous integration (the
//! environment has `CI`).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use deja::simulator::qemu::QemuError;
use deja::simulator::{Program, build, machine};
use deja_tests::instructions::{self, Table, parse};
use deja_tests::tools::skip;

/// Cases of each operator on each machine.
const CASES: u32 = 400;
const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/instructions.csv");

/// Instructions for a hundred multiply-accumulates (or values) that a machine may take, by the beginning of a case's name.
const BUDGETS: [(Machine, &str, u64); 21] = [
    (M4, "pointwise 16x8x64->128", 95),
    (M4, "pointwise 8x4x128->256", 90),
    (M4, "pointwise 32x16x32->64", 105),
    (M4, "pointwise 64x32x16->32", 125),
    (M4, "pointwise 48x48x8->16", 165),
    (M4, "pointwise_add 16x8x64->64", 110),
    (M4, "convolution 3x3", 112),
    (M4, "convolution stem 3x3/2 128x64x3->16", 130),
    (M4, "convolution stem 3x3/2 96x96x3->8", 150),
    (M4, "fully_connected", 145),
    (M4, "depthwise 3x3 32x16", 185),
    (M4, "depthwise 3x3 16x8", 185),
    (M4, "depthwise 5x5 ", 160),
    (M4, "global_average_pool", 130),
    (M4, "mobilenet_v1_0.25", 117),
    (M55, "pointwise 16x8x64->128", 30),
    (M55, "pointwise 8x4x128->256", 30),
    (M55, "convolution 3x3", 30),
    (M55, "depthwise 3x3 32x16", 120),
    (M55, "mobilenet_v1_0.25", 64),
    (M55, "matching 128", 40),
];

/// A board's name, and the program's feature with its memory map and kernels.
type Machine = [&'static str; 2];

const M4: Machine = ["mps2-an386", "mps2-an386"];
const M7: Machine = ["mps2-an500", "mps2-an386"];
const M33: Machine = ["mps2-an505", "mps2-an505"];
const M55: Machine = ["mps3-an547", "mps3-an547"];

#[test]
fn cortex_m4_gives_the_references_bits() {
    properties(M4);
}

#[test]
fn cortex_m7_gives_the_references_bits() {
    properties(M7);
}

#[test]
fn cortex_m33_gives_the_references_bits() {
    properties(M33);
}

#[test]
fn cortex_m55_gives_the_references_bits() {
    properties(M55);
}

/// One test for all machines, because there is one table.
#[test]
fn instructions_do_not_rise() {
    let mut found = Table::new();
    for machine in [M4, M7, M33, M55] {
        let Some(lines) = run(machine, &["counts"]) else { return };
        for line in lines {
            let (case, count) = parse(&line);
            println!(
                "{} {case}: {:.3} a multiply-accumulate",
                machine[0],
                count.instructions as f64 / count.macs as f64
            );
            found.insert((machine[0].to_owned(), case), count);
        }
    }
    within_budgets(&found);
    instructions::check(&found, Path::new(TABLE));
}

fn within_budgets(found: &Table) {
    for ([board, _], name, most) in BUDGETS {
        let cases = found.iter().filter(|((machine, case), _)| machine == board && case.starts_with(name));
        let cases: Vec<_> = cases.collect();
        assert!(!cases.is_empty(), "no case begins with {name}");
        for (case, count) in cases {
            assert!(
                count.instructions * 100 <= count.macs * most,
                "{case:?}: {count:?} is more than {most} in a hundred"
            );
        }
    }
}

fn properties(machine: Machine) {
    let Some(lines) = run(machine, &["properties", "1", &CASES.to_string()]) else { return };
    println!("{}: {lines:?}", machine[0]);
    assert!(lines.len() >= 10 && lines.iter().all(|line| line.ends_with(&format!(",{CASES}"))), "{lines:?}");
}

/// What the program says on a machine; none where the tools for it are missing.
fn run(machine: Machine, words: &[&str]) -> Option<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let program = match program(machine, folder.path().join("program")) {
        Ok(program) => program,
        Err(error) => return skip(&error),
    };
    let mut emulator = Command::new("qemu-system-arm");
    emulator.args(["-machine", machine[0], "-icount", "shift=5,sleep=off", "-display", "none", "-monitor", "none"]);
    emulator.args(["-serial", "none", "-nic", "none", "-semihosting-config"]);
    let words: String = words.iter().map(|word| format!(",arg={word}")).collect();
    emulator.arg(format!("enable=on,target=native,arg=on-core{words}")).arg("-kernel").arg(program);
    let output = match emulator.output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return skip(&QemuError::NoEmulator),
        output => output.unwrap(),
    };
    let [said, complaints] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{}: {}\n{said}{complaints}", machine[0], output.status);
    Some(said.lines().map(str::to_owned).collect())
}

/// Builds the program for a machine, at a place of its own: cargo puts those of two machines at the same.
fn program(machine: Machine, place: PathBuf) -> Result<PathBuf, QemuError> {
    static BUILDING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = BUILDING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let [name, feature] = machine;
    let board = machine::board(name).expect("a board of that name");
    let (target, cpu) = (board.target, board.target_cpu);
    let built = build(&Program { package: "deja-on-core", target, cpu, features: &[feature] })?;
    std::fs::copy(built, &place).unwrap();
    Ok(place)
}
