//! The embedding as it is compared and stored: an int8 direction with its integer norm.

use core::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// The longest embedding a camera can hold.
pub const MAX_DIMENSION: usize = 256;

/// The components of an [`Embedding`].
pub type Components = heapless::Vec<i8, MAX_DIMENSION>;

/// A direction in embedding space: the largest component is ±127, so 8 bits are used whole.
///
/// Only the direction counts (cosine similarity), so the scale of the network's output is dropped when it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Components", into = "Components")]
pub struct Embedding {
    components: Components,
    norm: u32,
}

/// Why numbers do not make an [`Embedding`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmbeddingError {
    /// Every component is zero: there is no direction.
    Zero,
    /// More than [`MAX_DIMENSION`] components, or none.
    Dimension,
    /// Stored components whose largest is not ±127, or with a −128.
    NotNormalized,
}

impl core::fmt::Display for EmbeddingError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Zero => "every component is zero",
            Self::Dimension => "an embedding has 1 to 256 components",
            Self::NotNormalized => "the largest component is not ±127",
        })
    }
}

impl core::error::Error for EmbeddingError {}

impl Embedding {
    /// The direction of a network's raw output: `cᵢ = round(127·vᵢ / max|v|)`, ties away from zero.
    ///
    /// # Errors
    /// [`EmbeddingError::Zero`] and [`EmbeddingError::Dimension`].
    pub fn from_raw(raw: &[i16]) -> Result<Self, EmbeddingError> {
        let largest = raw.iter().map(|v| u32::from(v.unsigned_abs())).max().unwrap_or(0);
        if raw.is_empty() || raw.len() > MAX_DIMENSION {
            return Err(EmbeddingError::Dimension);
        }
        if largest == 0 {
            return Err(EmbeddingError::Zero);
        }
        let round = |v: &i16| {
            let magnitude = (u32::from(v.unsigned_abs()) * 254 + largest) / (2 * largest);
            // At most 127 by the choice of `largest`.
            let magnitude = magnitude as i8;
            if *v < 0 { -magnitude } else { magnitude }
        };
        let mut components = Components::new();
        for value in raw {
            components.push(round(value)).map_err(|_| EmbeddingError::Dimension)?;
        }
        Self::from_components(components)
    }

    /// Takes stored components back.
    ///
    /// # Errors
    /// When they are not what [`Embedding::from_raw`] makes.
    pub fn from_components(components: Components) -> Result<Self, EmbeddingError> {
        if components.is_empty() {
            return Err(EmbeddingError::Dimension);
        }
        match components.iter().map(|c| c.unsigned_abs()).max() {
            Some(0) => return Err(EmbeddingError::Zero),
            Some(127) => {}
            _ => return Err(EmbeddingError::NotNormalized),
        }
        let norm = components.iter().map(|&c| u32::from(c.unsigned_abs()).pow(2)).sum();
        Ok(Self { components, norm })
    }

    /// The components, each within ±127.
    pub fn components(&self) -> &[i8] {
        &self.components
    }

    /// Number of components.
    pub fn dimension(&self) -> usize {
        self.components.len()
    }

    /// The squared length, Σ cᵢ².
    pub fn norm(&self) -> u32 {
        self.norm
    }

    /// The cosine of the angle to another embedding, exactly. Components that the shorter one lacks count as zero.
    pub fn similarity(&self, other: &Self) -> Similarity {
        Similarity::new(dot(&self.components, &other.components), [self.norm, other.norm])
    }
}

impl TryFrom<Components> for Embedding {
    type Error = EmbeddingError;

    fn try_from(components: Components) -> Result<Self, EmbeddingError> {
        Self::from_components(components)
    }
}

impl From<Embedding> for Components {
    fn from(embedding: Embedding) -> Self {
        embedding.components
    }
}

/// Σ aᵢ·bᵢ; at most 256 · 127² < 2²².
fn dot(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum()
}

/// An exact cosine: `dot / √norms`. Ordered as the cosines are, without rounding.
#[derive(Debug, Clone, Copy)]
pub struct Similarity {
    dot: i32,
    norms: u64,
}

/// One in [`Similarity::to_q15`] and in every threshold.
pub const Q15_ONE: i16 = i16::MAX;

impl Similarity {
    /// Of two embeddings, from their dot product and their norms.
    pub fn new(dot: i32, norms: [u32; 2]) -> Self {
        Self { dot, norms: u64::from(norms[0]) * u64::from(norms[1]) }
    }

    /// The cosine as a fraction of 2¹⁵, rounded towards zero and held within ±32767. For people; decide with
    /// [`Similarity::reaches`].
    pub fn to_q15(self) -> i16 {
        let magnitude = Self { dot: self.dot.abs(), ..self };
        // Bit by bit, because a division of 128 bits takes more than a kilobyte of a microcontroller's program.
        let q15 = (0..15).rev().fold(0, |q15, bit| {
            let larger = q15 | 1 << bit;
            if magnitude.reaches(larger) { larger } else { q15 }
        });
        if self.dot < 0 { -q15 } else { q15 }
    }

    /// Whether the cosine is at least `threshold / 2¹⁵`, decided exactly.
    pub fn reaches(self, threshold: i16) -> bool {
        self >= Self { dot: i32::from(threshold), norms: 1 << 30 }
    }

    /// dot·|dot|·other.norms, whose order is that of the cosines; below 2⁸⁸.
    fn cross(self, other: Self) -> i128 {
        let square = i64::from(self.dot) * i64::from(self.dot.abs());
        i128::from(square) * i128::from(other.norms)
    }
}

impl PartialEq for Similarity {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Similarity {}

impl PartialOrd for Similarity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Similarity {
    // Not inlined, because products of 128 bits are long on a microcontroller.
    #[inline(never)]
    fn cmp(&self, other: &Self) -> Ordering {
        self.cross(*other).cmp(&other.cross(*self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn largest_component_becomes_127() {
        let embedding = Embedding::from_raw(&[10, -20, 5, 0]).unwrap();
        assert_eq!(embedding.components(), [64, -127, 32, 0]);
        assert_eq!(embedding.norm(), 64 * 64 + 127 * 127 + 32 * 32);
        assert_eq!(Embedding::from_raw(&[0, 0]), Err(EmbeddingError::Zero));
        assert_eq!(Embedding::from_raw(&[]), Err(EmbeddingError::Dimension));
        assert_eq!(Embedding::from_raw(&[1; 257]), Err(EmbeddingError::Dimension));
    }

    #[test]
    fn a_template_is_wholly_like_itself_and_unlike_its_opposite() {
        let a = Embedding::from_raw(&[100, -7, 3]).unwrap();
        let b = Embedding::from_raw(&[-100, 7, -3]).unwrap();
        assert_eq!(a.similarity(&a).to_q15(), 32_767);
        assert_eq!(a.similarity(&b).to_q15(), -32_767);
        assert!(a.similarity(&a).reaches(Q15_ONE));
        assert!(!a.similarity(&b).reaches(0));
    }

    proptest! {
        #[test]
        fn order_is_that_of_the_cosines(a in raw(), b in raw(), c in raw()) {
            let (a, b, c) = (embed(&a)?, embed(&b)?, embed(&c)?);
            let (ab, ac) = (a.similarity(&b), a.similarity(&c));
            let (x, y) = (cosine(&a, &b), cosine(&a, &c));
            prop_assert!((x - y).abs() < 1e-12 || ab.cmp(&ac) == x.total_cmp(&y));
            prop_assert!((f64::from(ab.to_q15()) / 32_768.0 - x).abs() < 2.0 / 32_768.0);
        }

        #[test]
        fn q15_is_the_root_rounded_down(dot in -4_129_024..=4_129_024i32, norms in 16_129 * 16_129..=4_129_024 * 4_129_024u64) {
            let square = (u128::from(dot.unsigned_abs()).pow(2) << 30) / u128::from(norms);
            let root = square.isqrt().min(32_767) as i16;
            prop_assert_eq!(Similarity { dot, norms }.to_q15(), if dot < 0 { -root } else { root });
        }

        #[test]
        fn threshold_is_exact(a in raw(), b in raw(), threshold: i16) {
            let (a, b) = (embed(&a)?, embed(&b)?);
            let exact = cosine(&a, &b) - f64::from(threshold) / 32_768.0;
            prop_assert!(exact.abs() < 1e-12 || a.similarity(&b).reaches(threshold) == (exact > 0.0));
        }
    }

    fn raw() -> impl Strategy<Value = [i16; 12]> {
        proptest::array::uniform12(-32_767..=32_767i16)
    }

    fn embed(raw: &[i16]) -> Result<Embedding, TestCaseError> {
        Embedding::from_raw(raw).map_err(|_| TestCaseError::reject("zero"))
    }

    fn cosine(a: &Embedding, b: &Embedding) -> f64 {
        f64::from(dot(a.components(), b.components())) / (f64::from(a.norm()) * f64::from(b.norm())).sqrt()
    }
}
