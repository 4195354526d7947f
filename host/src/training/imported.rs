//! A network from elsewhere, as if a run of ours had left it: what comes after training needs no other way in.

use super::material::carve;
use super::{Checkpoint, Recipe, RunState, TrainingError};
use crate::dataset::Dataset;
use crate::network::Graph;

impl Checkpoint {
    /// `graph` with the identities of `data`'s training pictures, some of them held out as the default recipe holds them
    /// out. The network has seen none of them, or was trained on another set: so these are as good as strangers.
    ///
    /// # Errors
    /// When `data` has too few identities with training pictures.
    pub fn imported(graph: Graph, data: &Dataset) -> Result<Self, TrainingError> {
        let mut recipe = Recipe::default();
        recipe.network.name.clone_from(&graph.name);
        recipe.network.input = [graph.input().height, graph.input().width];
        recipe.network.embedding = graph.dimension();
        let (identities, held_out) = carve(data, &recipe)?;
        let state = RunState::new(recipe, data.name.clone(), identities, held_out);
        Ok(Self { graph, state, learner: None })
    }
}
