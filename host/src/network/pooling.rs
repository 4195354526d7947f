//! Pools: windows' maxima and means, and what turns the last map into one vector (mean or generalized mean).

use super::builder::{Builder, Filter};
use super::{NodeId, Operator, Role, Shape};

/// Where the exponent of [`Pool::GeneralizedMean`] starts (Radenović 2018, §3.2).
const EXPONENT: f32 = 3.0;
/// Values are raised to this before they are raised to a power.
const FLOOR: f32 = 1e-6;

/// How a network turns its last map into one value a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pool {
    /// The mean over height and width.
    #[default]
    Average,
    /// [`Operator::GeneralizedMeanPool`] with a learned exponent: closer to the maximum the greater that is.
    GeneralizedMean,
}

impl Pool {
    /// The pool's node behind `from`.
    pub fn add_to(self, b: &mut Builder, name: &str, from: NodeId) -> NodeId {
        match self {
            Self::Average => b.global_average_pool(name, from),
            Self::GeneralizedMean => b.generalized_mean_pool(name, from),
        }
    }
}

impl Builder {
    /// The greatest value under each position of `filter`.
    pub fn max_pool(&mut self, name: &str, from: NodeId, filter: Filter) -> NodeId {
        let Filter { kernel, stride, padding } = filter;
        let shape = self.filtered(from, filter, self.shape(from).channels);
        self.node(name, Operator::MaxPool { kernel, stride, padding }, &[from], shape)
    }

    /// The mean over each of the squares of `kernel` × `kernel` values, `stride` apart.
    pub fn average_pool(&mut self, name: &str, from: NodeId, kernel: usize, stride: usize) -> NodeId {
        let shape = self.filtered(from, Filter { kernel, stride, padding: 0 }, self.shape(from).channels);
        self.node(name, Operator::AveragePool { kernel, stride }, &[from], shape)
    }

    /// Generalized mean over height and width with a learned exponent, one for all channels.
    pub fn generalized_mean_pool(&mut self, name: &str, from: NodeId) -> NodeId {
        let exponent = self.constant(&format!("{name}.exponent"), 1, EXPONENT, Role::Affine);
        let shape = Shape::new(1, 1, self.shape(from).channels);
        self.node(name, Operator::GeneralizedMeanPool { exponent, floor: FLOOR }, &[from], shape)
    }
}

/// m\[c\] = (Σ max(x\[i, c\], floor)ᵖ / n)^(1/p) over the n rows of one picture (Radenović 2018, eq. 3).
pub(super) fn generalized_mean(input: &[f32], p: f32, floor: f32, mean: &mut [f32]) {
    let (channels, rows) = (mean.len(), input.len() / mean.len());
    mean.fill(0.0);
    for row in input.chunks_exact(channels) {
        mean.iter_mut().zip(row).for_each(|(sum, x)| *sum += x.max(floor).powf(p));
    }
    mean.iter_mut().for_each(|sum| *sum = (*sum / rows as f32).powf(1.0 / p));
}

/// dx = dm · (x/m)^(p−1) / n where x > floor, else 0; added to `d_input` where it accumulates.
pub(super) fn generalized_mean_gradient(
    (input, mean): (&[f32], &[f32]),
    (p, floor): (f32, f32),
    d_mean: &[f32],
    d_input: &mut [f32],
    accumulate: bool,
) {
    let (channels, rows) = (mean.len(), (input.len() / mean.len()) as f32);
    for (row, d_row) in input.chunks_exact(channels).zip(d_input.chunks_exact_mut(channels)) {
        for c in 0..channels {
            let gradient = if row[c] > floor { d_mean[c] * (row[c] / mean[c]).powf(p - 1.0) / rows } else { 0.0 };
            d_row[c] = if accumulate { d_row[c] + gradient } else { gradient };
        }
    }
}

/// dp = Σ_c dm·m/p · (Σ xᵖ·ln x / Σ xᵖ − ln m), with x raised to the floor.
pub(super) fn exponent_gradient(input: &[f32], mean: &[f32], p: f32, floor: f32, d_mean: &[f32]) -> f32 {
    let channels = mean.len();
    let per_channel = (0..channels).map(|c| {
        let [mut weighted, mut total] = [0.0_f32; 2];
        for x in input[c..].iter().step_by(channels).map(|x| x.max(floor)) {
            // The ratio to the mean neither over- nor underflows where xᵖ might.
            let power = (x / mean[c]).powf(p);
            weighted += power * x.ln();
            total += power;
        }
        d_mean[c] * mean[c] / p * (weighted / total - mean[c].ln())
    });
    per_channel.sum()
}
