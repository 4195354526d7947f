//! The metric on top of a finished run: learned on its training pictures, judged on its held-out ones.

use super::validation::{Scores, validate};
use super::{Material, RunState};
use crate::network::{Engine, Graph};
use crate::progress::Progress;
use crate::projection::{MetricOnTop, ProjectionError};
use serde::{Deserialize, Serialize};

/// What a metric on top did to the held-out identities; without them, or without their matches, figures are missing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnTop {
    /// Which one.
    pub method: MetricOnTop,
    /// Components that are left.
    pub dimension: usize,
    /// mAP without it.
    pub map_without: Option<f32>,
    /// mAP with it.
    pub map_with: Option<f32>,
    /// Rank-1 without it.
    pub rank1_without: Option<f32>,
    /// Rank-1 with it.
    pub rank1_with: Option<f32>,
}

/// The network with `method` folded in, and what it changed. `engine` must be of the graph's architecture.
///
/// # Errors
/// [`ProjectionError`].
pub fn put_on_top(
    method: MetricOnTop,
    engine: &mut Engine,
    graph: &Graph,
    material: &Material,
    progress: &dyn Progress,
) -> Result<(Graph, OnTop), ProjectionError> {
    let without = validate(engine, graph, &material.held_out);
    let folded = method.applied(engine, graph, &material.train, progress)?;
    let mut engine = Engine::new(&folded, 1, engine.threads());
    let with = validate(&mut engine, &folded, &material.held_out);
    let map = |scores: Option<Scores>| scores.map(|scores| scores.map);
    let rank1 = |scores: Option<Scores>| scores.map(|scores| scores.rank1);
    let on_top = OnTop {
        method,
        dimension: folded.dimension(),
        map_without: map(without),
        map_with: map(with),
        rank1_without: rank1(without),
        rank1_with: rank1(with),
    };
    Ok((folded, on_top))
}

impl RunState {
    /// Of the same network with a metric on top, which may have left it fewer components.
    pub fn with_metric_on_top(&self, method: MetricOnTop, dimension: usize, judged: Option<OnTop>) -> Self {
        let mut state = self.clone();
        state.recipe.metric_on_top = method;
        state.recipe.network.embedding = dimension;
        state.metric_on_top = judged;
        state
    }
}
