//! What the verbs that profile share: tables and JSON of what a network costs.

use super::Context;
use crate::profile::Profile;
use crate::profile::cycle_model::{Chip, Estimate, estimate};
use crate::simulator::machine::{BOARDS, Board, board};
use crate::ui::{Align, Table};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Serialize;

/// The chip to estimate the time for.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Chips {
    /// Estimate the time on a chip of this frequency
    #[arg(long, value_name = "MHZ")]
    megahertz: Option<f64>,
    /// Cycles that the chip waits for its flash, for the estimate
    #[arg(long, value_name = "N", default_value_t = 0, requires = "megahertz")]
    wait_states: u32,
}

/// Reads the name of an emulated board.
pub fn emulated_boards() -> impl TypedValueParser<Value = &'static Board> {
    let names = PossibleValuesParser::new(BOARDS.iter().map(|board| board.name));
    names.try_map(|name| board(&name).ok_or("no such board"))
}

#[derive(Debug, Serialize)]
struct Outcome<'a> {
    #[serde(flatten)]
    profile: &'a Profile,
    /// How long a picture might take; no measurement.
    #[serde(skip_serializing_if = "Option::is_none")]
    estimate: Option<Estimate>,
}

/// Prints one profile; `board` is the emulated one that it is of.
///
/// # Errors
/// When it cannot be written.
pub fn show(profile: &Profile, board: Option<&Board>, chips: Chips, context: &Context) -> anyhow::Result<()> {
    let chip = chips.megahertz.map(|megahertz| Chip { megahertz, wait_states: chips.wait_states });
    let estimate = board.zip(chip).and_then(|(board, chip)| estimate(profile, board, chip));
    let (unit, number) = (profile.count.unit(), profile.count.number());
    let core = board.map_or_else(String::new, |board| format!(" ({})", board.core));
    context.say(format_args!("{} on {}{core}\n", context.style.bold(&profile.network), profile.board))?;
    context.say(table(profile))?;
    let total = context.style.bold(format_args!("{} {unit}", thousands(number)));
    let per_mac = number as f64 / profile.macs.max(1) as f64;
    context.say(format_args!("\n{total}, {per_mac:.2} for each of {} MACs", thousands(profile.macs)))?;
    context.say(format_args!(
        "memory  {} bytes of activations, {} of stack, {} of flash for the model",
        thousands(profile.arena_bytes.into()),
        thousands(profile.stack_bytes.into()),
        thousands(profile.flash_bytes.into())
    ))?;
    if let Some(Estimate { chip, cycles, milliseconds }) = estimate {
        let Chip { megahertz, wait_states } = chip;
        context.say(format_args!(
            "estimate, no measurement: {milliseconds:.1} ms at {megahertz} MHz with {wait_states} wait states \
             ({:.2} M cycles)",
            cycles / 1e6
        ))?;
    }
    context.finish(&Outcome { profile, estimate })
}

fn table(profile: &Profile) -> Table {
    let right = |name| (name, Align::Right);
    let unit = profile.count.unit();
    let per_mac = format!("{unit}/MAC");
    let mut table = Table::new(&[
        ("layer", Align::Left),
        right("output"),
        right("MACs"),
        right(unit),
        right(&per_mac),
        right("share"),
        right("arena"),
        right("flash"),
        right("stack"),
    ]);
    let whole = profile.count.number();
    for layer in &profile.layers {
        let [height, width, channels] = layer.output;
        table.row([
            layer.name.clone(),
            format!("{height}x{width}x{channels}"),
            thousands(layer.macs),
            thousands(layer.count.number()),
            layer.per_mac().map_or_else(String::new, |ratio| format!("{ratio:.2}")),
            share(layer.count.number(), whole),
            thousands(layer.arena_bytes),
            thousands(layer.flash_bytes.into()),
            thousands(layer.stack_bytes.into()),
        ]);
    }
    let outside = profile.outside_layers.number();
    let empty = String::new;
    table.row(["outside layers".to_owned(), empty(), empty(), thousands(outside), empty(), share(outside, whole)]);
    table
}

#[derive(Debug, Serialize)]
struct Comparison<'a> {
    models: [&'a Profile; 2],
    /// By how much of the first one's count the second one's is greater.
    change: f64,
}

/// Prints what two profiles have in common and what not, kind by kind.
///
/// # Errors
/// When it cannot be written.
pub fn compare([old, new]: [&Profile; 2], context: &Context) -> anyhow::Result<()> {
    context.say(format_args!("{} → {} on {}\n", old.network, new.network, new.board))?;
    let mut kinds: Vec<&str> = Vec::new();
    for layer in old.layers.iter().chain(&new.layers) {
        if !kinds.contains(&layer.kind) {
            kinds.push(layer.kind);
        }
    }
    let columns = [("kind", Align::Left), ("MACs", Align::Right), ("→", Align::Right)];
    let unit = (new.count.unit(), Align::Right);
    let mut table = Table::new(&[columns[0], columns[1], columns[2], unit, columns[2], ("change", Align::Right)]);
    let mut row = |name: &str, macs: [u64; 2], counts: [u64; 2]| {
        let [[a, b], [c, d]] = [macs, counts].map(|pair| pair.map(thousands));
        table.row([name.to_owned(), a, b, c, d, change(counts)]);
    };
    for kind in kinds {
        let sums = [old, new].map(|profile| sum(profile, kind));
        row(kind, sums.map(|(macs, _)| macs), sums.map(|(_, count)| count));
    }
    row("outside layers", [0, 0], [old, new].map(|profile| profile.outside_layers.number()));
    let counts = [old, new].map(|profile| profile.count.number());
    row("all", [old.macs, new.macs], counts);
    row("arena (bytes)", [0, 0], [old, new].map(|profile| profile.arena_bytes.into()));
    row("flash (bytes)", [0, 0], [old, new].map(|profile| profile.flash_bytes.into()));
    row("stack (bytes)", [0, 0], [old, new].map(|profile| profile.stack_bytes.into()));
    context.say(table)?;
    context.finish(&Comparison { models: [old, new], change: counts[1] as f64 / counts[0].max(1) as f64 - 1.0 })
}

fn sum(profile: &Profile, kind: &str) -> (u64, u64) {
    let layers = profile.layers.iter().filter(|layer| layer.kind == kind);
    layers.fold((0, 0), |(macs, count), layer| (macs + layer.macs, count + layer.count.number()))
}

fn change([old, new]: [u64; 2]) -> String {
    if old == 0 { String::new() } else { format!("{:+.1} %", (new as f64 / old as f64 - 1.0) * 100.0) }
}

fn share(part: u64, whole: u64) -> String {
    format!("{:.1} %", part as f64 / whole.max(1) as f64 * 100.0)
}

/// With a comma between every three digits.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_threes() {
        assert_eq!([0, 999, 1000, 12_345_678].map(thousands), ["0", "999", "1,000", "12,345,678"]);
    }

    #[test]
    fn a_change_is_relative_to_what_was() {
        assert_eq!([[100, 50], [100, 102], [0, 7]].map(change), ["-50.0 %", "+2.0 %", ""]);
    }
}
