//! Asks a camera what its model costs.

use std::fs::File;
use std::io::Write;
use std::time::Duration;

use deja_shared::model::Model;
use deja_shared::protocol::endpoints::endpoint;
use deja_shared::protocol::messages::{self, LayerTicks, Profiled};

use super::{Count, LayerProfile, MemoryMap, Profile, ProfileError, flash_with};
use crate::device::{Address, Client, Patience, connector};
use crate::simulator::build_firmware;
use crate::simulator::machine::Board;
use crate::simulator::qemu::{INSTRUCTION_NANOSECONDS, Qemu};

/// An emulated board certifies its model before it answers, and embeds twice for each answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// What `model` costs on an emulated board, in instructions: exact, but for an interrupt of the board's clock now and
/// then.
///
/// # Errors
/// [`ProfileError`] for missing tools, a model that does not fit, and a camera that fails.
pub fn emulated(board: &Board, model: &Model<'_>) -> Result<Profile, ProfileError> {
    let folder = tempfile::tempdir()?;
    let flash = folder.path().join("flash");
    let mut file = File::create(&flash)?;
    file.write_all(&flash_with(model.bytes())?)?;
    // The rest of the memory that is mapped to the file is not used.
    file.set_len(board.memory_bytes())?;
    drop(file);
    let emulator = Qemu::start_counting(board, &build_firmware(board)?, &flash)?;
    let address = Address::from(emulator.address());
    let pipe = connector(&address)?;
    let patience = Patience { quick: PATIENCE, slow: PATIENCE, tries: 3, ..Patience::default() };
    let mut client = Client::over(pipe, board.name, patience)?;
    let (camera, needed) = (client.capabilities(), model.header().arena_bytes);
    if needed > camera.max_arena {
        return Err(ProfileError::Arena { board: board.name.to_owned(), needed, found: camera.max_arena });
    }
    if camera.model.is_none() {
        return Err(ProfileError::Refused { board: board.name.to_owned() });
    }
    let (answer, layers) = ask(&mut client, model)?;
    let tick = |ticks: u64| Count::Instructions(nanoseconds(ticks, &answer) / INSTRUCTION_NANOSECONDS);
    Ok(profile(model, board.name.to_owned(), tick, (answer.ticks, &layers)))
}

/// What the model that a camera runs costs it: cycles of its processor, or time where it cannot count them.
///
/// # Errors
/// [`ProfileError::OtherModel`] when it does not run `model`; those of the link.
pub fn measure(client: &mut Client, model: &Model<'_>) -> Result<Profile, ProfileError> {
    let (answer, layers) = ask(client, model)?;
    let tick = |ticks: u64| match answer.ticks_are_cycles {
        true => Count::Cycles(ticks),
        false => Count::Nanoseconds(nanoseconds(ticks, &answer)),
    };
    Ok(profile(model, client.capabilities().board.to_string(), tick, (answer.ticks, &layers)))
}

/// The camera's last answer, and every layer from all of them.
fn ask(client: &mut Client, model: &Model<'_>) -> Result<(Profiled, Vec<LayerTicks>), ProfileError> {
    let mut layers: Vec<LayerTicks> = Vec::new();
    loop {
        let skip = u16::try_from(layers.len()).unwrap_or(u16::MAX);
        let answer = client.call::<endpoint::Profile>(&messages::Profile { skip })?;
        let expected = model.header();
        if answer.fingerprint != expected.fingerprint || answer.total != expected.layer_count {
            return Err(ProfileError::OtherModel);
        }
        layers.extend(&answer.layers);
        if answer.layers.is_empty() || layers.len() >= usize::from(answer.total) {
            return Ok((answer, layers));
        }
    }
}

/// Rounded to the nearest.
fn nanoseconds(ticks: u64, answer: &Profiled) -> u64 {
    let per_second = u128::from(answer.ticks_per_second.max(1));
    let rounded = (u128::from(ticks) * 1_000_000_000 + per_second / 2) / per_second;
    u64::try_from(rounded).unwrap_or(u64::MAX)
}

fn profile(
    model: &Model<'_>,
    board: String,
    tick: impl Fn(u64) -> Count,
    (ticks, measured): (u64, &[LayerTicks]),
) -> Profile {
    let map = MemoryMap::new(model);
    let layers: Vec<LayerProfile> = model
        .layers()
        .zip(measured)
        .enumerate()
        .map(|(number, (layer, &ticks))| {
            LayerProfile::new((model, &map), number, &layer, (tick(ticks.ticks.into()), ticks))
        })
        .collect();
    let inside: u64 = measured.iter().map(|layer| u64::from(layer.ticks)).sum();
    Profile {
        network: model.header().name().to_owned(),
        board,
        macs: layers.iter().map(|layer| layer.macs).sum(),
        count: tick(ticks),
        outside_layers: tick(ticks.saturating_sub(inside)),
        arena_bytes: model.header().arena_bytes,
        flash_bytes: model.header().total_bytes,
        stack_bytes: layers.iter().map(|layer| layer.stack_bytes).max().unwrap_or(0),
        layers,
    }
}
