//! Distillation: embeddings that agree with a teacher's, in direction (cosine) or among one another (relational).
//!
//! All terms look at L2-normalized embeddings, because those are what is compared afterwards. `relational` holds the terms
//! that compare pairs and triples, for which the two dimensions need not agree.

mod relational;

use super::normalize::Normalized;
use super::{Classifier, Learned, Loss, LossError, Outputs, Sizes, TermValue};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The settings of a recipe's `distillation`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DistillationSettings {
    /// Factor on the sum of the terms below.
    pub weight: f32,
    /// The teacher: an `.onnx` model, a checkpoint, or a `.safetensors` file of its embeddings of the training pictures.
    /// Empty until one is given.
    pub teacher: PathBuf,
    /// Whether the mean of the teacher's embeddings is taken off them first. Teachers that end in a ReLU give only positive
    /// components, so that all their cosines are large; embeddings behind a bottleneck-normalization neck are centred.
    pub centre: bool,
    /// Factor on 1 − cos to the teacher's embedding.
    pub cosine: f32,
    /// Factor on the squared difference of pairwise cosines.
    pub similarity: f32,
    /// Factor on RKD-D, the difference of pairwise distances.
    pub distance: f32,
    /// Factor on RKD-A, the difference of angles; it takes B³ products and is off by default.
    pub angle: f32,
}

impl Default for DistillationSettings {
    fn default() -> Self {
        let teacher = PathBuf::new();
        Self { weight: 1.0, teacher, centre: true, cosine: 1.0, similarity: 10.0, distance: 0.0, angle: 0.0 }
    }
}

/// B embeddings of the network that learns, or of its teacher.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// `[B, dimension]`, row-major.
    pub values: &'a [f32],
    /// Components of each.
    pub dimension: usize,
}

/// A relational term: unit rows of student and teacher → value and ∂value/∂(unit rows of the student).
type Term = fn(Rows<'_>, Rows<'_>) -> (f32, Vec<f32>);

/// What distillation says about a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Distillation {
    /// The sum of the terms by their factors, without `weight`.
    pub value: f32,
    /// ∂value/∂student, `[B, student.dimension]`.
    pub gradient: Vec<f32>,
    /// ∂value/∂projection, `[student.dimension, teacher.dimension]`, where there is one.
    pub projection: Option<Vec<f32>>,
}

impl DistillationSettings {
    /// Whether a projection has to be learned: for the cosine term, when dimensions differ.
    pub fn needs_projection(&self, student: usize, teacher: usize) -> bool {
        self.cosine > 0.0 && student != teacher
    }
}

impl Loss for DistillationSettings {
    fn weight(&self) -> f32 {
        self.weight
    }

    fn check(&self) -> Result<(), LossError> {
        let factors = [
            ("cosine", self.cosine),
            ("similarity", self.similarity),
            ("distance", self.distance),
            ("angle", self.angle),
        ];
        for (key, factor) in factors {
            LossError::unless_within(key, factor, (0.0, 1e6), "a factor from 0")?;
        }
        if factors.iter().all(|(_, factor)| *factor == 0.0) {
            let remedy = "give a factor above 0 to cosine, similarity, distance or angle";
            return Err(LossError::Contradiction { what: "nothing is distilled", remedy });
        }
        Ok(())
    }

    fn needs_positives(&self) -> bool {
        false
    }

    fn untrained(&self, sizes: Sizes, rng: &mut ChaCha8Rng) -> Learned {
        match sizes.teacher.filter(|&teacher| self.needs_projection(sizes.dimension, teacher)) {
            Some(teacher) => Learned::Projection(Classifier::new(sizes.dimension, teacher, rng)),
            None => Learned::Nothing,
        }
    }

    fn evaluate(&self, outputs: &Outputs<'_>, learned: &Learned) -> TermValue {
        let Some(teacher) = outputs.teacher else { return TermValue::default() };
        let projection = if let Learned::Projection(projection) = learned { Some(projection) } else { None };
        let student = Rows { values: outputs.neck.embeddings, dimension: outputs.neck.dimension };
        let loss = distillation(student, teacher, projection, self);
        let learned = loss.projection.unwrap_or_default();
        TermValue { value: loss.value, neck: loss.gradient, learned, ..TermValue::default() }
    }
}

/// The sum over the terms, each by its factor:
///
/// * cosine: (1/B) Σ 1 − cos(x·P, t), with a learned linear P (or none);
/// * similarity: the mean over pairs i ≠ j of (cos(xᵢ, xⱼ) − cos(tᵢ, tⱼ))² (after Tung, Mori 2019);
/// * distance: the mean over pairs i ≠ j of huber(d(xᵢ, xⱼ)/μ − d(tᵢ, tⱼ)/μ′), μ the mean distance (Park et al. 2019, §3.2.1);
/// * angle: the mean over triples of huber(cos∠xᵢxⱼxₖ − cos∠tᵢtⱼtₖ) (Park et al. 2019, §3.2.2).
///
/// A zero row has cosine 0 to everything and gets no gradient. Terms without a pair or a triple are 0.
///
/// # Shapes
/// `student` and `teacher`: as many rows; `projection`: `[student.dimension, teacher.dimension]`, needed for the cosine term
/// when these differ (without it the term is left out).
pub fn distillation(
    student: Rows<'_>,
    teacher: Rows<'_>,
    projection: Option<&Classifier>,
    settings: &DistillationSettings,
) -> Distillation {
    let goal = Normalized::new(teacher.values, teacher.dimension);
    let goal = Rows { values: &goal.rows, dimension: teacher.dimension };
    let mut all = Distillation { value: 0.0, gradient: vec![0.0; student.values.len()], projection: None };
    if settings.cosine > 0.0 {
        match projection {
            Some(projection) => all.add_projected(student, goal, projection, settings.cosine),
            None if student.dimension == teacher.dimension => {
                let (value, gradient) = cosine(student, goal);
                all.add(value, &gradient, settings.cosine);
            }
            None => {}
        }
    }
    let unit = Normalized::new(student.values, student.dimension);
    let rows = Rows { values: &unit.rows, dimension: student.dimension };
    let terms: [(f32, Term); 3] = [
        (settings.similarity, relational::similarity),
        (settings.distance, relational::distance),
        (settings.angle, relational::angle),
    ];
    for (factor, term) in terms.into_iter().filter(|(factor, _)| *factor > 0.0) {
        let (value, mut gradient) = term(rows, goal);
        unit.backward(&mut gradient);
        all.add(value, &gradient, factor);
    }
    all
}

impl Distillation {
    fn add(&mut self, value: f32, gradient: &[f32], factor: f32) {
        self.value += factor * value;
        self.gradient.iter_mut().zip(gradient).for_each(|(sum, g)| *sum += factor * g);
    }

    fn add_projected(&mut self, student: Rows<'_>, goal: Rows<'_>, projection: &Classifier, factor: f32) {
        let projected = projection.forward(student.values);
        let (value, gradient) = cosine(Rows { values: &projected, dimension: goal.dimension }, goal);
        let mut back = projection.backward(student.values, &gradient);
        self.add(value, &back.embeddings, factor);
        back.weights.iter_mut().for_each(|g| *g *= factor);
        self.projection = Some(back.weights);
    }
}

/// (1/B) Σ 1 − x̂·t, and its gradient with respect to x; `goal` has unit rows.
fn cosine(student: Rows<'_>, goal: Rows<'_>) -> (f32, Vec<f32>) {
    let unit = Normalized::new(student.values, student.dimension);
    let count = (student.values.len() / student.dimension.max(1)).max(1) as f32;
    let rows = unit.rows.chunks_exact(goal.dimension.max(1)).zip(goal.values.chunks_exact(goal.dimension.max(1)));
    let value: f32 = rows.map(|(x, t)| 1.0 - x.iter().zip(t).map(|(x, t)| x * t).sum::<f32>()).sum();
    let mut gradient: Vec<f32> = goal.values.iter().map(|t| -t / count).collect();
    unit.backward(&mut gradient);
    (value / count, gradient)
}

#[cfg(test)]
mod tests;
