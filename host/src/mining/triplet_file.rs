//! The triplet file: what mining chose, in lines that a person and any program can read.
//!
//! The first line is the [`Header`] as a JSON object; each further line is a JSON object with the class and the names of
//! three pictures, as [`crate::dataset::PictureList`] names them:
//!
//! ```text
//! {"format":"deja-triplets","version":1,"checkpoint":"5e…","epoch":40,"dataset":"market1501","pictures":"a9…",…}
//! {"class":"semi_hard","anchor":"0002_c1s1_000451_03.jpg","positive":"0002_c2s1_000301_01.jpg","negative":"0007_c3s3_…jpg"}
//! ```

use super::{Counts, OfflineSettings, Triplet, TripletClass};
use crate::dataset::PictureList;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// What was mined, from what, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`TripletFile::FORMAT`].
    pub format: String,
    /// [`TripletFile::VERSION`].
    pub version: u32,
    /// Fingerprint of the weights that embedded the pictures.
    pub checkpoint: String,
    /// Epochs that they had been trained.
    pub epoch: u64,
    /// Name of the data set.
    pub dataset: String,
    /// Fingerprint of the list of its training pictures.
    pub pictures: String,
    /// How many of them were embedded.
    pub embedded: usize,
    /// Of the draw.
    pub seed: u64,
    /// Margin, quota and number of candidates.
    pub settings: OfflineSettings,
    /// All triplets of the embedded pictures by class.
    pub examined: Counts,
    /// Those in this file.
    pub chosen: Counts,
}

/// A triplet by its pictures' names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedTriplet {
    /// When it was mined.
    pub class: TripletClass,
    /// The anchor's picture.
    pub anchor: String,
    /// Another of its identity.
    pub positive: String,
    /// One of another identity.
    pub negative: String,
}

/// A triplet file in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct TripletFile {
    /// The first line.
    pub header: Header,
    /// The others.
    pub triplets: Vec<NamedTriplet>,
}

/// Why a triplet file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TripletFileError {
    /// The file is not there, or the disk is full, …
    #[error("{}: the triplet file cannot be read or written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Some other file.
    #[error("{}: no triplet file; `deja mine` writes those", .0.display())]
    Foreign(PathBuf),
    /// Of another version.
    #[error("{}: triplet file of version {found}, but this deja reads version {}; mine again", path.display(), TripletFile::VERSION)]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
    },
    /// A line that is none, or lines that are missing.
    #[error("{}, line {line}: {problem}; the file is damaged: copy it again or mine again", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// Mined from other pictures.
    #[error(
        "{}: was mined from the training pictures of `{mined}`, and those of `{given}` are others; give the data set it was mined \
         from, or mine again",
        path.display()
    )]
    OtherData {
        /// The file.
        path: PathBuf,
        /// Name of the data set it was mined from.
        mined: String,
        /// Name of the one given.
        given: String,
    },
    /// All triplets need pictures that are held out or could not be read.
    #[error(
        "{}: each of its {triplets} triplets has a picture that is held out for validation or could not be read; mine again from \
         a checkpoint of a run with the same seed and validation, or set validation = 0",
        path.display()
    )]
    NoneLeft {
        /// The file.
        path: PathBuf,
        /// How many it has.
        triplets: usize,
    },
}

/// The triplets of a file as rows of pictures in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Rows.
    pub triplets: Vec<Triplet>,
    /// How many were left out because a picture of theirs is not in memory.
    pub left_out: usize,
}

impl TripletFile {
    /// Of the format.
    pub const VERSION: u32 = 1;
    /// What every header says.
    pub const FORMAT: &'static str = "deja-triplets";

    /// The file's bytes.
    ///
    /// # Errors
    /// None in practice: names and numbers can always be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec(&self.header)?;
        for triplet in &self.triplets {
            bytes.push(b'\n');
            serde_json::to_writer(&mut bytes, triplet)?;
        }
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads the bytes of the file at `path`, which errors name.
    ///
    /// # Errors
    /// [`TripletFileError::Foreign`], [`TripletFileError::Version`], [`TripletFileError::Malformed`].
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, TripletFileError> {
        let foreign = || TripletFileError::Foreign(path.to_owned());
        let malformed =
            |line, problem: String| TripletFileError::Malformed { path: path.to_owned(), line: line + 1, problem };
        let text = std::str::from_utf8(bytes).map_err(|_| foreign())?;
        let mut lines = text.lines().enumerate();
        let (_, first) = lines.next().ok_or_else(foreign)?;
        let value: serde_json::Value = serde_json::from_str(first).map_err(|_| foreign())?;
        if value.get("format").and_then(serde_json::Value::as_str) != Some(Self::FORMAT) {
            return Err(foreign());
        }
        let found = value.get("version").and_then(serde_json::Value::as_u64).unwrap_or(0);
        if found != u64::from(Self::VERSION) {
            return Err(TripletFileError::Version { path: path.to_owned(), found });
        }
        let header: Header = serde_json::from_value(value).map_err(|error| malformed(0, error.to_string()))?;
        let triplets: Vec<NamedTriplet> = lines
            .map(|(line, text)| serde_json::from_str(text).map_err(|error| malformed(line, error.to_string())))
            .collect::<Result<_, _>>()?;
        let promised = header.chosen.total();
        if triplets.len() as u64 != promised {
            let problem = format!("{} triplets where the header promises {promised}", triplets.len());
            return Err(malformed(triplets.len(), problem));
        }
        Ok(Self { header, triplets })
    }

    /// The triplets as rows of pictures in memory: `rows[i]` is the row of picture i of `list`, or `None` where it is not in
    /// memory, and `classes` the class of each row.
    ///
    /// # Errors
    /// [`TripletFileError::OtherData`] when the file is of another list than that of the data set called `given`;
    /// [`TripletFileError::Malformed`] for a picture that is not in the list or a triplet that is none;
    /// [`TripletFileError::NoneLeft`].
    pub fn resolve(
        &self,
        path: &Path,
        given: &str,
        list: &PictureList,
        rows: &[Option<usize>],
        classes: &[u32],
    ) -> Result<Resolved, TripletFileError> {
        if self.header.pictures != list.fingerprint {
            let (mined, given) = (self.header.dataset.clone(), given.to_owned());
            return Err(TripletFileError::OtherData { path: path.to_owned(), mined, given });
        }
        let row_of: HashMap<&str, Option<usize>> =
            list.names.iter().map(String::as_str).zip(rows.iter().copied()).collect();
        let mut resolved = Resolved { triplets: Vec::with_capacity(self.triplets.len()), left_out: 0 };
        for (index, triplet) in self.triplets.iter().enumerate() {
            let wrong =
                |problem: String| TripletFileError::Malformed { path: path.to_owned(), line: index + 2, problem };
            match triplet.rows(&row_of).map_err(wrong)? {
                Some(rows) => resolved.triplets.push(rows.of_classes(classes).map_err(wrong)?),
                None => resolved.left_out += 1,
            }
        }
        if resolved.triplets.is_empty() {
            return Err(TripletFileError::NoneLeft { path: path.to_owned(), triplets: self.triplets.len() });
        }
        Ok(resolved)
    }
}

impl NamedTriplet {
    /// Rows of the three pictures; `None` when one is not in memory, an error when one is not known.
    fn rows(&self, row_of: &HashMap<&str, Option<usize>>) -> Result<Option<Triplet>, String> {
        let row = |name: &str| {
            row_of.get(name).copied().ok_or_else(|| format!("the picture `{name}` is not in the data set"))
        };
        let rows = [row(&self.anchor)?, row(&self.positive)?, row(&self.negative)?];
        let [Some(anchor), Some(positive), Some(negative)] = rows else { return Ok(None) };
        Ok(Some(Triplet { anchor, positive, negative }))
    }
}

impl Triplet {
    /// Itself, when its rows play their roles.
    fn of_classes(self, classes: &[u32]) -> Result<Self, String> {
        let Self { anchor, positive, negative } = self;
        if anchor == positive || classes[anchor] != classes[positive] {
            return Err("anchor and positive are not two pictures of one identity".to_owned());
        }
        if classes[anchor] == classes[negative] {
            return Err("anchor and negative are of one identity".to_owned());
        }
        Ok(self)
    }
}

/// What was mined, as a person should hear of it: a class that has fewer triplets than its share.
pub fn shortfalls(header: &Header) -> Vec<String> {
    let wanted = header.settings.wanted();
    let short = TripletClass::ALL.into_iter().filter(|&class| header.chosen.of(class) < wanted.of(class));
    short
        .map(|class| {
            let (name, found, wanted) = (class.name(), header.chosen.of(class), wanted.of(class));
            format!("{found} {name} triplets where {wanted} are wanted: there are no more with this margin and these candidates")
        })
        .collect()
}

#[cfg(test)]
mod tests;
