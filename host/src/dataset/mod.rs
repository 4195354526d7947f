//! Where pictures come from: one file per layout on disk, and a synthetic renderer.
//!
//! [`open`] finds out which layout it is given and lists the samples without reading a picture; [`load`] reads and
//! scales them with the camera's own [`deja_firmware::image::resize`]. Nothing outside this folder knows a layout.

mod builder;
mod error;
mod folders;
mod load;
mod manifest;
mod market1501;
mod open;
mod picture_list;
pub mod synthetic;

pub use error::{DatasetError, LAYOUTS};
pub use load::{Images, Skipped, load, picture};
pub use open::open;
pub use picture_list::PictureList;

use std::path::PathBuf;
use synthetic::Rendering;

/// A set of pictures of known identities, split for training and for evaluation.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// What to call it in tables: a folder's name, or the synthetic set's description.
    pub name: String,
    /// Names of the identities; [`Identity::Known`] indexes them. Those that occur in `train` come first, so that
    /// their indices are class labels `0..train_identities()`.
    pub identities: Vec<String>,
    /// Pictures to learn from.
    pub train: Vec<Sample>,
    /// Pictures to search for.
    pub query: Vec<Sample>,
    /// Pictures to search in.
    pub gallery: Vec<Sample>,
}

/// One picture and what is known about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Where its pixels come from.
    pub source: Source,
    /// Who it shows.
    pub identity: Identity,
    /// Which view it was taken from; only equality matters.
    pub camera: u32,
}

/// Where a picture's pixels come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A JPEG, PNG or BMP file.
    File(PathBuf),
    /// Drawn on demand by [`synthetic`].
    Rendered(Rendering),
}

/// Who a picture shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Identity {
    /// A known identity: an index into [`Dataset::identities`].
    Known(usize),
    /// Somebody or something that is nobody's match: in a ranking it counts as wrong.
    Distractor,
    /// A useless crop: rankings leave it out.
    Junk,
}

impl Identity {
    /// The index into [`Dataset::identities`], if known.
    pub fn known(self) -> Option<usize> {
        match self {
            Self::Known(index) => Some(index),
            Self::Distractor | Self::Junk => None,
        }
    }
}

impl Dataset {
    /// Number of identities that occur in `train`: the classes of a classifier. They are `Known(0..n)`.
    pub fn train_identities(&self) -> usize {
        self.train.iter().filter_map(|sample| sample.identity.known()).max().map_or(0, |last| last + 1)
    }

    /// Whether there is something to learn from: at least two identities with two pictures each.
    ///
    /// # Errors
    /// [`DatasetError::TooFewIdentities`], which says what was found.
    pub fn check_trainable(&self) -> Result<(), DatasetError> {
        let mut counts = vec![0usize; self.identities.len()];
        for index in self.train.iter().filter_map(|sample| sample.identity.known()) {
            counts[index] += 1;
        }
        let usable = counts.iter().filter(|&&count| count >= 2).count();
        if usable >= 2 {
            return Ok(());
        }
        let found = counts.iter().filter(|&&count| count > 0).count();
        Err(DatasetError::TooFewIdentities { name: self.name.clone(), found, usable })
    }

    /// Whether there is something to evaluate on: queries, and a gallery to search.
    ///
    /// # Errors
    /// [`DatasetError::NothingToEvaluate`].
    pub fn check_evaluable(&self) -> Result<(), DatasetError> {
        if self.query.is_empty() || self.gallery.is_empty() {
            return Err(DatasetError::NothingToEvaluate { name: self.name.clone() });
        }
        Ok(())
    }
}
