//! Queries and a gallery as a file of embeddings, so that they can be ranked again, or come from another program.
//!
//! A safetensors file with six arrays: `query/vectors` and `gallery/vectors` (f32, `[n, dimension]`), and for each of the two
//! `…/identities` and `…/cameras` (i64, `[n]`). Identities count from 0; −1 is junk and −2 a distractor.

use super::{Embeddings, EvaluationError};
use crate::dataset::Identity;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use std::path::{Path, PathBuf};

const JUNK: i64 = -1;
const DISTRACTOR: i64 = -2;

/// Why a file of embeddings cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddingFileError {
    /// The file is not there, or the disk is full, …
    #[error("{}: the embeddings cannot be read or written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Truncated, or no safetensors file.
    #[error("{}: not a whole safetensors file ({reason}); `deja evaluate --save-embeddings` writes one", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What the reader says.
        reason: String,
    },
    /// An array is missing, or not what it should be.
    #[error("{}: the array `{array}` {problem}", path.display())]
    Array {
        /// The file.
        path: PathBuf,
        /// Which array.
        array: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The arrays do not make embeddings.
    #[error("{}: the arrays under `{part}/` do not make embeddings", path.display())]
    Embeddings {
        /// The file.
        path: PathBuf,
        /// `query` or `gallery`.
        part: &'static str,
        /// What is wrong.
        source: EvaluationError,
    },
}

/// Writes queries and gallery.
///
/// # Errors
/// [`EmbeddingFileError::Io`].
pub fn write_embeddings(path: &Path, queries: &Embeddings, gallery: &Embeddings) -> Result<(), EmbeddingFileError> {
    let io = |source| EmbeddingFileError::Io { path: path.to_owned(), source };
    let mut arrays: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
    for (part, embeddings) in [("query", queries), ("gallery", gallery)] {
        let vectors = embeddings.vectors().iter().flat_map(|value| value.to_le_bytes()).collect();
        let identities = embeddings.identities().iter().flat_map(|&identity| number(identity).to_le_bytes()).collect();
        let cameras = embeddings.cameras().iter().flat_map(|&camera| i64::from(camera).to_le_bytes()).collect();
        let count = embeddings.len();
        arrays.push((format!("{part}/vectors"), Dtype::F32, vec![count, embeddings.dimension()], vectors));
        arrays.push((format!("{part}/identities"), Dtype::I64, vec![count], identities));
        arrays.push((format!("{part}/cameras"), Dtype::I64, vec![count], cameras));
    }
    let views: Result<Vec<_>, _> = arrays
        .iter()
        .map(|(name, kind, shape, bytes)| Ok((name.as_str(), TensorView::new(*kind, shape.clone(), bytes)?)))
        .collect();
    let bytes = views.and_then(|views| serialize(views, None)).map_err(|error| io(std::io::Error::other(error)))?;
    std::fs::write(path, bytes).map_err(io)
}

/// Reads queries and gallery; vectors need not have unit length.
///
/// # Errors
/// [`EmbeddingFileError`].
pub fn read_embeddings(path: &Path) -> Result<(Embeddings, Embeddings), EmbeddingFileError> {
    let bytes = std::fs::read(path).map_err(|source| EmbeddingFileError::Io { path: path.to_owned(), source })?;
    let arrays = SafeTensors::deserialize(&bytes)
        .map_err(|error| EmbeddingFileError::Malformed { path: path.to_owned(), reason: error.to_string() })?;
    let file = File { path, arrays };
    Ok((file.embeddings("query")?, file.embeddings("gallery")?))
}

struct File<'a> {
    path: &'a Path,
    arrays: SafeTensors<'a>,
}

impl File<'_> {
    fn embeddings(&self, part: &'static str) -> Result<Embeddings, EmbeddingFileError> {
        let vectors = self.array(format!("{part}/vectors"), Dtype::F32, 2)?;
        let dimension = vectors.shape()[1];
        let values = vectors.data().as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        let name = format!("{part}/identities");
        let identities = self.integers(&name)?.into_iter().map(|value| match value {
            JUNK => Ok(Identity::Junk),
            DISTRACTOR => Ok(Identity::Distractor),
            known => usize::try_from(known).map(Identity::Known).map_err(|_| {
                self.wrong(&name, format!("holds {known}: identities count from 0, −1 is junk, −2 a distractor"))
            }),
        });
        let identities = identities.collect::<Result<_, _>>()?;
        let name = format!("{part}/cameras");
        let camera = |value: i64| {
            u32::try_from(value).map_err(|_| self.wrong(&name, format!("holds {value}: cameras count from 0")))
        };
        let cameras = self.integers(&name)?.into_iter().map(camera).collect::<Result<_, _>>()?;
        Embeddings::new(dimension, values, identities, cameras).map_err(|source| EmbeddingFileError::Embeddings {
            path: self.path.to_owned(),
            part,
            source,
        })
    }

    fn integers(&self, name: &str) -> Result<Vec<i64>, EmbeddingFileError> {
        let array = self.array(name.to_owned(), Dtype::I64, 1)?;
        Ok(array.data().as_chunks::<8>().0.iter().map(|&bytes| i64::from_le_bytes(bytes)).collect())
    }

    fn array(&self, name: String, kind: Dtype, axes: usize) -> Result<TensorView<'_>, EmbeddingFileError> {
        let view = self.arrays.tensor(&name).map_err(|_| self.wrong(&name, "is missing".into()))?;
        if view.dtype() == kind && view.shape().len() == axes {
            return Ok(view);
        }
        let (shape, of) = (view.shape(), view.dtype());
        Err(self.wrong(&name, format!("is {of:?} of shape {shape:?} where {kind:?} with {axes} axes is expected")))
    }

    fn wrong(&self, array: &str, problem: String) -> EmbeddingFileError {
        EmbeddingFileError::Array { path: self.path.to_owned(), array: array.to_owned(), problem }
    }
}

fn number(identity: Identity) -> i64 {
    match identity {
        Identity::Known(index) => index as i64,
        Identity::Junk => JUNK,
        Identity::Distractor => DISTRACTOR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> (Embeddings, Embeddings) {
        let queries = Embeddings::new(2, vec![1.0, 0.0], vec![Identity::Known(7)], vec![3]).unwrap();
        let who = vec![Identity::Known(7), Identity::Junk, Identity::Distractor];
        (queries, Embeddings::new(2, vec![0.0, 1.0, 1.0, 0.0, 0.0, 0.0], who, vec![1, 2, 4_000_000_000]).unwrap())
    }

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("embeddings.safetensors");
        let (queries, gallery) = some();
        write_embeddings(&path, &queries, &gallery).unwrap();
        assert_eq!(read_embeddings(&path).unwrap(), (queries, gallery));
    }

    #[test]
    fn damaged_files_are_named_with_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("embeddings.safetensors");
        assert!(matches!(read_embeddings(&path), Err(EmbeddingFileError::Io { .. })));
        let (queries, gallery) = some();
        write_embeddings(&path, &queries, &gallery).unwrap();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 9]).unwrap();
        assert!(matches!(read_embeddings(&path), Err(EmbeddingFileError::Malformed { .. })));
        let patched = |from: &str, to: &str| {
            let text = whole.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
            let mut bytes = whole.clone();
            bytes[text..text + to.len()].copy_from_slice(to.as_bytes());
            std::fs::write(&path, bytes).unwrap();
            read_embeddings(&path).unwrap_err().to_string()
        };
        let message = patched("gallery/cameras", "gallery/camerax");
        assert!(
            message.contains("embeddings.safetensors") && message.contains("`gallery/cameras` is missing"),
            "{message}"
        );
        let mut foreign = whole.clone();
        let at = whole.windows(8).rposition(|window| window == 7i64.to_le_bytes()).unwrap();
        foreign[at..at + 8].copy_from_slice(&(-5i64).to_le_bytes());
        std::fs::write(&path, foreign).unwrap();
        let message = read_embeddings(&path).unwrap_err().to_string();
        assert!(message.contains("identities") && message.contains("-5"), "{message}");
    }
}
