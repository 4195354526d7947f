//! Weights rounded up or down so that the layer's output, not each weight, comes nearest to float.

use super::weights::WEIGHT_LIMIT;
use crate::compute::{Kernels, Matmul};
use rayon::prelude::*;

/// Most passes over the weights of a filter; it rarely takes more than five.
const PASSES: usize = 20;

/// Covariances of what the products of a layer are taken with, measured on calibration pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct Covariance {
    /// Products of one output.
    pub size: usize,
    /// `[groups, size, size]`; one group for a layer whose filters all see the same, one a channel for a depthwise layer.
    pub values: Vec<f32>,
}

impl Covariance {
    /// Of `rows` `[n, size]`. Few rows say little of so many products: the covariances off the diagonal are shrunk by
    /// n/(n + size).
    ///
    /// The mean is taken out, because the layer's bias makes up for it.
    pub fn of(rows: &mut [f32], size: usize) -> Self {
        let count = rows.len() / size.max(1);
        let mut means = vec![0.0f64; size];
        for row in rows.chunks_exact(size) {
            means.iter_mut().zip(row).for_each(|(mean, x)| *mean += f64::from(*x) / count as f64);
        }
        for row in rows.chunks_exact_mut(size) {
            row.iter_mut().zip(&means).for_each(|(x, mean)| *x = (f64::from(*x) - mean) as f32);
        }
        let mut values = vec![0.0; size * size];
        let (a, b) = (&*rows, &*rows);
        let job = Matmul { rows: size, columns: size, depth: count, a, a_row: 1, a_step: size, b, accumulate: false };
        (Kernels::best().matmul)(&job, &mut values);
        let kept = count as f32 / (count + size) as f32;
        for (index, value) in values.iter_mut().enumerate() {
            let diagonal = index / size == index % size;
            *value *= if diagonal { 1.0 } else { kept } / count.max(1) as f32;
        }
        Self { size, values }
    }

    fn group(&self, channel: usize) -> &[f32] {
        let square = self.size * self.size;
        let groups = self.values.len() / square.max(1);
        &self.values[if groups == 1 { 0 } else { channel } * square..][..square]
    }
}

/// `weights` `[products, channels]` as multiples of their channel's step, each rounded down or up so that
/// E (Δw·x)² = Δwᵀ·C·Δw of every filter is least: the layer-wise objective of AdaRound (Nagel et al. 2020, eq. 20), by
/// coordinate descent from the nearest integers. It never ends above those.
///
/// The largest weight of a filter defines its step and stays.
pub fn round(weights: &[f32], steps: &[f64], covariance: &Covariance) -> Vec<f32> {
    let channels = steps.len();
    let filter = |channel: usize| {
        let exact: Vec<f64> =
            weights.iter().skip(channel).step_by(channels).map(|&w| f64::from(w) / steps[channel]).collect();
        round_filter(&exact, covariance.group(channel))
    };
    let filters: Vec<Vec<f64>> = (0..channels).into_par_iter().map(filter).collect();
    let value = |index: usize| (filters[index % channels][index / channels] * steps[index % channels]) as f32;
    (0..weights.len()).map(value).collect()
}

/// One filter, in steps: `exact` → integers.
fn round_filter(exact: &[f64], covariance: &[f32]) -> Vec<f64> {
    let size = exact.len();
    let nearest = |w: f64| w.round().clamp(-WEIGHT_LIMIT, WEIGHT_LIMIT);
    let mut rounded: Vec<f64> = exact.iter().map(|&w| nearest(w)).collect();
    // g = C·Δw
    let mut gradient = vec![0.0f64; size];
    let add = |gradient: &mut [f64], index: usize, change: f64| {
        let row = &covariance[index * size..][..size];
        gradient.iter_mut().zip(row).for_each(|(g, c)| *g += change * f64::from(*c));
    };
    (0..size).for_each(|index| add(&mut gradient, index, rounded[index] - exact[index]));
    for _ in 0..PASSES {
        let mut changed = false;
        for index in 0..size {
            let (down, up) = (exact[index].floor(), exact[index].ceil());
            let change = if rounded[index] == down { up - down } else { down - rounded[index] };
            let fixed = exact[index].abs() >= WEIGHT_LIMIT - 0.5 || up > WEIGHT_LIMIT || down < -WEIGHT_LIMIT;
            let gain = change * (2.0 * gradient[index] + change * f64::from(covariance[index * size + index]));
            if !fixed && gain < 0.0 {
                rounded[index] += change;
                add(&mut gradient, index, change);
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    rounded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Δwᵀ·C·Δw
    fn cost(exact: &[f64], rounded: &[f64], covariance: &[f32]) -> f64 {
        let delta: Vec<f64> = rounded.iter().zip(exact).map(|(r, e)| r - e).collect();
        let size = exact.len();
        let product = |i: usize| (0..size).map(|j| f64::from(covariance[i * size + j]) * delta[j]).sum::<f64>();
        (0..size).map(|i| delta[i] * product(i)).sum()
    }

    fn least_of_all(exact: &[f64], covariance: &[f32]) -> f64 {
        let choice = |bits: usize| {
            let pick = |(i, w): (usize, &f64)| if bits >> i & 1 == 1 { w.ceil() } else { w.floor() };
            exact.iter().enumerate().map(pick).collect::<Vec<f64>>()
        };
        let costs = (0..1 << exact.len()).map(|bits| cost(exact, &choice(bits), covariance));
        costs.fold(f64::INFINITY, f64::min)
    }

    proptest! {
        #[test]
        fn it_lies_between_the_nearest_and_the_best_of_all(
            exact in proptest::collection::vec(-50.0..50.0f64, 5),
            mut rows in proptest::collection::vec(-3.0..3.0f32, 40),
        ) {
            let covariance = Covariance::of(&mut rows, 5);
            let nearest: Vec<f64> = exact.iter().map(|w| w.round()).collect();
            let got = cost(&exact, &round_filter(&exact, &covariance.values), &covariance.values);
            prop_assert!(got <= cost(&exact, &nearest, &covariance.values) + 1e-9);
            prop_assert!(got >= least_of_all(&exact, &covariance.values) - 1e-9);
        }
    }

    /// Two inputs that always agree: one weight's error can make up for the other's.
    #[test]
    fn errors_of_inputs_that_agree_cancel() {
        let mut rows: Vec<f32> = (0..200).flat_map(|i| [(i % 7) as f32; 2]).collect();
        let covariance = Covariance::of(&mut rows, 2);
        assert_eq!(round_filter(&[0.4, 0.4], &covariance.values).iter().sum::<f64>(), 1.0);
        assert_eq!(round(&[0.04, 1.0, 0.04, -2.0], &[0.1, 1.0], &covariance), [0.1, 1.0, 0.0, -2.0]);
    }

    #[test]
    fn independent_inputs_get_the_nearest_and_dead_ones_do_no_harm() {
        let covariance = Covariance { size: 3, values: vec![1.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0] };
        assert_eq!(round_filter(&[0.4, -1.6, 126.7], &covariance.values), [0.0, -2.0, 127.0]);
    }

    #[test]
    fn each_channel_of_a_depthwise_layer_has_its_own() {
        let values = vec![1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0];
        let got = round(&[0.4, 0.4, 0.4, 0.4], &[1.0, 1.0], &Covariance { size: 2, values });
        assert_eq!((got[0] + got[2], got[1] + got[3]), (1.0, 0.0));
    }
}
