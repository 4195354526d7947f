//! A few embeddings of each class, from which samplers learn which classes are confused.

use super::Members;
use crate::loss::normalize::normalize;
use rand::Rng;

/// V embeddings of each of C classes.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassEmbeddings {
    /// V.
    pub views: usize,
    /// Components of each.
    pub dimension: usize,
    /// `[C, V, dimension]`, L2-normalized.
    pub values: Vec<f32>,
}

impl ClassEmbeddings {
    /// Which pictures to embed: V of each class that has any, from different cameras where there are, repeated where there
    /// are fewer. `[classes with pictures, V]`.
    pub fn pictures(members: &Members, views: usize, rng: &mut impl Rng) -> Vec<usize> {
        members.with_at_least(1).into_iter().flat_map(|class| members.draw(class, views, true, rng)).collect()
    }

    /// Of classes 0..`count`, from the embeddings of [`Self::pictures`] in their order, of any length; classes without
    /// pictures get zeros.
    ///
    /// # Shapes
    /// `embeddings`: `[classes with pictures, V, dimension]`.
    pub fn new(members: &Members, count: usize, views: usize, dimension: usize, mut embeddings: Vec<f32>) -> Self {
        embeddings.chunks_exact_mut(dimension.max(1)).for_each(|row| {
            normalize(row);
        });
        let mut rows = embeddings.chunks_exact((views * dimension).max(1));
        let mut values = vec![0.0; count * views * dimension];
        for (class, values) in values.chunks_exact_mut((views * dimension).max(1)).enumerate() {
            if members.of(class).is_some_and(|pictures| !pictures.is_empty())
                && let Some(embedded) = rows.next()
            {
                values.copy_from_slice(embedded);
            }
        }
        Self { views, dimension, values }
    }

    /// C.
    pub fn count(&self) -> usize {
        self.values.len() / (self.views * self.dimension).max(1)
    }

    /// The first two embeddings of a class, `[2, dimension]`.
    pub fn pair(&self, class: usize) -> &[f32] {
        &self.values[class * self.views * self.dimension..][..2 * self.dimension]
    }

    /// The center of each class, `[C, dimension]`: the mean of its embeddings, normalized.
    pub fn centers(&self) -> Vec<f32> {
        let mut centers = Vec::with_capacity(self.count() * self.dimension);
        for class in self.values.chunks_exact((self.views * self.dimension).max(1)) {
            let start = centers.len();
            centers.resize(start + self.dimension, 0.0);
            for view in class.chunks_exact(self.dimension) {
                centers[start..].iter_mut().zip(view).for_each(|(sum, x)| *sum += x);
            }
            normalize(&mut centers[start..]);
        }
        centers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn each_class_has_its_views_and_its_center() {
        // Class 1 has no picture, class 2 only one.
        let members = Members::new(&[0, 0, 2, 0], &[1, 1, 1, 2]);
        let pictures = ClassEmbeddings::pictures(&members, 2, &mut ChaCha8Rng::seed_from_u64(3));
        assert_eq!(pictures.len(), 4);
        assert!(pictures[..2].contains(&3), "the other camera's picture is among the two: {pictures:?}");
        assert_eq!(pictures[2..], [2, 2]);
        let embedded = vec![3.0, 0.0, 0.0, 0.5, -2.0, 0.0, -2.0, 0.0];
        let classes = ClassEmbeddings::new(&members, 4, 2, 2, embedded);
        assert_eq!(classes.count(), 4);
        assert_eq!(classes.pair(0), [1.0, 0.0, 0.0, 1.0]);
        assert_eq!((classes.pair(1), classes.pair(2)), (&[0.0; 4][..], &[-1.0, 0.0, -1.0, 0.0][..]));
        let half = 0.5f32.sqrt();
        let centers = classes.centers();
        assert!((centers[0] - half).abs() < 1e-6 && (centers[1] - half).abs() < 1e-6);
        assert_eq!(centers[2..], [0.0, 0.0, -1.0, 0.0, 0.0, 0.0]);
    }
}
