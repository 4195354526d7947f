//! Pools: windows' maxima and means, and what turns the last map into one vector (mean or generalized mean).

use super::builder::{Builder, Filter};
use super::{NodeId, Operator, Role, Shape};

/// Where the exponent of [`Pool::GeneralizedMean`] starts (Radenović 2018, §3.2).
const EXPONENT: f32 = 3.0;
/// Values are raised to this before they are raised to a power.
const FLOOR: f32 = 1e-6;
/// The least exponent that is used: the mean. Below 1 the gradient with respect to a value near 0 has no bound.
const LEAST_EXPONENT: f32 = 1.0;

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

/// The exponent that is used for a learned one: at least 1, however far training has pushed it.
pub(crate) fn bounded_exponent(learned: f32) -> f32 {
    // Not `max`, which would hide that training has diverged.
    if learned < LEAST_EXPONENT { LEAST_EXPONENT } else { learned }
}

/// The gradient of a learned exponent, without a push from the bound outwards (which would change nothing but how
/// long the way back is).
pub(super) fn bounded_exponent_gradient(learned: f32, gradient: f32) -> f32 {
    if learned <= LEAST_EXPONENT && gradient > 0.0 { 0.0 } else { gradient }
}

/// m\[c\] = (Σ max(x\[i, c\], floor)ᵖ / n)^(1/p) over the n rows of one picture (Radenović 2018, eq. 3), in units of
/// the greatest value, so that no power leaves the range of floats.
pub(super) fn generalized_mean(input: &[f32], p: f32, floor: f32, mean: &mut [f32]) {
    let (channels, rows) = (mean.len(), input.len() / mean.len());
    for (c, mean) in mean.iter_mut().enumerate() {
        let column = || input[c..].iter().step_by(channels).map(|x| x.max(floor));
        let greatest = column().fold(floor, f32::max);
        let sum: f32 = column().map(|x| (x / greatest).powf(p)).sum();
        *mean = greatest * (sum / rows as f32).powf(1.0 / p);
    }
}

/// dx = dm · (x/m)^(p−1) / n where x > floor, else 0; added to `d_input` where it accumulates.
pub(crate) fn generalized_mean_gradient(
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
            // The ratio to the mean does not overflow where xᵖ might.
            let power = (x / mean[c]).powf(p);
            weighted += power * x.ln();
            total += power;
        }
        d_mean[c] * mean[c] / p * (weighted / total - mean[c].ln())
    });
    per_channel.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Engine, Gradients};

    #[test]
    fn great_exponents_and_silent_or_loud_channels_stay_finite() {
        let input = [0.0, 1e4, -1.0, 2e4, 0.0, 5e3];
        for p in [1.0, 6.5, 40.0, 1000.0] {
            let (mut mean, mut d_input) = ([0.0; 2], [0.0; 6]);
            generalized_mean(&input, p, FLOOR, &mut mean);
            assert!((mean[0] - FLOOR).abs() < 1e-9 && mean[1] > 1.1e4 && mean[1] <= 2e4, "{p}: {mean:?}");
            generalized_mean_gradient((&input, &mean), (p, FLOOR), &[1.0, 1.0], &mut d_input, false);
            assert!(d_input.iter().all(|d| (0.0..=1.01).contains(d)), "{p}: {d_input:?}");
            let gradient = exponent_gradient(&input, &mean, p, FLOOR, &[1.0, 1.0]);
            assert!(gradient.is_finite() && gradient >= 0.0, "{p}: {gradient}");
        }
    }

    #[test]
    fn an_exponent_below_the_bound_gives_the_mean_and_is_only_pulled_back() {
        let mut b = Builder::new([4, 4], 1);
        let x = b.input();
        let map = b.pointwise("map", x, 3);
        let (pool, mean) = (b.generalized_mean_pool("pool", map), b.global_average_pool("mean", map));
        let mut graph = b.finish("test".into(), pool, mean);
        graph.parameters[0].values = vec![1.0; 9];
        graph.parameters[1].values = vec![-2.0];
        let pixels: Vec<u8> = (0..48).map(|index| 140 + index * 2).collect();
        let mut engine = Engine::new(&graph, 1, 1);
        let outputs = engine.forward(&mut graph, &pixels, 1);
        outputs.raw.iter().zip(outputs.embedding).for_each(|(a, b)| assert!((a - b).abs() < 1e-5, "{a} {b}"));
        let mut gradients = Gradients::zeros(&graph);
        for (sign, pulled) in [(1.0, false), (-1.0, true)] {
            engine.backward(&graph, &[sign; 3], &[0.0; 3], &mut gradients);
            let gradient = gradients.values[1][0];
            assert!(if pulled { gradient < 0.0 } else { gradient == 0.0 }, "{gradient}");
        }
    }
}
