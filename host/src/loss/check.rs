//! What every loss must pass: equal to a plain twin in f64, with its central differences as gradient, edge cases included.

use super::{Batch, Learned, Loss, Outputs};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A batch with a name for the message of a failing test.
pub struct EdgeCase {
    pub name: &'static str,
    pub embeddings: Vec<f32>,
    pub dimension: usize,
    pub identities: Vec<u32>,
}

impl EdgeCase {
    pub fn batch(&self) -> Batch<'_> {
        Batch { embeddings: &self.embeddings, dimension: self.dimension, identities: &self.identities }
    }

    pub fn random(seed: u64, identities: &[u32], dimension: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let embeddings = (0..identities.len() * dimension).map(|_| rng.random_range(-1.0..1.0)).collect();
        Self { name: "random", embeddings, dimension, identities: identities.to_vec() }
    }

    pub fn all_equal() -> Self {
        let identities = vec![0, 0, 1, 1, 2, 2];
        Self { name: "all equal", embeddings: [0.5, -0.25, 1.0].repeat(identities.len()), dimension: 3, identities }
    }

    /// Two identities far apart, each tight: no triplet is active.
    pub fn satisfied() -> Self {
        let embeddings = vec![0.0, 0.1, 0.02, 0.13, 90.0, 80.0, 90.05, 80.02];
        Self { name: "satisfied", embeddings, dimension: 2, identities: vec![4, 4, 2, 2] }
    }

    /// Rows 0 and 1 coincide: as each other's positive far from everybody, or as each other's negative. No third picture's
    /// hardest choice is between the two, where batch-hard has a kink of its own.
    fn twins(identities: &[u32], offset: f32) -> Self {
        let mut case = Self::random(6, identities, 4);
        let (first, second) = case.embeddings.split_at_mut(4);
        first.iter_mut().for_each(|x| *x += offset);
        second[..4].copy_from_slice(first);
        Self { name: "two identical embeddings", ..case }
    }
}

pub fn cases() -> Vec<EdgeCase> {
    vec![
        EdgeCase::random(1, &[0, 0, 0, 1, 1, 1, 2, 2, 2], 5),
        EdgeCase::random(2, &[0, 1, 0, 1, 0, 1, 2], 17),
        EdgeCase::random(3, &[3, 3, 9, 9, 9, 1, 1, 1, 1, 8], 2),
        EdgeCase::all_equal(),
        EdgeCase::twins(&[0, 0, 1, 1, 2, 2], 3.0),
        EdgeCase::twins(&[0, 1, 0, 1], 0.0),
        EdgeCase { name: "one identity only", ..EdgeCase::random(6, &[2, 2, 2, 2], 3) },
        EdgeCase { name: "no positives", ..EdgeCase::random(7, &[1, 2, 3], 3) },
        EdgeCase::satisfied(),
        EdgeCase { name: "empty", ..EdgeCase::random(8, &[], 3) },
    ]
}

/// Asserts that value and gradient are those of `plain`: values within 1e-5, gradients within 1e-3 of the largest component.
pub fn value_and_gradient(case: &EdgeCase, value: f32, gradient: &[f32], plain: impl Fn(&[f64]) -> f64) {
    let at: Vec<f64> = case.embeddings.iter().copied().map(f64::from).collect();
    let expected = plain(&at);
    let error = (f64::from(value) - expected).abs();
    assert!(error <= 1e-5 * (1.0 + expected.abs()), "{}: value {value}, plain twin {expected}", case.name);
    gradients(case.name, gradient, &central_differences(plain, &at));
}

/// What a plain twin is told besides the embeddings.
pub struct Rows<'a> {
    /// The embeddings around which differences are taken.
    pub fixed: &'a [f64],
    pub dimension: usize,
    pub identities: &'a [u32],
    /// The first rows, which alone are anchors.
    pub anchors: usize,
}

impl EdgeCase {
    /// `plain` as a function of the embeddings, all of them anchors.
    pub fn twin(&self, plain: impl Fn(&[f64], &Rows<'_>) -> f64) -> impl Fn(&[f64]) -> f64 {
        let fixed: Vec<f64> = self.embeddings.iter().copied().map(f64::from).collect();
        move |x| {
            let (identities, anchors) = (&self.identities[..], self.identities.len());
            plain(x, &Rows { fixed: &fixed, dimension: self.dimension, identities, anchors })
        }
    }
}

/// Asserts [`value_and_gradient`] of a loss that looks at past batches, which are held still. The twin's rows are the batch,
/// whose rows are the anchors, with the past ones behind it.
pub fn with_past(loss: &dyn Loss, plain: impl Fn(&[f64], &Rows<'_>) -> f64) {
    for (case, past) in [
        (EdgeCase::random(22, &[0, 1, 1, 2, 7], 4), EdgeCase::random(21, &[0, 1, 2, 0, 1, 5, 5], 4)),
        (EdgeCase::random(23, &[0, 1, 2], 3), EdgeCase::random(24, &[2, 0, 0, 1, 1, 2, 2, 3], 3)),
        (EdgeCase::random(25, &[4, 4, 5, 5], 5), EdgeCase::random(26, &[], 5)),
    ] {
        let (raw, past) = (case.batch(), past.batch());
        let outputs = Outputs { raw, neck: raw, pictures: &[], triplets: &[], teacher: None, past: Some(past) };
        let loss = loss.evaluate(&outputs, &Learned::Nothing);
        let identities = &[raw.identities, past.identities].concat()[..];
        let with_past = |x: &[f64]| [x, &past.embeddings.iter().copied().map(f64::from).collect::<Vec<_>>()].concat();
        let fixed = &with_past(&raw.embeddings.iter().copied().map(f64::from).collect::<Vec<_>>())[..];
        let rows = Rows { fixed, dimension: raw.dimension, identities, anchors: raw.identities.len() };
        value_and_gradient(&case, loss.value, &loss.raw, |x| plain(&with_past(x), &rows));
    }
}

/// Asserts relative error < 1e-3 of each component, against the largest one.
pub fn gradients(name: &str, gradient: &[f32], expected: &[f64]) {
    assert_eq!(gradient.len(), expected.len(), "{name}");
    let largest = expected.iter().fold(0.0f64, |best, x| best.max(x.abs()));
    for (index, (&got, &expected)) in gradient.iter().zip(expected).enumerate() {
        let error = (f64::from(got) - expected).abs();
        assert!(error <= 1e-3 * largest + 1e-6, "{name}: ∂L/∂x[{index}] = {got}, central difference {expected}");
    }
}

/// (f(x + h) − f(x − h)) / 2h, component by component.
pub fn central_differences(f: impl Fn(&[f64]) -> f64, at: &[f64]) -> Vec<f64> {
    const STEP: f64 = 1e-6;
    let mut x = at.to_vec();
    (0..x.len())
        .map(|index| {
            x[index] = at[index] + STEP;
            let above = f(&x);
            x[index] = at[index] - STEP;
            let below = f(&x);
            x[index] = at[index];
            (above - below) / (2.0 * STEP)
        })
        .collect()
}

pub fn plain_distance(x: &[f64], dimension: usize, i: usize, j: usize) -> f64 {
    (0..dimension).map(|k| (x[i * dimension + k] - x[j * dimension + k]).powi(2)).sum::<f64>().sqrt()
}

/// Rows of length 1.
pub fn plain_normalize(x: &[f64], dimension: usize) -> Vec<f64> {
    x.chunks_exact(dimension)
        .flat_map(|row| {
            let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
            row.iter().map(move |x| x / length)
        })
        .collect()
}

/// xᵢ·xⱼ
pub fn plain_product(x: &[f64], dimension: usize, i: usize, j: usize) -> f64 {
    (0..dimension).map(|k| x[i * dimension + k] * x[j * dimension + k]).sum()
}

/// Rows of the anchor's identity without itself, and rows of others.
pub fn plain_partition(identities: &[u32], anchor: usize) -> (Vec<usize>, Vec<usize>) {
    let others = (0..identities.len()).filter(|&other| other != anchor);
    others.partition(|&other| identities[other] == identities[anchor])
}
