//! A teacher's embeddings of the training pictures: from a model, run once before training, or from a file of them.
//!
//! A run that distils leaves them in its folder as [`TEACHER`] (`table`): resuming reads that file, and other runs can name
//! it as their teacher. `embed` runs the model on the pictures as they are, at the teacher's own input size.

mod embed;
mod error;
mod table;

#[cfg(test)]
mod tests;

pub use error::TeacherError;

use super::material::Material;
use crate::hexadecimal::hexadecimal;
use crate::loss::distillation::DistillationSettings;
use crate::progress::Progress;
use sha2::{Digest, Sha256};
use std::path::Path;
use table::Table;

/// File of a run with what its teacher said.
pub const TEACHER: &str = "teacher.safetensors";

/// A teacher's embedding of each picture of [`Material::train`], un-augmented.
#[derive(Debug, Clone, PartialEq)]
pub struct Teacher {
    /// Components of an embedding.
    pub dimension: usize,
    /// `[pictures, dimension]`, in the order of [`Material::train`].
    embeddings: Vec<f32>,
}

impl Teacher {
    /// The teacher that `settings` name, for the pictures of the run in the folder `run`. Embeddings that an earlier start of
    /// the run left there are taken from there, even when the teacher itself is gone. Rows have unit length, before their mean is taken off where that is wanted.
    ///
    /// # Errors
    /// [`TeacherError`].
    pub fn open(
        settings: &DistillationSettings,
        material: &Material,
        run: &Path,
        progress: &dyn Progress,
    ) -> Result<Self, TeacherError> {
        let path = &settings.teacher;
        let pictures = material.train_names();
        let kept = run.join(TEACHER);
        let table = if kept.exists() {
            let table = Table::open(&kept)?;
            if fingerprint(path)?.is_some_and(|fingerprint| fingerprint != table.fingerprint()) {
                return Err(TeacherError::Changed { kept, teacher: path.clone() });
            }
            table.select(&pictures, &kept, &material.dataset)?
        } else {
            let bytes = std::fs::read(path).map_err(|source| TeacherError::Io { path: path.clone(), source })?;
            let table = match Table::read(path, &bytes)? {
                Some(table) => table.select(&pictures, path, &material.dataset)?,
                None => embed::embed(path, &bytes, (&material.samples, &pictures), progress)?,
            };
            let table = table.attributed_to(path, digest(&bytes));
            table.write(&kept)?;
            table
        };
        let (dimension, embeddings) = table.into_rows();
        let mut teacher = Self { dimension, embeddings };
        if settings.centre {
            teacher.centre();
        }
        Ok(teacher)
    }

    /// Rows of these pictures (indices into [`Material::train`]): `[pictures.len(), dimension]`.
    pub fn rows(&self, pictures: &[usize]) -> Vec<f32> {
        let row = |&picture: &usize| &self.embeddings[picture * self.dimension..][..self.dimension];
        pictures.iter().flat_map(row).copied().collect()
    }

    /// Takes the mean over all rows off each.
    fn centre(&mut self) {
        let rows = self.embeddings.chunks_exact(self.dimension.max(1));
        let count = rows.len().max(1) as f64;
        let mut mean = vec![0.0f64; self.dimension];
        rows.for_each(|row| mean.iter_mut().zip(row).for_each(|(mean, &x)| *mean += f64::from(x) / count));
        for row in self.embeddings.chunks_exact_mut(self.dimension.max(1)) {
            row.iter_mut().zip(&mean).for_each(|(x, mean)| *x = (f64::from(*x) - mean) as f32);
        }
    }
}

/// SHA-256 of the file at `path`, in hexadecimal; `None` when there is none.
fn fingerprint(path: &Path) -> Result<Option<String>, TeacherError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(digest(&bytes))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(TeacherError::Io { path: path.to_owned(), source }),
    }
}

fn digest(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}
