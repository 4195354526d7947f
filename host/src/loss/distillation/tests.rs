//! Values and gradients of distillation against plain sums in f64.

use super::super::check::{self, EdgeCase};
use super::*;

fn off() -> DistillationSettings {
    DistillationSettings { cosine: 0.0, similarity: 0.0, distance: 0.0, angle: 0.0, ..DistillationSettings::default() }
}

fn each_term() -> [DistillationSettings; 5] {
    [
        DistillationSettings { cosine: 2.0, ..off() },
        DistillationSettings { similarity: 10.0, ..off() },
        DistillationSettings { distance: 3.0, ..off() },
        DistillationSettings { angle: 5.0, ..off() },
        DistillationSettings { cosine: 1.0, similarity: 2.0, distance: 0.5, angle: 0.25, ..off() },
    ]
}

fn unit(x: &[f64], dimension: usize) -> Vec<Vec<f64>> {
    let row = |row: &[f64]| {
        let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
        row.iter().map(|x| if length > 0.0 { x / length } else { 0.0 }).collect()
    };
    x.chunks_exact(dimension).map(row).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn huber(error: f64) -> f64 {
    if error.abs() <= 1.0 { error * error / 2.0 } else { error.abs() - 0.5 }
}

fn mean(terms: Vec<f64>) -> f64 {
    terms.iter().sum::<f64>() / terms.len().max(1) as f64
}

fn project(x: &[f64], projection: Option<(&[f64], usize)>, dimension: usize) -> Vec<f64> {
    let Some((weights, goal)) = projection else { return x.to_vec() };
    let component = |row: &[f64], c: usize| (0..dimension).map(|k| row[k] * weights[k * goal + c]).sum::<f64>();
    x.chunks_exact(dimension).flat_map(|row| (0..goal).map(|c| component(row, c)).collect::<Vec<_>>()).collect()
}

/// The definitions, term by term and triple by triple.
fn plain(
    (x, dimension): (&[f64], usize),
    (t, goal): (&[f64], usize),
    projection: Option<&[f64]>,
    settings: &DistillationSettings,
) -> f64 {
    let (s, t) = (unit(x, dimension), unit(t, goal));
    let count = s.len();
    let pairs: Vec<(usize, usize)> =
        (0..count).flat_map(|i| (0..count).map(move |j| (i, j))).filter(|(i, j)| i != j).collect();
    let mut value = 0.0;
    if settings.cosine > 0.0 {
        let projected = unit(&project(x, projection.map(|weights| (weights, goal)), dimension), goal);
        value += f64::from(settings.cosine) * mean((0..count).map(|b| 1.0 - dot(&projected[b], &t[b])).collect());
    }
    let similar = |&(i, j): &(usize, usize)| (dot(&s[i], &s[j]) - dot(&t[i], &t[j])).powi(2);
    value += f64::from(settings.similarity) * mean(pairs.iter().map(similar).collect());
    let far =
        |x: &[Vec<f64>], i: usize, j: usize| x[i].iter().zip(&x[j]).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    let scaled = |x: &[Vec<f64>]| -> Vec<f64> {
        let distances: Vec<f64> = pairs.iter().map(|&(i, j)| far(x, i, j)).collect();
        let middle = mean(distances.clone());
        distances.iter().map(|d| if middle > 0.0 { d / middle } else { 0.0 }).collect()
    };
    let errors = scaled(&s).into_iter().zip(scaled(&t)).map(|(a, b)| huber(a - b)).collect();
    value += f64::from(settings.distance) * mean(errors);
    let ray = |x: &[Vec<f64>], i: usize, j: usize| {
        let length = far(x, i, j);
        x[i].iter().zip(&x[j]).map(|(a, b)| if length > 0.0 { (a - b) / length } else { 0.0 }).collect::<Vec<f64>>()
    };
    let cosine = |x: &[Vec<f64>], i, j, k| dot(&ray(x, i, j), &ray(x, k, j));
    let triples = pairs.iter().flat_map(|&(i, j)| (0..count).map(move |k| (i, j, k)));
    let triples = triples.filter(|&(i, j, k)| k != i && k != j);
    value
        + f64::from(settings.angle)
            * mean(triples.map(|(i, j, k)| huber(cosine(&s, i, j, k) - cosine(&t, i, j, k))).collect())
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

#[test]
fn every_term_equals_its_plain_twin_and_its_central_differences() {
    for settings in each_term() {
        for rows in [1usize, 2, 3, 11] {
            let case = EdgeCase::random(3, &vec![0; rows], 5);
            let teacher = EdgeCase::random(4, &vec![0; rows], 5).embeddings;
            let student = Rows { values: &case.embeddings, dimension: 5 };
            let got = distillation(student, Rows { values: &teacher, dimension: 5 }, None, &settings);
            let goal = wide(&teacher);
            check::value_and_gradient(&case, got.value, &got.gradient, |x| plain((x, 5), (&goal, 5), None, &settings));
            assert_eq!(got.projection, None);
        }
    }
}

#[test]
fn through_a_projection_both_gradients_equal_central_differences() {
    let settings = each_term()[4].clone();
    let case = EdgeCase::random(5, &[0; 6], 4);
    let teacher = EdgeCase::random(6, &[0; 6], 7).embeddings;
    let weights = EdgeCase::random(7, &[0; 4], 7).embeddings;
    let projection = Classifier { weights: weights.clone(), dimension: 4, identities: 7 };
    let student = Rows { values: &case.embeddings, dimension: 4 };
    let got = distillation(student, Rows { values: &teacher, dimension: 7 }, Some(&projection), &settings);
    let (x, goal, w) = (wide(&case.embeddings), wide(&teacher), wide(&weights));
    check::value_and_gradient(&case, got.value, &got.gradient, |x| plain((x, 4), (&goal, 7), Some(&w), &settings));
    let by_w = check::central_differences(|w| plain((&x, 4), (&goal, 7), Some(w), &settings), &w);
    check::gradients("projection", &got.projection.unwrap(), &by_w);
    assert!(settings.needs_projection(4, 7) && !settings.needs_projection(7, 7) && !off().needs_projection(4, 7));
}

#[test]
fn a_student_like_its_teacher_costs_nothing() {
    let teacher = EdgeCase::random(8, &[0; 9], 6).embeddings;
    let longer: Vec<f32> = teacher.iter().map(|x| 3.0 * x).collect();
    for settings in each_term() {
        let rows = |values| Rows { values, dimension: 6 };
        let got = distillation(rows(&longer), rows(&teacher), None, &settings);
        assert!(got.value.abs() < 1e-5 && got.gradient.iter().all(|g| g.abs() < 1e-5), "{got:?}");
    }
}

/// Relations do not change when the teacher's axes are permuted, directions do.
#[test]
fn relations_do_not_depend_on_the_axes() {
    let teacher = EdgeCase::random(8, &[0; 9], 6).embeddings;
    let turned: Vec<f32> = teacher.chunks_exact(6).flat_map(|row| row.iter().rev().copied()).collect();
    let rows = |values| Rows { values, dimension: 6 };
    let value = |settings: &DistillationSettings| distillation(rows(&turned), rows(&teacher), None, settings).value;
    let [cosine, similarity, distance, angle, _] = each_term();
    assert!(value(&cosine) > 0.5);
    assert!([similarity, distance, angle].iter().all(|settings| value(settings) < 1e-5));
}

#[test]
fn edge_cases_are_finite() {
    let teacher = EdgeCase::random(9, &[0; 4], 3).embeddings;
    let mut zero_row = EdgeCase::random(10, &[0; 4], 3).embeddings;
    zero_row[3..6].fill(0.0);
    let equal = [0.5, -0.25, 1.0].repeat(4);
    for settings in each_term() {
        for student in [&zero_row, &equal, &vec![0.0; 12]] {
            for teacher in [&teacher, &vec![0.0; 12]] {
                for rows in [0, 1, 4] {
                    let part = |values: &'_ Vec<f32>| values[..rows * 3].to_vec();
                    let (student, teacher) = (part(student), part(teacher));
                    let rows = |values| Rows { values, dimension: 3 };
                    let got = distillation(rows(&student), rows(&teacher), None, &settings);
                    assert!(got.value.is_finite() && got.gradient.iter().all(|g| g.is_finite()), "{got:?}");
                }
            }
        }
    }
}

#[test]
fn without_a_projection_for_other_dimensions_only_relations_count() {
    let student = EdgeCase::random(11, &[0; 5], 4).embeddings;
    let teacher = EdgeCase::random(12, &[0; 5], 7).embeddings;
    let (student, teacher) = (Rows { values: &student, dimension: 4 }, Rows { values: &teacher, dimension: 7 });
    let both = DistillationSettings { cosine: 1.0, similarity: 1.0, ..off() };
    let one = DistillationSettings { similarity: 1.0, ..off() };
    assert_eq!(distillation(student, teacher, None, &both), distillation(student, teacher, None, &one));
}
