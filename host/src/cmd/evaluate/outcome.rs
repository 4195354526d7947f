//! What `deja evaluate` writes as JSON: rates are fractions from 0 to 1.

use crate::evaluation::{self, Interval, Ranking};
use serde::Serialize;
use std::path::PathBuf;

/// The whole object.
#[derive(Debug, Serialize)]
pub struct Outcome {
    #[serde(flatten)]
    pub scores: Scores,
    pub unmatched: usize,
    pub skipped: Vec<PathBuf>,
    /// From embeddings to ranking.
    pub ranking_seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expanded: Option<Scores>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reranked: Option<Scores>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric_on_top: Option<OnTop>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_set: Option<OpenSet>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub camera_pairs: Option<Vec<CameraPair>>,
}

/// A ranking's figures.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Scores {
    pub queries: usize,
    pub gallery: usize,
    pub map: f64,
    pub rank1: f64,
    pub rank5: f64,
    pub rank10: f64,
    pub minp: f64,
}

/// The ranking with a metric on top.
#[derive(Debug, Serialize)]
pub struct OnTop {
    pub method: &'static str,
    /// Components that are left.
    pub dimension: usize,
    /// What it was learned on.
    pub training_pictures: usize,
    #[serde(flatten)]
    pub scores: Scores,
}

/// Pairs told apart.
#[derive(Debug, Serialize)]
pub struct Verification {
    pub genuine: usize,
    pub impostors: usize,
    pub eer: f64,
    /// At FAR ≤ 0.1, 0.01, 0.001 and 0.0001.
    pub operating_points: Vec<Rates>,
    pub roc: Vec<Rates>,
}

/// Shares of pairs at one threshold.
#[derive(Debug, Serialize)]
pub struct Rates {
    /// Wanted share of impostor pairs that are accepted.
    pub target_far: f64,
    /// `null` where everything is accepted.
    pub threshold: Option<f32>,
    pub far: f64,
    pub tar: f64,
}

/// Known people told from strangers.
#[derive(Debug, Serialize)]
pub struct OpenSet {
    pub known: usize,
    pub strangers: usize,
    pub enrolled: usize,
    pub points: Vec<Point>,
}

/// Shares of probes at one threshold.
#[derive(Debug, Serialize)]
pub struct Point {
    /// Wanted share of strangers that are named.
    pub target_fpir: f64,
    pub threshold: f32,
    pub fpir: f64,
    pub fnir: f64,
    pub dir: f64,
    /// 95 % interval of `dir`.
    pub dir_low: f64,
    pub dir_high: f64,
}

/// Queries of one camera among entries of another.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct CameraPair {
    pub query_camera: u32,
    pub gallery_camera: u32,
    pub queries: usize,
    pub gallery: usize,
    pub map: f64,
    pub rank1: f64,
}

impl Scores {
    /// Of a ranking.
    pub fn of(ranking: &Ranking) -> Self {
        Self {
            queries: ranking.queries.len(),
            gallery: ranking.gallery,
            map: ranking.map,
            rank1: ranking.rank1(),
            rank5: ranking.rank5(),
            rank10: ranking.rank10(),
            minp: ranking.minp,
        }
    }
}

impl From<evaluation::Verification> for Verification {
    fn from(verification: evaluation::Verification) -> Self {
        let evaluation::Verification { genuine, impostors, eer, operating, roc } = verification;
        let rates = |point: evaluation::OperatingPoint| Rates {
            target_far: point.target,
            threshold: Some(point.threshold).filter(|threshold| threshold.is_finite()),
            far: point.far,
            tar: point.tar,
        };
        let operating_points = operating.into_iter().map(rates).collect();
        Self { genuine, impostors, eer, operating_points, roc: roc.into_iter().map(rates).collect() }
    }
}

impl From<evaluation::OpenSet> for OpenSet {
    fn from(open_set: evaluation::OpenSet) -> Self {
        let evaluation::OpenSet { known, strangers, enrolled, points } = open_set;
        let point = |point: evaluation::OpenSetPoint| {
            let Interval { value: dir, low: dir_low, high: dir_high } = point.dir;
            let evaluation::OpenSetPoint { target: target_fpir, threshold, fpir, fnir, .. } = point;
            Point { target_fpir, threshold, fpir, fnir, dir, dir_low, dir_high }
        };
        Self { known, strangers, enrolled, points: points.into_iter().map(point).collect() }
    }
}

impl From<evaluation::CameraPair> for CameraPair {
    fn from(pair: evaluation::CameraPair) -> Self {
        let evaluation::CameraPair { query_camera, gallery_camera, queries, gallery, map, rank1 } = pair;
        Self { query_camera, gallery_camera, queries, gallery, map, rank1 }
    }
}
