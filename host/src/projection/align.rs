//! A map from one model's embeddings to another's, learned on pictures that both have embedded.

use super::ProjectionError;
use crate::dataset::Identity;
use crate::evaluation::{Embeddings, rank};
use deja_shared::embedding::Embedding;
use nalgebra::{Cholesky, DMatrix, DVector};
use std::collections::BTreeSet;

/// Of the identities, every one in this many tells which map to take.
const HELD_OUT: usize = 5;
/// With fewer pairs nothing can be told.
const LEAST_PAIRS: usize = 16;
/// The shares of the mean variance that are tried as regularization.
const RIDGES: [f64; 6] = [1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0];

/// One picture as both models see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// By the model that is replaced.
    pub old: Embedding,
    /// By the model that replaces it.
    pub new: Embedding,
    /// Whom it shows.
    pub identity: usize,
}

/// How a map is made of pairs x, y.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// The orthogonal map nearest to the pairs: R = U·Vᵀ from the singular vectors of Σ y·xᵀ. For models of different
    /// dimension it is orthogonal on the smaller space. Schönemann 1966, "A generalized solution of the orthogonal Procrustes
    /// problem".
    Procrustes,
    /// The affine map of least Σ ‖A·(x − x̄) − (y − ȳ)‖²/n + λ·‖A‖² with λ = `ridge` · tr(Cov x)/d. Hoerl and Kennard 1970.
    LeastSquares {
        /// The share of the mean variance.
        ridge: f64,
    },
}

impl Method {
    /// As results call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Procrustes => "procrustes",
            Self::LeastSquares { .. } => "least_squares",
        }
    }
}

/// How well mapped embeddings serve in the place of true ones.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Fidelity {
    /// Mean average precision of the new model's embeddings as probes among the mapped ones, each picture's own included.
    /// What a gallery is for, and unlike the cosine not led astray by what all embeddings share.
    pub map: f64,
    /// Mean cosine of mapped and true embeddings.
    pub cosine: f64,
}

/// y ≈ A·x + b for directions x of length 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Alignment {
    matrix: DMatrix<f64>,
    shift: DVector<f64>,
    /// How it was made.
    pub method: Method,
    /// How it did on identities that were held out when the method was chosen.
    pub held_out: Fidelity,
    /// Pairs that it was made of.
    pub pairs: usize,
}

impl Alignment {
    /// What the new model would have made of the picture behind `old`; `None` where the map leads to zero, or `old` has another
    /// dimension than the pairs had.
    pub fn apply(&self, old: &Embedding) -> Option<Embedding> {
        if old.dimension() != self.matrix.ncols() {
            return None;
        }
        let mapped = &self.matrix * direction(old) + &self.shift;
        let scale = f64::from(i16::MAX) / mapped.amax();
        let raw: Vec<i16> = mapped.iter().map(|value| (value * scale).round() as i16).collect();
        Embedding::from_raw(&raw).ok()
    }
}

/// The map with which held-out identities (every fifth) are found best, made anew of all pairs.
///
/// The more components for the pictures, the more regularization wins, and at last the rotation.
///
/// # Errors
/// [`ProjectionError::TooFewPairs`] below 16 pairs or 5 identities, [`ProjectionError::PairDimensions`],
/// [`ProjectionError::Constant`], [`ProjectionError::Embeddings`].
pub fn align(pairs: &[Pair]) -> Result<Alignment, ProjectionError> {
    let identities: BTreeSet<usize> = pairs.iter().map(|pair| pair.identity).collect();
    if pairs.len() < LEAST_PAIRS || identities.len() < HELD_OUT {
        return Err(ProjectionError::TooFewPairs { pairs: pairs.len(), identities: identities.len() });
    }
    let dimensions = |pair: &Pair| [pair.old.dimension(), pair.new.dimension()];
    if pairs.iter().any(|pair| dimensions(pair) != dimensions(&pairs[0])) {
        return Err(ProjectionError::PairDimensions);
    }
    let judges: BTreeSet<usize> = identities.into_iter().skip(HELD_OUT - 1).step_by(HELD_OUT).collect();
    let (judges, learned): (Vec<&Pair>, Vec<&Pair>) = pairs.iter().partition(|pair| judges.contains(&pair.identity));
    let (learned, judges) = (Moments::of(&learned)?, Columns::of(&judges));
    let methods = RIDGES.map(|ridge| Method::LeastSquares { ridge }).into_iter().chain([Method::Procrustes]);
    let mut best = None::<(Fidelity, Method)>;
    for method in methods {
        let (matrix, shift) = learned.fit(method);
        let fidelity = judges.judge(&matrix, &shift)?;
        if best.is_none_or(|(before, _)| (fidelity.map, fidelity.cosine) > (before.map, before.cosine)) {
            best = Some((fidelity, method));
        }
    }
    let (held_out, method) = best.ok_or(ProjectionError::PairDimensions)?;
    let (matrix, shift) = Moments::of(&pairs.iter().collect::<Vec<_>>())?.fit(method);
    Ok(Alignment { matrix, shift, method, held_out, pairs: pairs.len() })
}

/// The components divided by their length.
fn direction(embedding: &Embedding) -> DVector<f64> {
    let components = embedding.components().iter().map(|&component| f64::from(component));
    DVector::from_iterator(embedding.dimension(), components) / f64::from(embedding.norm()).sqrt()
}

/// Pairs as columns: x `[old, n]`, y `[new, n]`.
struct Columns {
    x: DMatrix<f64>,
    y: DMatrix<f64>,
    identities: Vec<Identity>,
}

impl Columns {
    /// At least one pair.
    fn of(pairs: &[&Pair]) -> Self {
        let columns = |of: fn(&Pair) -> &Embedding| {
            DMatrix::from_columns(&pairs.iter().map(|pair| direction(of(pair))).collect::<Vec<_>>())
        };
        let identities = pairs.iter().map(|pair| Identity::Known(pair.identity)).collect();
        Self { x: columns(|pair| &pair.old), y: columns(|pair| &pair.new), identities }
    }

    /// How well A·x + b serves in the place of y; a map to zero is like nothing.
    fn judge(&self, matrix: &DMatrix<f64>, shift: &DVector<f64>) -> Result<Fidelity, ProjectionError> {
        let mut mapped = matrix * &self.x;
        mapped.column_iter_mut().for_each(|mut column| column += shift);
        let cosines = mapped.column_iter().zip(self.y.column_iter()).map(|(mapped, y)| {
            let length = mapped.norm() * y.norm();
            if length > 0.0 { mapped.dot(&y) / length } else { 0.0 }
        });
        let cosine = cosines.sum::<f64>() / self.x.ncols() as f64;
        let map = rank(&self.table(&self.y, 0)?, &self.table(&mapped, 1)?)?.map;
        Ok(Fidelity { map, cosine })
    }

    fn table(&self, columns: &DMatrix<f64>, camera: u32) -> Result<Embeddings, ProjectionError> {
        let vectors = columns.iter().map(|&value| value as f32).collect();
        Ok(Embeddings::new(columns.nrows(), vectors, self.identities.clone(), vec![camera; columns.ncols()])?)
    }
}

/// What both methods need to know of pairs.
struct Moments {
    mean_x: DVector<f64>,
    mean_y: DVector<f64>,
    /// Cov(x, x), `[old, old]`.
    within: DMatrix<f64>,
    /// Cov(y, x), `[new, old]`.
    between: DMatrix<f64>,
}

impl Moments {
    fn of(pairs: &[&Pair]) -> Result<Self, ProjectionError> {
        let Columns { mut x, mut y, .. } = Columns::of(pairs);
        let (mean_x, mean_y) = (x.column_mean(), y.column_mean());
        x.column_iter_mut().for_each(|mut column| column -= &mean_x);
        y.column_iter_mut().for_each(|mut column| column -= &mean_y);
        let count = pairs.len() as f64;
        let (within, between) = (&x * x.transpose() / count, y * x.transpose() / count);
        if within.trace() <= f64::EPSILON {
            return Err(ProjectionError::Constant { what: "all pictures" });
        }
        Ok(Self { mean_x, mean_y, within, between })
    }

    /// A and b.
    fn fit(&self, method: Method) -> (DMatrix<f64>, DVector<f64>) {
        match method {
            Method::Procrustes => {
                // Around zero, not around the means: a cosine is an angle at zero.
                let moment = &self.between + &self.mean_y * self.mean_x.transpose();
                (rotation(moment), DVector::zeros(self.mean_y.len()))
            }
            Method::LeastSquares { ridge } => {
                let matrix = ridge_regression(&self.within, &self.between, ridge);
                let shift = &self.mean_y - &matrix * &self.mean_x;
                (matrix, shift)
            }
        }
    }
}

/// U·Vᵀ.
fn rotation(moment: DMatrix<f64>) -> DMatrix<f64> {
    let shape = moment.shape();
    let parts = moment.svd(true, true);
    match (parts.u, parts.v_t) {
        (Some(u), Some(v_t)) => u * v_t,
        _ => DMatrix::identity(shape.0, shape.1),
    }
}

/// C·(S + λI)⁻¹ with λ = ridge · tr(S)/d.
fn ridge_regression(within: &DMatrix<f64>, between: &DMatrix<f64>, ridge: f64) -> DMatrix<f64> {
    let dimension = within.nrows();
    let mean_variance = within.trace() / dimension as f64;
    let mut regularized = within.clone();
    (0..dimension).for_each(|at| regularized[(at, at)] += ridge * mean_variance);
    // Positive definite but for rounding, against which a larger ridge helps.
    match Cholesky::new(regularized) {
        Some(factor) => factor.solve(&between.transpose()).transpose(),
        None => between / mean_variance,
    }
}

#[cfg(test)]
mod tests;
