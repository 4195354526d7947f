//! The whole loop on a tiny data set: every step runs on what the step before wrote.

use std::path::PathBuf;

use deja::demo::camera::Board;
use deja::demo::people::Limits;
use deja::demo::{self, DemoError, Settings};
use deja::loss::LossTerm;
use deja::progress::Silent;
use deja::simulator::machine::BOARDS;
use deja::training::Recipe;

/// Little enough for seconds: 32 identities to train on, 8 others to meet the camera.
fn settings(out: PathBuf, board: Board) -> Settings {
    let mut recipe = Recipe { epochs: 6, validation: 0.25, ..Recipe::default() };
    recipe.network.input = [64, 32];
    recipe.network.embedding = 32;
    recipe.sampler.identities = 8;
    if let LossTerm::Triplet(settings) = &mut recipe.losses[0] {
        settings.normalize = true;
    }
    let data = PathBuf::from("synthetic:identities=40,cameras=2,images=3");
    let limits = Limits { people: 3, templates: 2, probes: 2 };
    Settings { data, recipe: Some(recipe), board, limits, out }
}

#[test]
fn from_pictures_to_a_camera_that_answers() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path().join("demo"), Board::Sim);
    demo::create_folder(&settings.out).unwrap();
    let outcome = demo::run(&settings, &|_| {}, &Silent).unwrap();
    let (float, int8) = (outcome.float.ranking.map, outcome.int8.ranking.map);
    assert!((float - int8).abs() < 0.05, "float {float}, int8 {int8}");
    assert!(outcome.shipped.choice.is_some(), "eight held-out identities choose a threshold");
    assert_eq!((outcome.tally.known, outcome.tally.strangers), (6, 6));
    assert_eq!(outcome.camera.templates, 6, "three people with two templates each");
    let page = std::fs::read_to_string(&outcome.report).unwrap();
    assert!(page.contains("<svg") && page.contains("data:image/png;base64,") && page.contains("Known people"));

    let mut notes = std::cell::RefCell::new(Vec::new());
    let again = demo::run(&settings, &|note| notes.borrow_mut().push(note.to_owned()), &Silent).unwrap();
    assert!(notes.get_mut().iter().any(|note| note.contains("trained already")), "{notes:?}");
    assert_eq!(again.shipped.quantized.bytes[..], outcome.shipped.quantized.bytes[..], "the same model again");

    let other = Settings { recipe: Some(Recipe { seed: 7, ..settings.recipe.clone().unwrap() }), ..settings };
    let error = demo::run(&other, &|_| {}, &Silent).unwrap_err();
    assert!(matches!(error, DemoError::OtherRun { .. }), "{error}");
}

#[test]
fn the_emulated_board_meets_the_same_people_with_the_same_words() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path().to_owned(), Board::Sim);
    let simulated = demo::run(&settings, &|_| {}, &Silent).unwrap();
    let emulated = match demo::run(&Settings { board: Board::Emulated(&BOARDS[0]), ..settings }, &|_| {}, &Silent) {
        Err(DemoError::Camera(error)) if std::env::var_os("CI").is_none() => {
            eprintln!("SKIPPED: no emulated board here: {error}");
            return;
        }
        outcome => outcome.unwrap(),
    };
    assert_eq!(emulated.camera.board.as_str(), "mps2-an386");
    for (board, native) in emulated.verdicts.iter().zip(&simulated.verdicts) {
        assert_eq!(
            (&board.identified.best, &board.identified.runner_up),
            (&native.identified.best, &native.identified.runner_up)
        );
    }
    assert_eq!(emulated.tally, simulated.tally);
}
