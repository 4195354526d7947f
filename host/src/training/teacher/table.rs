//! Embeddings by picture, as a file.
//!
//! Safetensors: `embeddings` `[n, dimension]`, f32, and the metadata entry [`KEY`], whose JSON lists the n pictures in order
//! as paths below the folder that they share, so that a data set may move.

use super::super::tensors::{Reader, Writer};
use super::super::{CheckpointError, atomic};
use super::TeacherError;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

/// The metadata entry that makes a safetensors file one of embeddings.
const KEY: &str = "deja-embeddings";
/// Version of the file.
const VERSION: u32 = 1;

/// Embeddings by picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    header: Header,
    /// `[n, dimension]`
    embeddings: Vec<f32>,
}

/// What the file says about its rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    version: u32,
    /// The file that they come from: a model, or another file of embeddings.
    source: String,
    /// SHA-256 of that file, in hexadecimal.
    fingerprint: String,
    dimension: usize,
    /// One a row.
    pictures: Vec<String>,
}

impl Table {
    /// `embeddings` `[pictures.len(), dimension]`.
    pub fn new(dimension: usize, pictures: Vec<String>, embeddings: Vec<f32>) -> Self {
        let (source, fingerprint) = (String::new(), String::new());
        Self { header: Header { version: VERSION, source, fingerprint, dimension, pictures }, embeddings }
    }

    /// The same, as what the file at `path` gave.
    pub fn attributed_to(mut self, path: &Path, fingerprint: String) -> Self {
        self.header.source = path.display().to_string();
        self.header.fingerprint = fingerprint;
        self
    }

    /// SHA-256 of the file that the rows come from.
    pub fn fingerprint(&self) -> &str {
        &self.header.fingerprint
    }

    /// Dimension and rows.
    pub fn into_rows(self) -> (usize, Vec<f32>) {
        (self.header.dimension, self.embeddings)
    }

    /// Reads a file of embeddings.
    pub fn open(path: &Path) -> Result<Self, TeacherError> {
        let bytes = std::fs::read(path).map_err(|source| TeacherError::Io { path: path.to_owned(), source })?;
        Self::read(path, &bytes)?.ok_or_else(|| TeacherError::Unknown(path.to_owned()))
    }

    /// Reads the content of the file at `path`; `None` when it is something else than embeddings.
    pub fn read(path: &Path, bytes: &[u8]) -> Result<Option<Self>, TeacherError> {
        if path.extension().is_none_or(|ending| ending != "safetensors") {
            return Ok(None);
        }
        let reader = Reader::new(path, bytes)?;
        let Some(text) = reader.metadata(KEY) else { return Ok(None) };
        let malformed = |reason| CheckpointError::Malformed { path: path.to_owned(), reason };
        let header: Header = serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
        if header.version != VERSION {
            return Err(malformed(format!("embeddings of version {}, not {VERSION}", header.version)).into());
        }
        let embeddings = reader.read("embeddings", &[header.pictures.len(), header.dimension])?;
        Ok(Some(Self { header, embeddings }))
    }

    /// Writes the file whole or not at all.
    pub fn write(&self, path: &Path) -> Result<(), TeacherError> {
        let io = |source| TeacherError::Io { path: path.to_owned(), source };
        let mut writer = Writer::default();
        writer.add("embeddings".into(), &[self.header.pictures.len(), self.header.dimension], &self.embeddings);
        let header = serde_json::to_string(&self.header).map_err(|error| io(error.into()))?;
        let bytes = writer.finish(KEY, header).map_err(|error| io(std::io::Error::other(error)))?;
        atomic::write(path, &bytes).map_err(io)
    }

    /// The rows of `pictures`, in their order; `path` and `dataset` are for the message.
    pub fn select(self, pictures: &[String], path: &Path, dataset: &str) -> Result<Self, TeacherError> {
        if self.header.pictures == pictures {
            return Ok(self);
        }
        let known: HashMap<&str, usize> = self.header.pictures.iter().map(String::as_str).zip(0..).collect();
        let dimension = self.header.dimension;
        let mut embeddings = Vec::with_capacity(pictures.len() * dimension);
        for picture in pictures {
            let Some(&row) = known.get(picture.as_str()) else {
                return Err(TeacherError::OtherPictures {
                    path: path.to_owned(),
                    known: known.len(),
                    picture: picture.clone(),
                    dataset: dataset.to_owned(),
                });
            };
            embeddings.extend_from_slice(&self.embeddings[row * dimension..][..dimension]);
        }
        Ok(Self { header: Header { pictures: pictures.to_vec(), ..self.header.clone() }, embeddings })
    }
}
