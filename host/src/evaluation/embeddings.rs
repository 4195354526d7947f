//! Embeddings with what is known about their pictures.

use super::{EmbeddingModel, EvaluationError};
use crate::dataset::{Identity, Images};
use crate::progress::Progress;

/// `len()` embeddings of unit length (or zero), each with its identity and camera.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    dimension: usize,
    vectors: Vec<f32>,
    identities: Vec<Identity>,
    cameras: Vec<u32>,
}

impl Embeddings {
    /// Takes `[n, dimension]` vectors and divides each by its length; a zero row stays zero and is like nothing.
    ///
    /// # Errors
    /// [`EvaluationError::Shape`] and [`EvaluationError::NotFinite`].
    pub fn new(
        dimension: usize,
        mut vectors: Vec<f32>,
        identities: Vec<Identity>,
        cameras: Vec<u32>,
    ) -> Result<Self, EvaluationError> {
        let rows = identities.len();
        if dimension == 0 || vectors.len() != rows * dimension || cameras.len() != rows {
            let (vectors, cameras) = (vectors.len(), cameras.len());
            return Err(EvaluationError::Shape { dimension, vectors, identities: rows, cameras });
        }
        for (row, vector) in vectors.chunks_exact_mut(dimension).enumerate() {
            let length = vector.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
            if !length.is_finite() {
                return Err(EvaluationError::NotFinite { row });
            }
            if length > 0.0 {
                vector.iter_mut().for_each(|v| *v = (f64::from(*v) / length) as f32);
            }
        }
        Ok(Self { dimension, vectors, identities, cameras })
    }

    /// Embeds pictures.
    ///
    /// # Errors
    /// [`EvaluationError::Model`], and those of [`Embeddings::new`] when the model's answer is malformed.
    pub fn of(
        model: &mut dyn EmbeddingModel,
        images: &Images,
        progress: &dyn Progress,
    ) -> Result<Self, EvaluationError> {
        let vectors = model.embed(&images.pixels, progress).map_err(EvaluationError::Model)?;
        Self::new(model.dimension(), vectors, images.identities.clone(), images.cameras.clone())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.identities.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.identities.is_empty()
    }

    /// Components of each.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// All of them, `[len(), dimension()]`.
    pub fn vectors(&self) -> &[f32] {
        &self.vectors
    }

    /// One of them.
    ///
    /// # Panics
    /// When `index ≥ len()`.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.vectors[index * self.dimension..][..self.dimension]
    }

    /// Whose they are.
    pub fn identities(&self) -> &[Identity] {
        &self.identities
    }

    /// Which view each picture was taken from.
    pub fn cameras(&self) -> &[u32] {
        &self.cameras
    }

    /// Those that satisfy a condition on their index, in order.
    pub fn filter(&self, keep: impl Fn(usize) -> bool) -> Self {
        let kept: Vec<usize> = (0..self.len()).filter(|&index| keep(index)).collect();
        Self {
            dimension: self.dimension,
            vectors: kept.iter().flat_map(|&index| self.row(index)).copied().collect(),
            identities: kept.iter().map(|&index| self.identities[index]).collect(),
            cameras: kept.iter().map(|&index| self.cameras[index]).collect(),
        }
    }

    /// The similarity of pairs from both, if both come from models of one dimension.
    pub(super) fn check_against(&self, gallery: &Self) -> Result<(), EvaluationError> {
        if self.dimension == gallery.dimension {
            return Ok(());
        }
        Err(EvaluationError::Dimensions { queries: self.dimension, gallery: gallery.dimension })
    }
}

#[cfg(test)]
impl Embeddings {
    /// Unit vectors in the plane: degrees, identity and camera of each.
    pub fn on_the_circle(entries: &[(f32, usize, u32)]) -> Self {
        let vectors = entries.iter().flat_map(|e| [e.0.to_radians().cos(), e.0.to_radians().sin()]).collect();
        let identities = entries.iter().map(|e| Identity::Known(e.1)).collect();
        Self::new(2, vectors, identities, entries.iter().map(|e| e.2).collect()).expect("finite rows of two")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_get_unit_length_and_zero_stays() {
        let who = vec![Identity::Known(0), Identity::Junk];
        let embeddings = Embeddings::new(2, vec![3.0, 4.0, 0.0, 0.0], who.clone(), vec![1, 2]).unwrap();
        assert_eq!(embeddings.vectors(), [0.6, 0.8, 0.0, 0.0]);
        assert_eq!(embeddings.filter(|index| index == 1).identities(), [Identity::Junk]);
        assert!(matches!(
            Embeddings::new(2, vec![1.0; 3], who.clone(), vec![1, 2]),
            Err(EvaluationError::Shape { vectors: 3, .. })
        ));
        assert!(matches!(
            Embeddings::new(2, vec![1.0, 1.0, f32::NAN, 1.0], who, vec![1, 2]),
            Err(EvaluationError::NotFinite { row: 1 })
        ));
    }
}
