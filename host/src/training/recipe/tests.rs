//! Recipes that make sense, and those that do not.

use super::*;
use crate::loss::cross_entropy::CrossEntropySettings;

fn read(text: &str) -> Result<Recipe, RecipeError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recipe.toml");
    std::fs::write(&path, text).unwrap();
    Recipe::read(&path)
}

#[test]
fn an_empty_file_is_the_default_and_every_recipe_survives_toml() {
    assert_eq!(read("").unwrap(), Recipe::default());
    let text = "epochs = 3\n[[loss]]\nkind = \"triplet\"\nsoft_margin = true\n[optimizer]\nkind = \"sgd\"\n";
    let recipe = read(text).unwrap();
    assert_eq!((recipe.epochs, recipe.losses.len()), (3, 1));
    assert!(matches!(&recipe.losses[0], LossTerm::Triplet(settings) if settings.soft_margin));
    assert_eq!(read(&toml::to_string(&recipe).unwrap()).unwrap(), recipe);
}

#[test]
fn every_shipped_recipe_can_be_read_and_says_what_it_is_for() {
    for name in Recipe::names() {
        Recipe::read(Path::new(name)).unwrap();
        assert!(Recipe::purpose(name).is_some_and(|text| text.ends_with('.')), "{name}");
    }
    assert_eq!(Recipe::purpose("none"), None);
}

#[test]
fn a_teacher_comes_to_the_distillation_or_brings_one() {
    let teacher = Path::new("teacher.onnx");
    let mut shipped = Recipe::read(Path::new("distilled")).unwrap();
    let message = shipped.check_teacher().unwrap_err().to_string();
    assert!(message.contains("loss[0] (distillation)") && message.contains("--teacher FILE"), "{message}");
    let before = shipped.losses.len();
    shipped.learn_from_teacher(teacher);
    shipped.check_teacher().unwrap();
    assert_eq!(shipped.losses.len(), before);
    assert!(shipped.losses[0].distillation().is_some_and(|found| found.teacher == teacher && found.weight == 5.0));
    assert!(shipped.validation > 0.0, "somebody is held out to set a threshold");

    let mut plain = Recipe::default();
    plain.check_teacher().unwrap();
    plain.learn_from_teacher(teacher);
    plain.check().unwrap();
    let added = plain.losses.last().and_then(LossTerm::distillation).unwrap();
    assert_eq!((plain.losses.len(), added.teacher.as_path(), added.weight), (3, teacher, 1.0));
}

#[test]
fn unknown_keys_are_named() {
    for text in ["epoch = 3", "[sampler]\nidentites = 4", "[augment]\nflipp = 1", "[watchdog]\non_colapse = 1"] {
        let key = text.split(['\n', ' ']).find(|word| word.chars().all(|c| c.is_alphabetic() || c == '_')).unwrap();
        let message = read(text).unwrap_err().to_string();
        assert!(message.contains(key) && message.contains("recipe.toml"), "{message}");
    }
}

#[test]
fn differences_are_named_with_both_values() {
    let (a, mut b) = (Recipe::default(), Recipe::default());
    assert!(a.differences(&b).is_empty());
    b.epochs = 41;
    b.losses[1] = LossTerm::CrossEntropy(CrossEntropySettings { label_smoothing: 0.25, weight: 1.0 });
    assert_eq!(a.differences(&b).len(), 2);
    assert_eq!(a.differences(&b)[0], "epochs: 40 → 41");
    assert!(a.differences(&b)[1].starts_with("loss[1].label_smoothing: 0.1"));
}

#[test]
fn senseless_losses_are_named() {
    let table = |kind: &str, rest: &str| format!("[[loss]]\nkind = \"{kind}\"\n{rest}\n");
    for (text, parts) in [
        (table("triplet", "margin = -1"), ["loss[0] (triplet)", "margin = -1"]),
        (table("triplet", "") + &table("triplet", "margin = nan"), ["loss[1] (triplet)", "margin = NaN"]),
        (table("triplet", "margni = 0.3"), ["recipe.toml", "`margni`"]),
        (table("cross_entropy", "weight = -0.5"), ["loss[0] (cross_entropy)", "weight = -0.5"]),
        (table("cross_entropy", "label_smoothing = 1"), ["loss[0] (cross_entropy)", "label_smoothing = 1"]),
        (table("cross_entropy", "margin = 1"), ["recipe.toml", "`margin`"]),
        (table("crossentropy", ""), ["`crossentropy`", "`cross_entropy`"]),
        (table("triplet", "weight = 0"), ["nothing is minimized", "weight above 0"]),
        ("loss = []".into(), ["nothing is minimized", "[[loss]]"]),
        (table("distillation", "teacher = \"a\"\ncosine = 0\nsimilarity = 0"), ["nothing is distilled", "angle"]),
        (table("distillation", "teacher = \"a\"").repeat(2), ["two losses", "one teacher"]),
        (table("center", "[memory]\nsize = 9"), ["memory.size", "batch_hard"]),
        (table("triplet", "[memory]\nstart = -1"), ["memory.start", "epochs"]),
        (table("arc_face", "margin = 2"), ["loss[0] (arc_face)", "margin = 2"]),
        (table("cos_face", "scale = 0"), ["loss[0] (cos_face)", "scale = 0"]),
        (table("center", "rate = 2"), ["loss[0] (center)", "rate = 2"]),
        (table("triplet", "[sampler]\npictures = 1"), ["loss[0] (triplet)", "sampler.pictures = 1"]),
    ] {
        let message = read(&text).unwrap_err().to_string();
        assert!(parts.iter().all(|part| message.contains(part)), "{text}: {message}");
    }
    let alone = table("cross_entropy", "[sampler]\npictures = 1");
    assert_eq!(read(&alone).unwrap().losses.len(), 1, "an ID loss needs no positives");
}

#[test]
fn senseless_numbers_are_named() {
    for (text, key) in [
        ("epochs = 0", "epochs"),
        ("[sampler]\npictures = 0", "sampler.pictures"),
        ("[optimizer]\nlearning_rate = 0", "optimizer.learning_rate"),
        ("[augment]\nflip = 2", "augment.flip"),
        ("validation = 0\n[early_stopping]\npatience = 3", "early_stopping.patience"),
        ("[watchdog]\non_collapse = \"panic\"", "on_collapse"),
    ] {
        assert!(read(text).unwrap_err().to_string().contains(key), "{text}");
    }
    assert!(matches!(Recipe::read(Path::new("/no/such/file")), Err(RecipeError::Io { .. })));
}
