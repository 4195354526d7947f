//! Named f32 arrays in a safetensors file, written in order and read with every check.

use super::CheckpointError;
use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView, serialize};
use std::collections::HashMap;
use std::path::Path;

/// Collects arrays.
#[derive(Debug, Default)]
pub struct Writer {
    arrays: Vec<Array>,
}

#[derive(Debug)]
struct Array {
    name: String,
    kind: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
    finite: bool,
}

impl Writer {
    /// Adds an array of f32.
    pub fn add(&mut self, name: String, shape: &[usize], values: &[f32]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let finite = values.iter().all(|value| value.is_finite());
        self.arrays.push(Array { name, kind: Dtype::F32, shape: shape.to_vec(), bytes, finite });
    }

    /// Adds one u64.
    pub fn add_counter(&mut self, name: &str, value: u64) {
        let bytes = value.to_le_bytes().to_vec();
        self.arrays.push(Array { name: name.into(), kind: Dtype::U64, shape: vec![1], bytes, finite: true });
    }

    /// Adds a list of u32.
    pub fn add_integers(&mut self, name: &str, values: &[u32]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.arrays.push(Array { name: name.into(), kind: Dtype::U32, shape: vec![values.len()], bytes, finite: true });
    }

    /// The first array with NaN or infinity in it.
    pub fn first_not_finite(&self) -> Option<String> {
        self.arrays.iter().find(|array| !array.finite).map(|array| array.name.clone())
    }

    /// The file's bytes, with one entry of metadata.
    pub fn finish(self, key: &str, metadata: String) -> Result<Vec<u8>, SafeTensorError> {
        let views: Vec<(&str, TensorView<'_>)> = self
            .arrays
            .iter()
            .map(|array| Ok((array.name.as_str(), TensorView::new(array.kind, array.shape.clone(), &array.bytes)?)))
            .collect::<Result<_, SafeTensorError>>()?;
        serialize(views, Some(HashMap::from([(key.to_owned(), metadata)])))
    }
}

/// Arrays of a file in memory.
#[derive(Debug)]
pub struct Reader<'a> {
    path: &'a Path,
    arrays: SafeTensors<'a>,
    metadata: HashMap<String, String>,
}

impl<'a> Reader<'a> {
    /// Reads the header and checks that the file is whole.
    pub fn new(path: &'a Path, bytes: &'a [u8]) -> Result<Self, CheckpointError> {
        let malformed =
            |error: SafeTensorError| CheckpointError::Malformed { path: path.to_owned(), reason: error.to_string() };
        let arrays = SafeTensors::deserialize(bytes).map_err(malformed)?;
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(malformed)?;
        Ok(Self { path, arrays, metadata: header.metadata().clone().unwrap_or_default() })
    }

    /// The metadata under `key`.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// Whether there is an array of this name.
    pub fn has(&self, name: &str) -> bool {
        self.arrays.tensor(name).is_ok()
    }

    /// The f32 array `name`, which must have this shape and be finite.
    pub fn read(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, CheckpointError> {
        let bytes = self.bytes(name, Dtype::F32, shape)?;
        let (chunks, _) = bytes.as_chunks::<4>();
        let values: Vec<f32> = chunks.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        if values.iter().all(|value| value.is_finite()) {
            return Ok(values);
        }
        Err(CheckpointError::NotFinite { path: self.path.to_owned(), tensor: name.to_owned() })
    }

    /// The counter `name`.
    pub fn read_counter(&self, name: &str) -> Result<u64, CheckpointError> {
        let bytes = self.bytes(name, Dtype::U64, &[1])?;
        Ok(bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    /// The list of `count` u32 `name`.
    pub fn read_integers(&self, name: &str, count: usize) -> Result<Vec<u32>, CheckpointError> {
        let (chunks, _) = self.bytes(name, Dtype::U32, &[count])?.as_chunks::<4>();
        Ok(chunks.iter().map(|&bytes| u32::from_le_bytes(bytes)).collect())
    }

    /// The error of an array that cannot be used.
    pub fn unfit(&self, name: &str, problem: String) -> CheckpointError {
        CheckpointError::Tensor { path: self.path.to_owned(), tensor: name.to_owned(), problem }
    }

    fn bytes(&self, name: &str, kind: Dtype, shape: &[usize]) -> Result<&'a [u8], CheckpointError> {
        let wrong = |problem: String| self.unfit(name, problem);
        let view = self.arrays.tensor(name).map_err(|_| wrong("is missing".into()))?;
        if view.dtype() != kind || view.shape() != shape {
            let (found, of) = (view.shape(), view.dtype());
            return Err(wrong(format!("is {of:?} of shape {found:?} where {kind:?} of shape {shape:?} is expected")));
        }
        Ok(view.data())
    }
}
