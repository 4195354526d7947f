//! A CSV file with the columns `path,identity,camera,split`, in any order; further columns are ignored.
//!
//! Paths are relative to the manifest's folder. The camera is a whole number. The split is `train`, `query` or
//! `gallery`. The identity `-1` is junk and `distractor` a distractor; any other text is a name.

use super::builder::{Builder, Name, Split};
use super::{Dataset, DatasetError};
use std::path::Path;

const COLUMNS: [&str; 4] = ["path", "identity", "camera", "split"];

/// Lists the samples.
pub(super) fn read(path: &Path, name: String) -> Result<Dataset, DatasetError> {
    let malformed = |source| DatasetError::Csv { path: path.to_owned(), source };
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).map_err(malformed)?;
    let columns = columns(path, reader.headers().map_err(malformed)?)?;
    let mut builder = Builder::default();
    let mut empty = true;
    for record in reader.records() {
        let record = record.map_err(malformed)?;
        let line = record.position().map_or(0, csv::Position::line);
        let [file, identity, camera, split] = columns.map(|column| record.get(column).unwrap_or_default());
        let wrong = |column: usize, value: &str, expected| DatasetError::Field {
            path: path.to_owned(),
            line,
            column: COLUMNS[column],
            value: value.to_owned(),
            expected,
        };
        if file.is_empty() {
            return Err(wrong(0, file, "a picture's path"));
        }
        let number = camera.parse().map_err(|_| wrong(2, camera, "a whole number"))?;
        let split = match split {
            "train" => Split::Train,
            "query" => Split::Query,
            "gallery" => Split::Gallery,
            other => return Err(wrong(3, other, "train, query or gallery")),
        };
        let identity = match identity {
            "" => return Err(wrong(1, identity, "a name")),
            "-1" => Name::Junk,
            "distractor" => Name::Distractor,
            name => Name::Known(name.to_owned()),
        };
        builder.add(split, folder.join(file), identity, number);
        empty = false;
    }
    if empty { Err(DatasetError::NoPictures(path.to_owned())) } else { Ok(builder.build(name)) }
}

fn columns(path: &Path, header: &csv::StringRecord) -> Result<[usize; 4], DatasetError> {
    let mut found = [0; 4];
    for (slot, column) in found.iter_mut().zip(COLUMNS) {
        *slot = header
            .iter()
            .position(|name| name == column)
            .ok_or(DatasetError::Column { path: path.to_owned(), column })?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::{Identity, Source, open};
    use super::*;

    fn opened(text: &str) -> Result<Dataset, DatasetError> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("manifest.csv"), text).unwrap();
        let dataset = open(folder.path());
        if let Ok(dataset) = &dataset {
            let first = dataset.train.iter().chain(&dataset.gallery).next().unwrap();
            assert!(matches!(&first.source, Source::File(path) if path.starts_with(folder.path())));
        }
        dataset
    }

    #[test]
    fn columns_may_come_in_any_order() {
        let dataset = opened(
            "split, camera,path,note,identity\ntrain,1,a.jpg,,zoe\ntrain,2,b.jpg,,zoe\nquery,1,c.jpg,,ann\n\
             gallery,2,d.jpg,,ann\ngallery,2,e.jpg,,-1\ngallery,2,f.jpg,,distractor\n",
        )
        .unwrap();
        assert_eq!(dataset.identities, ["zoe", "ann"]);
        assert_eq!(dataset.train.len(), 2);
        assert_eq!((dataset.query[0].identity, dataset.query[0].camera), (Identity::Known(1), 1));
        let gallery: Vec<_> = dataset.gallery.iter().map(|sample| sample.identity).collect();
        assert_eq!(gallery, [Identity::Known(1), Identity::Junk, Identity::Distractor]);
    }

    #[test]
    fn errors_name_line_and_column() {
        let error = opened("path,identity,camera,split\na.jpg,ann,1,train\nb.jpg,ann,north,train\n").unwrap_err();
        assert!(matches!(&error, DatasetError::Field { line: 3, column: "camera", value, .. } if value == "north"));
        let error = opened("path,identity,camera,split\na.jpg,ann,1,test\n").unwrap_err();
        assert!(error.to_string().contains("line 2: `test` is no split; give train, query or gallery"));
        let error = opened("path,identity,camera\n").unwrap_err();
        assert!(matches!(error, DatasetError::Column { column: "split", .. }));
        assert!(matches!(opened("path,identity,camera,split\n"), Err(DatasetError::NoPictures(_))));
        let error = opened("path,identity,camera,split\na.jpg,ann\n").unwrap_err();
        assert!(matches!(error, DatasetError::Csv { .. }));
        assert!(matches!(opened("path,identity,camera,split\n,ann,1,train\n"), Err(DatasetError::Field { .. })));
    }
}
