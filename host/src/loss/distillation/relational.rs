//! Terms that compare how embeddings lie among one another: pairwise cosines, pairwise distances, angles of triples.
//!
//! Each gets unit rows x of the student and t of the teacher and gives its value and ∂value/∂x.

use super::Rows;
use crate::loss::normalize::Normalized;
use crate::mining::Distances;
use rayon::prelude::*;

/// Vertices whose angles are summed in one go: partial sums are added in a fixed order, whatever the number of threads.
const VERTICES: usize = 8;

impl<'a> Rows<'a> {
    fn count(&self) -> usize {
        self.values.len() / self.dimension.max(1)
    }

    fn row(&self, index: usize) -> &'a [f32] {
        &self.values[index * self.dimension..][..self.dimension]
    }

    /// All B² products xᵢ·xⱼ.
    fn products(&self) -> Vec<f32> {
        let count = self.count();
        let mut products = vec![0.0; count * count];
        products.par_chunks_mut(count.max(1)).enumerate().for_each(|(i, out)| {
            out.iter_mut().enumerate().for_each(|(j, out)| *out = dot(self.row(i), self.row(j)));
        });
        products
    }
}

/// (1/N) Σ_{i≠j} (xᵢ·xⱼ − tᵢ·tⱼ)² over the N = B(B−1) pairs; ∂/∂xᵢ = (4/N) Σⱼ (xᵢ·xⱼ − tᵢ·tⱼ) xⱼ.
pub(super) fn similarity(x: Rows<'_>, t: Rows<'_>) -> (f32, Vec<f32>) {
    let count = x.count();
    let pairs = (count * count.saturating_sub(1)).max(1) as f32;
    let mut errors = x.products();
    errors.iter_mut().zip(t.products()).for_each(|(error, goal)| *error -= goal);
    (0..count).for_each(|i| errors[i * count + i] = 0.0);
    let value = errors.iter().map(|&error| f64::from(error) * f64::from(error)).sum::<f64>() as f32 / pairs;
    let mut gradient = mix(&errors, x);
    gradient.iter_mut().for_each(|g| *g *= 4.0 / pairs);
    (value, gradient)
}

/// (1/N) Σ_{i≠j} h(dᵢⱼ/μ − d′ᵢⱼ/μ′), with μ = (1/N) Σ_{i≠j} dᵢⱼ and h(e) = e²/2 within ±1, |e| − ½ beyond.
///
/// ∂/∂dᵢⱼ = (h′ᵢⱼ/μ − Σ h′·d/(N·μ²))/N: the mean moves too. Where all rows coincide, distances stay at 0 and there is no
/// gradient.
pub(super) fn distance(x: Rows<'_>, t: Rows<'_>) -> (f32, Vec<f32>) {
    let count = x.count();
    let pairs = (count * count.saturating_sub(1)).max(1) as f32;
    let (distances, mean) = relative(x, pairs);
    let (goal, _) = relative(t, pairs);
    let (mut value, mut pull) = (0.0f64, 0.0f64);
    let mut slopes = vec![0.0; distances.len()];
    for ((slope, d), goal) in slopes.iter_mut().zip(&distances).zip(&goal) {
        let (charge, steepness) = huber(d - goal);
        value += f64::from(charge);
        pull += f64::from(steepness * d);
        *slope = steepness;
    }
    let shift = (pull / f64::from(pairs)) as f32;
    // ∂d/∂xᵢ = (xᵢ − xⱼ)/d, each pair twice: Σⱼ f (xᵢ − xⱼ) = (Σⱼ f) xᵢ − Σⱼ f xⱼ.
    for (slope, d) in slopes.iter_mut().zip(&distances) {
        *slope = if *d > 0.0 { -2.0 * (*slope - shift) / (pairs * mean * mean * d) } else { 0.0 };
    }
    let mut gradient = mix(&slopes, x);
    for (i, row) in gradient.chunks_exact_mut(x.dimension.max(1)).enumerate() {
        let sum: f32 = slopes[i * count..(i + 1) * count].iter().sum();
        row.iter_mut().zip(x.row(i)).for_each(|(g, x)| *g -= sum * x);
    }
    ((value / f64::from(pairs)) as f32, gradient)
}

/// (1/N) Σ h(eᵢⱼ·eₖⱼ − e′ᵢⱼ·e′ₖⱼ) over the N = B(B−1)(B−2) triples of different rows, eᵢⱼ = (xᵢ − xⱼ)/‖xᵢ − xⱼ‖.
pub(super) fn angle(x: Rows<'_>, t: Rows<'_>) -> (f32, Vec<f32>) {
    let count = x.count();
    let triples = (count * count.saturating_sub(1) * count.saturating_sub(2)).max(1) as f32;
    let vertices: Vec<usize> = (0..count).collect();
    let parts: Vec<(f64, Vec<f32>)> = vertices
        .par_chunks(VERTICES)
        .map(|vertices| {
            let mut gradient = vec![0.0; x.values.len()];
            let value = vertices.iter().map(|&vertex| angles_at(vertex, x, t, triples, &mut gradient)).sum();
            (value, gradient)
        })
        .collect();
    let mut gradient = vec![0.0; x.values.len()];
    for (_, part) in &parts {
        gradient.iter_mut().zip(part).for_each(|(sum, g)| *sum += g);
    }
    let value: f64 = parts.iter().map(|(value, _)| value).sum();
    ((value / f64::from(triples)) as f32, gradient)
}

/// The sum of the charges of all angles at one vertex; its gradient, divided by `triples`, is added to `gradient`.
fn angles_at(vertex: usize, x: Rows<'_>, t: Rows<'_>, triples: f32, gradient: &mut [f32]) -> f64 {
    let count = x.count();
    let (rays, goal) = (rays(vertex, x), rays(vertex, t));
    let [ray_rows, goal_rows] =
        [(&rays, x), (&goal, t)].map(|(rays, of)| Rows { values: &rays.rows, dimension: of.dimension });
    let mut value = 0.0;
    let mut slopes = vec![0.0; count * count];
    for i in 0..count {
        for k in 0..i {
            let error = dot(ray_rows.row(i), ray_rows.row(k)) - dot(goal_rows.row(i), goal_rows.row(k));
            let (charge, slope) = huber(error);
            value += 2.0 * f64::from(charge);
            slopes[i * count + k] = 2.0 * slope / triples;
            slopes[k * count + i] = 2.0 * slope / triples;
        }
    }
    let mut by_ray = mix_serially(&slopes, ray_rows);
    rays.backward(&mut by_ray);
    let dimension = x.dimension.max(1);
    for (i, by_ray) in by_ray.chunks_exact(dimension).enumerate() {
        for (component, g) in by_ray.iter().enumerate() {
            gradient[i * dimension + component] += g;
            gradient[vertex * dimension + component] -= g;
        }
    }
    value
}

/// The unit vectors from row `vertex` to every row; zero to itself.
fn rays(vertex: usize, x: Rows<'_>) -> Normalized {
    let origin = x.row(vertex);
    let differences = x.values.chunks_exact(x.dimension.max(1));
    let differences: Vec<f32> = differences.flat_map(|row| row.iter().zip(origin).map(|(x, o)| x - o)).collect();
    Normalized::new(&differences, x.dimension)
}

/// All distances by their mean over different rows, and that mean; zeros where all coincide.
fn relative(x: Rows<'_>, pairs: f32) -> (Vec<f32>, f32) {
    let distances = Distances::new(x.values, x.dimension);
    let mut values: Vec<f32> = (0..distances.anchors()).flat_map(|i| distances.row(i).to_vec()).collect();
    let mean = (values.iter().copied().map(f64::from).sum::<f64>() / f64::from(pairs)) as f32;
    if mean > 0.0 {
        values.iter_mut().for_each(|d| *d /= mean);
    }
    (values, mean)
}

/// Row i: Σⱼ factors[i,j]·xⱼ.
fn mix(factors: &[f32], x: Rows<'_>) -> Vec<f32> {
    let mut mixed = vec![0.0; x.values.len()];
    let factors = factors.par_chunks(x.count().max(1));
    mixed.par_chunks_mut(x.dimension.max(1)).zip(factors).for_each(|(out, factors)| mix_row(out, factors, x));
    mixed
}

fn mix_serially(factors: &[f32], x: Rows<'_>) -> Vec<f32> {
    let mut mixed = vec![0.0; x.values.len()];
    let factors = factors.chunks_exact(x.count().max(1));
    mixed.chunks_exact_mut(x.dimension.max(1)).zip(factors).for_each(|(out, factors)| mix_row(out, factors, x));
    mixed
}

fn mix_row(out: &mut [f32], factors: &[f32], x: Rows<'_>) {
    for (row, factor) in x.values.chunks_exact(x.dimension.max(1)).zip(factors) {
        out.iter_mut().zip(row).for_each(|(out, x)| *out += factor * x);
    }
}

/// h and h′ at an error: quadratic within ±1, linear beyond.
fn huber(error: f32) -> (f32, f32) {
    let charge = if error.abs() <= 1.0 { 0.5 * error * error } else { error.abs() - 0.5 };
    (charge, error.clamp(-1.0, 1.0))
}

/// a·b in eight lanes, so that it vectorizes.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut lanes = [0.0f32; 8];
    for (a, b) in a.iter().zip(b) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += a * b;
        }
    }
    lanes.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}
