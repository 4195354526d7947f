//! A `.deja` model on this computer, bit for bit as the camera computes it: with vector instructions or by its own code.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use deja_firmware::embedder::{self, EmbedError, GoldenError};
use deja_shared::embedding::Embedding;
use deja_shared::model::{Fingerprint, Model, ModelError};
use rayon::prelude::*;

use super::aligned_bytes::AlignedBytes;
use super::int8_engine::{Int8Engine, Scratch};
use crate::compute::int8::Int8Kernels;
use crate::evaluation::EmbeddingModel;
use crate::progress::Progress;

/// Least number of pictures for which a thread makes its memory.
const PICTURES: usize = 8;

/// A checked model in memory.
#[derive(Debug, Clone)]
pub struct Int8Model {
    bytes: AlignedBytes,
    fingerprint: Fingerprint,
    /// Made when the first picture comes; none inside where the processor has no fast kernels.
    engine: OnceLock<Option<Int8Engine>>,
}

/// Why a model cannot be opened or pictures cannot be embedded.
#[derive(Debug, thiserror::Error)]
pub enum Int8Error {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not a model that this program runs.
    #[error("{path} is not a usable .deja model; write it again with `deja quantize`")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ModelError,
    },
    /// The bytes are not whole pictures.
    #[error("{bytes} bytes are not whole pictures of {picture} bytes; resize the pictures to the model's input")]
    NotWholePictures {
        /// Bytes given.
        bytes: usize,
        /// Bytes of a picture.
        picture: usize,
    },
    /// What the camera's code reports.
    #[error("the camera's code cannot embed a picture")]
    Embed(#[from] EmbedError),
    /// The caller asked to stop.
    #[error("interrupted before all pictures were embedded")]
    Interrupted,
}

impl Int8Model {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`Int8Error::Read`] and [`Int8Error::Invalid`].
    pub fn open(path: &Path) -> Result<Self, Int8Error> {
        let bytes = AlignedBytes::read(path).map_err(|source| Int8Error::Read { path: path.into(), source })?;
        Self::from_bytes(bytes).map_err(|source| Int8Error::Invalid { path: path.into(), source })
    }

    /// Checks bytes.
    ///
    /// # Errors
    /// What [`Model::parse`] finds.
    pub fn from_bytes(bytes: AlignedBytes) -> Result<Self, ModelError> {
        let fingerprint = Model::parse(&bytes)?.header().fingerprint;
        Ok(Self { bytes, fingerprint, engine: OnceLock::new() })
    }

    /// The model's content.
    ///
    /// # Panics
    /// Never: the bytes were checked when they came, and have not changed since.
    pub fn model(&self) -> Model<'_> {
        Model::reopen(&self.bytes, &self.fingerprint).expect("the bytes were checked by `from_bytes`")
    }

    /// Whether this computer computes, for every golden picture in the model, exactly the embedding that stands beside it.
    ///
    /// # Errors
    /// The first pair that does not come out.
    pub fn check_golden(&self) -> Result<(), GoldenError> {
        embedder::check_golden(&self.model(), &mut arena(&self.model()))
    }

    /// What the camera computes for each picture of `pixels` (`[n, height, width, 3]` RGB bytes), in parallel; `None` for
    /// a picture in which the network sees nothing.
    ///
    /// # Errors
    /// Not whole pictures, or an interruption.
    pub fn embeddings(&self, pixels: &[u8], progress: &dyn Progress) -> Result<Vec<Option<Embedding>>, Int8Error> {
        let model = self.model();
        // At most 3 · 2³², but the model's arena holds one, so it fits in memory.
        let picture = model.header().picture_bytes() as usize;
        if !pixels.len().is_multiple_of(picture) {
            return Err(Int8Error::NotWholePictures { bytes: pixels.len(), picture });
        }
        progress.start("embed (int8)", (pixels.len() / picture) as u64);
        let engine = self.engine(&model);
        let memory = || match engine {
            Some(engine) => Memory::Engine(engine, Scratch::new(engine)),
            None => Memory::Arena(arena(&model)),
        };
        let embed = |memory: &mut Memory<'_>, picture: &[u8]| {
            if progress.interrupted() {
                return Err(Int8Error::Interrupted);
            }
            let result = match memory {
                Memory::Engine(engine, scratch) => engine.embed(&model, picture, scratch),
                Memory::Arena(arena) => embedder::embed(&model, picture, arena),
            };
            progress.advance(1);
            match result {
                Ok(embedding) => Ok(Some(embedding)),
                Err(EmbedError::Blank) => Ok(None),
                Err(error) => Err(error.into()),
            }
        };
        let embeddings = pixels.par_chunks_exact(picture).with_min_len(PICTURES).map_init(memory, embed).collect();
        progress.finish();
        embeddings
    }

    /// What computes: the name of a table of kernels, or `scalar` for the camera's own code.
    pub fn kernels(&self) -> &'static str {
        self.engine(&self.model()).map_or("scalar", Int8Engine::kernels)
    }

    fn engine(&self, model: &Model<'_>) -> Option<&Int8Engine> {
        let made = self.engine.get_or_init(|| Int8Kernels::best().map(|kernels| Int8Engine::new(model, kernels)));
        made.as_ref()
    }
}

/// What one thread works with.
enum Memory<'a> {
    Engine(&'a Int8Engine, Scratch),
    Arena(Vec<i8>),
}

impl EmbeddingModel for Int8Model {
    fn input(&self) -> [usize; 2] {
        let model = self.model();
        [model.header().input_height.into(), model.header().input_width.into()]
    }

    fn dimension(&self) -> usize {
        self.model().header().dimension.into()
    }

    fn embed(
        &mut self,
        pixels: &[u8],
        progress: &dyn Progress,
    ) -> Result<Vec<f32>, Box<dyn std::error::Error + Send + Sync>> {
        let dimension = self.dimension();
        let rows = self.embeddings(pixels, progress)?.into_iter().flat_map(|embedding| match embedding {
            Some(embedding) => unit(&embedding),
            None => vec![0.0; dimension],
        });
        Ok(rows.collect())
    }
}

/// The direction as floats of length 1.
pub(super) fn unit(embedding: &Embedding) -> Vec<f32> {
    let length = f64::from(embedding.norm()).sqrt();
    embedding.components().iter().map(|&c| (f64::from(c) / length) as f32).collect()
}

/// Activation memory for a model.
pub(super) fn arena(model: &Model<'_>) -> Vec<i8> {
    vec![0; model.header().arena_bytes as usize]
}
