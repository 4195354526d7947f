//! What can be wrong with a data set, and what to do about it.

use super::Skipped;
use deja_firmware::image::ImageError;
use std::path::PathBuf;

/// The layouts [`super::open`] accepts, for error messages and help texts.
pub const LAYOUTS: &str = "  Market-1501:          DIR/bounding_box_train, DIR/query, DIR/bounding_box_test with names like 0002_c1s1_000451_03.jpg
  folder per identity:  DIR/IDENTITY/*.jpg, or DIR/{train,query,gallery}/IDENTITY/*.jpg
  manifest:             a .csv file, or DIR/manifest.csv, with the columns path,identity,camera,split
  built in:             synthetic, or synthetic:identities=200,cameras=4,images=4,seed=1";

/// Why a data set could not be opened, read or used.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// There is nothing at this path.
    #[error("{}: no such file or folder. A data set is one of:\n{LAYOUTS}", .0.display())]
    NotFound(PathBuf),
    /// Something is there, in no layout that is known.
    #[error("{}: this is no data set that deja knows. It reads:\n{LAYOUTS}", .0.display())]
    UnknownLayout(PathBuf),
    /// The layout fits, but a part of it holds no pictures.
    #[error("{}: no pictures here (.jpg, .jpeg, .png or .bmp); add some or name another folder", .0.display())]
    NoPictures(PathBuf),
    /// A file or folder could not be read at all.
    #[error("{}: cannot be read", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A picture's name in a Market-1501 folder does not say who and where.
    #[error(
        "{}: the name does not begin with identity and camera as in 0002_c1s1_000451_03.jpg; rename or remove it",
        .0.display()
    )]
    PictureName(PathBuf),
    /// The manifest is no well-formed CSV.
    #[error("{}: not a readable CSV file", path.display())]
    Csv {
        /// The manifest.
        path: PathBuf,
        /// What is wrong, with its line.
        source: csv::Error,
    },
    /// The manifest lacks a column.
    #[error("{}: the column `{column}` is missing; the first line must read path,identity,camera,split", path.display())]
    Column {
        /// The manifest.
        path: PathBuf,
        /// The missing column.
        column: &'static str,
    },
    /// A field of the manifest is not what its column takes.
    #[error("{}, line {line}: `{value}` is no {column}; give {expected}", path.display())]
    Field {
        /// The manifest.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// Its column.
        column: &'static str,
        /// What stands there.
        value: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// The description of a synthetic set is not understood.
    #[error("`{option}` in a synthetic data set: {expected}")]
    SyntheticOption {
        /// The part that is wrong.
        option: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// Too little to learn from.
    #[error(
        "{name}: {found} identities to train on, {usable} of them with two pictures or more; \
         learning to tell identities apart takes at least two such identities"
    )]
    TooFewIdentities {
        /// The data set.
        name: String,
        /// Identities with at least one picture.
        found: usize,
        /// Identities with at least two.
        usable: usize,
    },
    /// No query or no gallery pictures.
    #[error(
        "{name}: no query and gallery pictures to evaluate on; give a query and a gallery split, \
         or at least five identities with two pictures from different cameras each"
    )]
    NothingToEvaluate {
        /// The data set.
        name: String,
    },
    /// One picture could not be decoded.
    #[error("{}: not a readable picture", path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// What the decoder says.
        source: image::ImageError,
    },
    /// A picture could not be scaled.
    #[error("{}: cannot be scaled", path.display())]
    Scale {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ImageError,
    },
    /// A target size that no picture can have.
    #[error("pictures cannot be scaled to this size")]
    TargetSize(#[source] ImageError),
    /// So many pictures are unreadable that the set is probably damaged or incomplete.
    #[error(
        "{} of {total} pictures cannot be read, which is more than one in ten; the first is {}: {}. \
         Check that the set is complete",
        skipped.len(), skipped[0].path.display(), skipped[0].reason
    )]
    TooManyUnreadable {
        /// The unreadable ones, at least one.
        skipped: Vec<Skipped>,
        /// Pictures asked for.
        total: usize,
    },
    /// The user stopped the work.
    #[error("stopped while reading pictures")]
    Interrupted,
}
