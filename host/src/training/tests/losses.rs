//! Every loss and every way of mining teaches a network to tell its people apart better than it did untrained.

use super::*;
use crate::dataset::synthetic;
use crate::loss::LossTerm;
use crate::network::{Engine, Graph, by_name};

/// Small pictures of few people, for as many steps as show that a loss pulls the right way.
fn recipe() -> Recipe {
    let mut recipe = Recipe { epochs: 14, validation: 0.0, ..Recipe::default() };
    recipe.network = recipe::NetworkSettings { name: "mobilenet_v2_0.25".into(), input: [32, 16], embedding: 32 };
    recipe.sampler.identities = 8;
    recipe.schedule.warm_up = 1.0;
    recipe.augment = crate::augment::Augment::none();
    recipe
}

/// What each run minimizes: each loss alone, besides what cannot stand alone: a center loss, which needs another to keep
/// identities apart, and triplets mined beforehand, which need a file. Squared and cosine distances are left out: their pull
/// vanishes with the distance, so that with the hardest triplets of an untrained network they collapse.
fn objectives() -> Vec<Vec<LossTerm>> {
    let alone = LossTerm::NAMES.iter().filter(|name| !["triplet", "offline", "center"].contains(name));
    let mut objectives: Vec<Vec<LossTerm>> = alone.map(|name| vec![LossTerm::named(name).unwrap()]).collect();
    objectives.push(["center", "cross_entropy"].map(|name| LossTerm::named(name).unwrap()).to_vec());
    for table in [
        r#"{"kind": "triplet", "soft_margin": true}"#,
        r#"{"kind": "triplet", "mining": "semi_hard", "fallback": "hardest"}"#,
        r#"{"kind": "n_pair", "one_vs_one": true}"#,
    ] {
        objectives.push(vec![serde_json::from_str(table).unwrap()]);
    }
    objectives
}

#[test]
fn every_loss_and_every_mining_improves_on_the_untrained_network() {
    let folder = tempfile::tempdir().unwrap();
    let data = synthetic::dataset(&synthetic::Settings { identities: 24, cameras: 2, images: 2, seed: 3 });
    let (mut before, mut failures) = (None, Vec::new());
    for (index, losses) in objectives().into_iter().enumerate() {
        let recipe = Recipe { losses, ..recipe() };
        let run = folder.path().join(index.to_string());
        let outcome = train(&data, &recipe, &run, OPTIONS, &Silent).unwrap();
        let Checkpoint { graph, state, .. } = Checkpoint::load(&outcome.model).unwrap();
        let pictures = material::Material::load(&data, &state, &Silent).unwrap().train;
        let map = |graph: &Graph| validation::validate(&mut Engine::new(graph, 8, 1), graph, &pictures).unwrap().map;
        let network = &recipe.network;
        let untrained = || by_name(&network.name, network.input, network.embedding, recipe.seed).unwrap();
        let before = *before.get_or_insert_with(|| map(&untrained()));
        let after = map(&graph);
        let said = format!("mAP {before:.3} → {after:.3}: {}", serde_json::to_string(&recipe.losses).unwrap());
        eprintln!("{said}");
        if after < before + 0.05 {
            failures.push(said);
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}
