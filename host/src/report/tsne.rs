//! t-SNE: a map on which neighbours in the space of embeddings stay neighbours (van der Maaten, Hinton 2008), exact.

use super::embedding_map::project;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// How many neighbours each point is taken to have, where there are enough: about as many pictures as an identity has.
const PERPLEXITY: f64 = 15.0;
const ITERATIONS: usize = 500;
/// Iterations in which neighbours attract each other more, so that groups form before they find their places.
const EARLY: usize = 125;
const EXAGGERATION: f64 = 12.0;
/// Spread of the first map: so small that nothing on it is decided yet.
const START: f64 = 1e-4;

/// Maps embeddings (`[n, dimension]`, row-major) to `[n]` points; the same seed gives the same map.
///
/// All n² pairs are looked at in each of 500 iterations, in parallel: meant for up to 500 points, which take about a second.
/// Begins at the principal components with a little noise, as Kobak and Berens 2019 advise: the arrangement of groups then
/// means something, and no two equal embeddings stay glued together.
pub fn tsne(vectors: &[f32], dimension: usize, seed: u64) -> Vec<(f64, f64)> {
    let mut points = start(&project(vectors, dimension), seed);
    let count = points.len();
    if count < 4 {
        return points;
    }
    let affinities = affinities(vectors, dimension, count);
    let rate = (count as f64 / EXAGGERATION / 4.0).max(50.0);
    let mut velocity = vec![(0.0f64, 0.0f64); count];
    let mut gains = vec![(1.0f64, 1.0f64); count];
    for iteration in 0..ITERATIONS {
        let (exaggeration, momentum) = if iteration < EARLY { (EXAGGERATION, 0.5) } else { (1.0, 0.8) };
        let slopes = slopes(&points, &affinities, exaggeration);
        for (((point, velocity), gain), slope) in points.iter_mut().zip(&mut velocity).zip(&mut gains).zip(slopes) {
            advance(&mut point.0, &mut velocity.0, &mut gain.0, slope.0, rate, momentum);
            advance(&mut point.1, &mut velocity.1, &mut gain.1, slope.1, rate, momentum);
        }
        centre(&mut points);
    }
    points
}

/// The principal components at the scale of [`START`], and noise of a tenth of that.
fn start(components: &[(f64, f64)], seed: u64) -> Vec<(f64, f64)> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let largest = components.iter().map(|p| p.0.abs().max(p.1.abs())).fold(0.0, f64::max).max(1e-12);
    let mut place = |x: f64| START * (x / largest + 0.1 * (rng.random::<f64>() - 0.5));
    components.iter().map(|&(x, y)| (place(x), place(y))).collect()
}

/// p\[i,j\] = (p(j|i) + p(i|j)) / 2n, `[n, n]`, with Gaussians of the widths that give every point the perplexity.
fn affinities(vectors: &[f32], dimension: usize, count: usize) -> Vec<f64> {
    let perplexity = PERPLEXITY.min((count as f64 - 1.0) / 3.0).max(1.0);
    let row = |index: usize| &vectors[index * dimension..(index + 1) * dimension];
    let square = |(&a, &b): (&f32, &f32)| (f64::from(a) - f64::from(b)).powi(2);
    let conditional: Vec<Vec<f64>> = (0..count)
        .into_par_iter()
        .map(|i| {
            let squares: Vec<f64> = (0..count).map(|j| row(i).iter().zip(row(j)).map(square).sum()).collect();
            neighbourhood(&squares, i, perplexity)
        })
        .collect();
    let joint = |i: usize, j: usize| ((conditional[i][j] + conditional[j][i]) / (2.0 * count as f64)).max(1e-12);
    (0..count)
        .flat_map(|i| (0..count).map(move |j| (i, j)))
        .map(|(i, j)| if i == j { 0.0 } else { joint(i, j) })
        .collect()
}

/// p(j|i) ∝ exp(−β·d²) over j ≠ i, with β found by bisection so that the entropy is ln(perplexity).
fn neighbourhood(squares: &[f64], own: usize, perplexity: f64) -> Vec<f64> {
    let nearest = (0..squares.len()).filter(|&j| j != own).map(|j| squares[j]).fold(f64::INFINITY, f64::min);
    let (mut low, mut high, mut beta) = (0.0, f64::INFINITY, 1.0);
    let mut shares = Vec::new();
    for _ in 0..64 {
        // Relative to the nearest, so that the sum cannot vanish.
        let weight = |(j, &d): (usize, &f64)| if j == own { 0.0 } else { (-beta * (d - nearest)).exp() };
        shares = squares.iter().enumerate().map(weight).collect::<Vec<f64>>();
        let total: f64 = shares.iter().sum();
        shares.iter_mut().for_each(|share| *share /= total);
        let entropy: f64 = shares.iter().filter(|&&p| p > 0.0).map(|p| -p * p.ln()).sum();
        let excess = entropy - perplexity.ln();
        if excess.abs() < 1e-5 {
            break;
        }
        if excess > 0.0 {
            low = beta;
            beta = if high.is_finite() { f64::midpoint(low, high) } else { beta * 2.0 };
        } else {
            high = beta;
            beta = f64::midpoint(low, high);
        }
    }
    shares
}

/// ∂KL/∂yᵢ = 4 Σⱼ (e·pᵢⱼ − wᵢⱼ/Z) wᵢⱼ (yᵢ − yⱼ) with w = 1/(1 + ‖yᵢ − yⱼ‖²), Z = Σ w and the exaggeration e.
fn slopes(points: &[(f64, f64)], affinities: &[f64], exaggeration: f64) -> Vec<(f64, f64)> {
    let count = points.len();
    let forces: Vec<([f64; 2], [f64; 2], f64)> = (0..count)
        .into_par_iter()
        .map(|i| {
            let (mut pull, mut push, mut total) = ([0.0; 2], [0.0; 2], 0.0);
            for (&(x, y), p) in points.iter().zip(&affinities[i * count..(i + 1) * count]) {
                let (dx, dy) = (points[i].0 - x, points[i].1 - y);
                let w = 1.0 / (1.0 + dx * dx + dy * dy);
                total += w;
                pull = [pull[0] + p * w * dx, pull[1] + p * w * dy];
                push = [push[0] + w * w * dx, push[1] + w * w * dy];
            }
            // The point itself has w = 1 and no force.
            (pull, push, total - 1.0)
        })
        .collect();
    let z = forces.iter().map(|force| force.2).sum::<f64>().max(1e-12);
    let slope = |pull: f64, push: f64| 4.0 * (exaggeration * pull - push / z);
    forces.iter().map(|(pull, push, _)| (slope(pull[0], push[0]), slope(pull[1], push[1]))).collect()
}

/// A step with momentum and a gain that grows while the direction holds (Jacobs 1988), as the authors' program takes it.
fn advance(place: &mut f64, velocity: &mut f64, gain: &mut f64, slope: f64, rate: f64, momentum: f64) {
    *gain = if (slope > 0.0) == (*velocity > 0.0) { (*gain * 0.8).max(0.01) } else { *gain + 0.2 };
    *velocity = momentum * *velocity - rate * *gain * slope;
    *place += *velocity;
}

fn centre(points: &mut [(f64, f64)]) {
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |sum, p| (sum.0 + p.0 / count, sum.1 + p.1 / count));
    points.iter_mut().for_each(|p| *p = (p.0 - x, p.1 - y));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `groups` clusters of `each` points, each cluster around an axis of its own in 8 dimensions.
    fn clusters(groups: usize, each: usize) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        (0..groups * each)
            .flat_map(|i| (0..8).map(move |axis| f32::from(u8::from(axis == i / each))).collect::<Vec<_>>())
            .map(|centre| centre + 0.2 * (rng.random::<f32>() - 0.5))
            .collect()
    }

    fn square(a: (f64, f64), b: (f64, f64)) -> f64 {
        (a.0 - b.0).powi(2) + (a.1 - b.1).powi(2)
    }

    #[test]
    fn clusters_that_two_components_cannot_separate_lie_apart() {
        let (groups, each) = (6, 15);
        let vectors = clusters(groups, each);
        let errors = |points: &[(f64, f64)]| {
            let nearest = |i: usize| {
                (0..points.len())
                    .filter(|&j| j != i)
                    .min_by(|&a, &b| square(points[i], points[a]).total_cmp(&square(points[i], points[b])))
            };
            (0..points.len()).filter(|&i| nearest(i).map(|j| j / each) != Some(i / each)).count()
        };
        assert_eq!(errors(&tsne(&vectors, 8, 1)), 0);
        assert!(errors(&project(&vectors, 8)) > 0, "else the test shows nothing");
    }

    #[test]
    fn the_seed_decides_and_equal_embeddings_are_no_trouble() {
        let vectors = clusters(3, 5);
        assert_eq!(tsne(&vectors, 8, 1), tsne(&vectors, 8, 1));
        assert_ne!(tsne(&vectors, 8, 1), tsne(&vectors, 8, 2));
        for count in 0..12 {
            let points = tsne(&vec![0.5; count * 3], 3, 1);
            assert_eq!(points.len(), count);
            assert!(points.iter().all(|p| p.0.is_finite() && p.1.is_finite()));
        }
    }

    #[test]
    fn every_neighbourhood_has_the_perplexity() {
        let squares: Vec<f64> = (0..40).map(|i| f64::from(i) * 0.3).collect();
        let shares = neighbourhood(&squares, 0, 9.0);
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9 && shares[0] == 0.0);
        let entropy: f64 = shares.iter().filter(|&&p| p > 0.0).map(|p| -p * p.ln()).sum();
        assert!((entropy.exp() - 9.0).abs() < 1e-3);
    }

    #[test]
    fn slopes_are_those_of_the_divergence() {
        let affinities = affinities(&clusters(2, 4), 8, 8);
        let points: Vec<(f64, f64)> = (0..8).map(|i| (f64::from(i * i % 5), f64::from(i * 3 % 7) * 0.4)).collect();
        let divergence = |points: &[(f64, f64)]| {
            let w = |i: usize, j: usize| 1.0 / (1.0 + square(points[i], points[j]));
            let pairs = || (0..8).flat_map(|i| (0..8).map(move |j| (i, j))).filter(|(i, j)| i != j);
            let z: f64 = pairs().map(|(i, j)| w(i, j)).sum();
            pairs().map(|(i, j)| affinities[i * 8 + j] * (affinities[i * 8 + j] / (w(i, j) / z)).ln()).sum::<f64>()
        };
        for (index, slope) in slopes(&points, &affinities, 1.0).into_iter().enumerate() {
            let moved = |step: f64| {
                let mut points = points.clone();
                points[index].0 += step;
                divergence(&points)
            };
            assert!((slope.0 - (moved(1e-5) - moved(-1e-5)) / 2e-5).abs() < 1e-5);
        }
    }
}
