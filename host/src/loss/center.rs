//! Center loss: pictures of an identity near its center, which follows them.

use super::{Batch, Learned, Loss, LossError, Outputs, Sizes, TermValue};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// The settings of a recipe's `center`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CenterSettings {
    /// Factor on the loss. It pulls only together, so it needs a loss beside it that pushes apart.
    pub weight: f32,
    /// α, 0..1: how far a center moves towards its pictures in one step.
    pub rate: f32,
}

impl Default for CenterSettings {
    fn default() -> Self {
        Self { weight: 5e-4, rate: 0.5 }
    }
}

/// One center an identity; they are no parameters of the optimizer, but move by [`Centers::follow`].
#[derive(Debug, Clone, PartialEq)]
pub struct Centers {
    /// `[identities, dimension]`, row-major.
    pub values: Vec<f32>,
    /// Components of an embedding.
    pub dimension: usize,
}

/// What the center loss says about a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct CenterLoss {
    /// The loss; 0 for an empty batch.
    pub value: f32,
    /// ∂value/∂embeddings, `[B, dimension]`.
    pub gradient: Vec<f32>,
    /// Δc of each identity in the batch, ascending by identity, `dimension` components each.
    pub moves: Vec<(u32, Vec<f32>)>,
}

/// L = (1/2B) Σ_b ‖x_b − c_y‖² (Wen et al. 2016, eq. 2, as a mean), with ∂L/∂x_b = (x_b − c_y)/B.
///
/// Centers do not move along ∂L/∂c but by Δc_j = Σ_{y=j} (c_j − x_b) / (1 + n_j), n_j pictures of j in the batch (eq. 4): the
/// same distance however many identities and pictures a batch has.
///
/// # Shapes
/// `batch.identities`: each below the number of centers; `batch.dimension` = `centers.dimension`.
pub fn center(batch: &Batch<'_>, centers: &Centers) -> CenterLoss {
    let (dimension, count) = (batch.dimension, batch.identities.len().max(1) as f32);
    let mut gradient = batch.embeddings.to_vec();
    let mut value = 0.0f64;
    let mut sums = std::collections::BTreeMap::<u32, (f32, Vec<f32>)>::new();
    for (row, &identity) in gradient.chunks_exact_mut(dimension.max(1)).zip(batch.identities) {
        let (seen, sum) = sums.entry(identity).or_insert_with(|| (0.0, vec![0.0; dimension]));
        *seen += 1.0;
        for ((x, c), sum) in row.iter_mut().zip(centers.row(identity)).zip(sum) {
            let difference = *x - c;
            value += 0.5 * f64::from(difference) * f64::from(difference);
            *sum -= difference;
            *x = difference / count;
        }
    }
    let share = |(identity, (seen, sum)): (u32, (f32, Vec<f32>))| {
        (identity, sum.into_iter().map(|sum| sum / (1.0 + seen)).collect())
    };
    CenterLoss { value: (value / f64::from(count)) as f32, gradient, moves: sums.into_iter().map(share).collect() }
}

impl Loss for CenterSettings {
    fn weight(&self) -> f32 {
        self.weight
    }

    fn check(&self) -> Result<(), LossError> {
        LossError::unless_within("rate", self.rate, (1e-6, 1.0), "a fraction above 0, up to 1")
    }

    fn needs_positives(&self) -> bool {
        false
    }

    fn untrained(&self, sizes: Sizes, _rng: &mut ChaCha8Rng) -> Learned {
        Learned::Centers(Centers::new(sizes.dimension, sizes.identities))
    }

    fn evaluate(&self, outputs: &Outputs<'_>, learned: &Learned) -> TermValue {
        let Learned::Centers(centers) = learned else { return TermValue::default() };
        let loss = center(&outputs.raw, centers);
        TermValue { value: loss.value, raw: loss.gradient, ..TermValue::default() }
    }

    fn follow(&self, outputs: &Outputs<'_>, learned: &mut Learned) {
        if let Learned::Centers(centers) = learned {
            let moves = center(&outputs.raw, centers);
            centers.follow(&moves, self.rate);
        }
    }
}

impl Centers {
    /// All at the origin.
    pub fn new(dimension: usize, identities: usize) -> Self {
        Self { values: vec![0.0; dimension * identities], dimension }
    }

    /// The center of an identity.
    pub fn row(&self, identity: u32) -> &[f32] {
        &self.values[identity as usize * self.dimension..][..self.dimension]
    }

    /// c_j ← c_j − α·Δc_j for the identities of a batch (Wen et al. 2016, algorithm 1).
    pub fn follow(&mut self, loss: &CenterLoss, rate: f32) {
        for (identity, step) in &loss.moves {
            let center = &mut self.values[*identity as usize * self.dimension..][..self.dimension];
            center.iter_mut().zip(step).for_each(|(c, step)| *c -= rate * step);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{self, EdgeCase};
    use super::*;

    fn plain(x: &[f64], identities: &[u32], centers: &Centers) -> f64 {
        let dimension = centers.dimension;
        let row = |(b, &identity): (usize, &u32)| {
            let center = &centers.values[identity as usize * dimension..];
            (0..dimension).map(|k| (x[b * dimension + k] - f64::from(center[k])).powi(2)).sum::<f64>()
        };
        identities.iter().enumerate().map(row).sum::<f64>() / (2.0 * identities.len().max(1) as f64)
    }

    #[test]
    fn equals_its_plain_twin_and_its_central_differences() {
        for case in check::cases() {
            let values = EdgeCase::random(9, &[0; 10], case.dimension).embeddings;
            let centers = Centers { values, dimension: case.dimension };
            let loss = center(&case.batch(), &centers);
            check::value_and_gradient(&case, loss.value, &loss.gradient, |x| plain(x, &case.identities, &centers));
        }
    }

    #[test]
    fn centers_move_by_hand() {
        let mut centers = Centers { values: vec![1.0, 1.0, 7.0, 7.0, 0.0, 2.0], dimension: 2 };
        let embeddings = [3.0, 1.0, 0.0, 0.0, 1.0, 4.0];
        let batch = Batch { embeddings: &embeddings, dimension: 2, identities: &[0, 2, 0] };
        let loss = center(&batch, &centers);
        assert!((loss.value - (4.0 + 9.0 + 4.0) / 6.0).abs() < 1e-6);
        // Identity 0: Δ = ((1 − 3) + (1 − 1), (1 − 1) + (1 − 4)) / 3; identity 2: Δ = (0, 2) / 2; identity 1 is not there.
        assert_eq!(loss.moves, [(0, vec![-2.0 / 3.0, -1.0]), (2, vec![0.0, 1.0])]);
        centers.follow(&loss, 0.5);
        assert_eq!(centers.values[1..], [1.5, 7.0, 7.0, 0.0, 1.5]);
        assert!((centers.values[0] - (1.0 + 1.0 / 3.0)).abs() < 1e-6);
    }

    #[test]
    fn centers_find_the_mean_of_their_pictures() {
        let mut centers = Centers::new(1, 1);
        let batch = Batch { embeddings: &[2.0, 4.0], dimension: 1, identities: &[0, 0] };
        for _ in 0..60 {
            let loss = center(&batch, &centers);
            centers.follow(&loss, 0.5);
        }
        assert!((centers.values[0] - 3.0).abs() < 1e-5);
    }
}
