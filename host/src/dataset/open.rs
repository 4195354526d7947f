//! One look at a path or name decides which layout it is.

use super::{Dataset, DatasetError, folders, manifest, market1501, synthetic};
use std::path::{Path, PathBuf};

/// Finds out the layout of a data set and lists its samples; no picture is read yet.
///
/// Accepted are Market-1501 folders, a folder per identity, a CSV manifest (the file, or its folder) and the name
/// `synthetic`, with options after a colon as in `synthetic:identities=200,cameras=4,images=4,seed=1`.
///
/// # Errors
/// [`DatasetError`]: it names the path, and says what is accepted when no layout fits.
pub fn open(path: impl AsRef<Path>) -> Result<Dataset, DatasetError> {
    let path = path.as_ref();
    if let Some(settings) = path.to_str().and_then(synthetic::parse) {
        return Ok(synthetic::dataset(&settings?));
    }
    if !path.exists() {
        return Err(DatasetError::NotFound(path.to_owned()));
    }
    let name = |path: &Path| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    if path.is_file() {
        let is_csv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
        let unknown = || DatasetError::UnknownLayout(path.to_owned());
        return if is_csv { manifest::read(path, name(path)) } else { Err(unknown()) };
    }
    let manifest = path.join("manifest.csv");
    if manifest.is_file() {
        manifest::read(&manifest, name(path))
    } else if path.join("bounding_box_train").is_dir() {
        market1501::read(path, name(path))
    } else {
        folders::read(path, name(path))
    }
}

/// The entries of a folder in the order of their names, hidden ones left out.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let unreadable = |source| DatasetError::Io { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.')) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Whether the name is that of a picture deja reads.
pub(super) fn is_picture(path: &Path) -> bool {
    const EXTENSIONS: [&str; 4] = ["jpg", "jpeg", "png", "bmp"];
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_data_set_is_told_what_would_be() {
        let folder = tempfile::tempdir().unwrap();
        let missing = open(folder.path().join("none")).unwrap_err();
        assert!(matches!(missing, DatasetError::NotFound(_)));
        assert!(missing.to_string().contains("bounding_box_train"));
        let text = folder.path().join("notes.txt");
        std::fs::write(&text, "no data").unwrap();
        let unknown = open(&text).unwrap_err();
        assert!(matches!(&unknown, DatasetError::UnknownLayout(path) if *path == text));
        assert!(unknown.to_string().contains("manifest.csv"));
        assert!(matches!(open(folder.path()).unwrap_err(), DatasetError::UnknownLayout(_)));
    }

    #[test]
    fn the_name_synthetic_needs_no_files() {
        let dataset = open("synthetic:identities=10,cameras=2,images=1,seed=3").unwrap();
        assert_eq!(dataset.identities.len(), 10);
        assert!(matches!(open("synthetic:identities=none").unwrap_err(), DatasetError::SyntheticOption { .. }));
    }
}
