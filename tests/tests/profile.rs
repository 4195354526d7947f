//! What whole networks cost the emulated boards: counted alike, adding up, and no more than before; nor more stack than
//! the bound that is read from the program.
//!
//! `golden/networks.csv` holds the instructions of every network on every board; a rise over 2 % fails, `DEJA_BLESS=1`
//! writes it anew. Where the emulator or the compiler's target is missing, the tests say so and pass, except in continuous
//! integration (the environment has `CI`).

use std::path::Path;

use deja::profile::{Count, Profile, ProfileError, emulated, random_model};
use deja::progress::Silent;
use deja::quantize::Int8Model;
use deja::simulator::machine::BOARDS;
use deja_shared::model::Model;
use deja_tests::binary::firmware::{self, Bound};
use deja_tests::instructions::{self, Table};
use deja_tests::model::{branched, small};
use deja_tests::tools::skip;

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/networks.csv");
/// Height and width of what the networks see.
const NETWORKS: [(&str, [usize; 2]); 4] = [
    ("mobilenet_v1_0.25", [96, 96]),
    ("mobilenet_v2_0.35", [128, 64]),
    ("osnet_x0.25", [128, 64]),
    ("deja_nano", [128, 64]),
];

#[test]
fn networks_take_no_more_instructions_than_before() {
    let mut found = Table::new();
    let models = NETWORKS.map(|(name, input)| random_model(name, input, None, &Silent).unwrap());
    for board in &BOARDS {
        let Some(program) = firmware::read(board) else { return };
        let bound = Bound::of(&program).unwrap().bytes();
        for ((name, input), model) in NETWORKS.iter().zip(&models) {
            let Some(profile) = profile(emulated(board, &model.model())) else { return };
            adds_up(&profile, model);
            let stack = profile.stack_bytes;
            assert!((1000..=bound).contains(&stack), "{name} takes {stack} bytes of stack, and the bound is {bound}");
            let count = instructions::Count { macs: profile.macs, instructions: profile.count.number() };
            let case = format!("{name} {}x{}", input[0], input[1]);
            let arena = profile.arena_bytes;
            println!("{} {case}: {arena} bytes of arena, {stack} of {bound} of stack, {count:?}", board.name);
            found.insert((board.name.to_owned(), case), count);
        }
    }
    instructions::check(&found, Path::new(TABLE));
}

/// Layers and what stands between them are the whole, as far as a look at the clock can tell.
fn adds_up(profile: &Profile, model: &Int8Model) {
    assert_eq!(profile.layers.len(), usize::from(model.model().header().layer_count));
    let arena = u64::from(model.model().header().arena_bytes);
    assert_eq!(u64::from(profile.arena_bytes), arena);
    let most = profile.layers.iter().map(|layer| layer.arena_bytes).max().unwrap();
    assert!(most <= arena && most * 10 > arena * 9, "{most} of {arena}");
    assert!(profile.layers.iter().all(|layer| layer.count.number() > 0), "{profile:?}");
    let parts = profile.layers.iter().map(|layer| layer.count.number()).sum::<u64>() + profile.outside_layers.number();
    assert!(parts.abs_diff(profile.count.number()) * 100 <= profile.count.number(), "{parts}: {profile:?}");
}

#[test]
fn a_count_repeats_and_every_kind_of_layer_has_one() {
    let file = branched().emit();
    let model = Model::parse(&file).unwrap();
    for board in &BOARDS {
        let Some(first) = profile(emulated(board, &model)) else { return };
        assert!(matches!(first.count, Count::Instructions(_)));
        let Some(again) = profile(emulated(board, &model)) else { return };
        // The board's own clock may interrupt it once.
        assert!(first.count.number().abs_diff(again.count.number()) < 200, "{first:?}, {again:?}");
        assert!(first.layers.iter().chain(&again.layers).all(|layer| layer.count.number() > 0), "{first:?}");
    }
}

#[test]
fn a_model_that_a_board_cannot_serve_is_refused_with_the_reason() {
    let mut draft = small();
    draft.header.arena_bytes = 300 << 10;
    let file = draft.emit();
    let refused = match emulated(&BOARDS[0], &Model::parse(&file).unwrap()) {
        Err(ProfileError::Emulator(error)) => return skip(&error).unwrap_or_default(),
        result => result.unwrap_err(),
    };
    let text = refused.to_string();
    assert!(text.contains("307200 bytes") && text.contains("mps2-an386") && text.contains("smaller"), "{text}");
}

fn profile(result: Result<Profile, ProfileError>) -> Option<Profile> {
    match result {
        Err(ProfileError::Emulator(error)) => skip(&error),
        result => Some(result.unwrap()),
    }
}
