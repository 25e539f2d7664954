//! JSON files that carry their `schema`.

use std::{io, path::Path};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    StoreError,
    file::{copy_of, write_private},
    kept,
};

/// Reads the JSON file at `path`, or `None` if there is none. Where it is damaged or missing, and a
/// copy is kept, that is read, and put in the place of a damaged one.
///
/// `known` is the newest `schema` the caller understands; a file with a newer one is refused
/// before its content is looked at.
///
/// # Errors
/// [`StoreError::Damaged`] if it is not the JSON it should be, [`StoreError::NewerSchema`],
/// [`StoreError::Io`].
pub fn read_json<T: DeserializeOwned>(path: &Path, known: u64) -> Result<Option<T>, StoreError> {
    match read_one(path, known) {
        found @ (Ok(Some(_)) | Err(StoreError::NewerSchema { .. })) => found,
        other => match read_one(&copy_of(path), known) {
            Ok(Some(value)) => {
                // One that is missing may be about to be removed with all that is around it: it is
                // written again with the next change.
                if other.is_err() {
                    let bytes = skep_read::bytes(copy_of(path), skep_read::limit::RECORD);
                    kept::put_back(path, &bytes.map_err(StoreError::io("read", path))?)?;
                }
                Ok(Some(value))
            }
            _ => other,
        },
    }
}

fn read_one<T: DeserializeOwned>(path: &Path, known: u64) -> Result<Option<T>, StoreError> {
    let bytes = match skep_read::bytes(path, skep_read::limit::RECORD) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io("read", path)(error)),
    };
    let damaged = |reason: String| StoreError::Damaged { path: path.to_owned(), reason };
    if bytes.is_empty() {
        return Err(damaged("it is empty".into()));
    }
    let value: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    let schema = value.get("schema").and_then(serde_json::Value::as_u64);
    let found = schema.ok_or_else(|| damaged("it has no `schema` number".into()))?;
    if found > known {
        return Err(StoreError::NewerSchema { path: path.to_owned(), found, known });
    }
    serde_json::from_value(value).map(Some).map_err(|error| damaged(error.to_string()))
}

/// Writes `value`, which must carry its `schema`, as JSON to `path`; see [`write_private`].
///
/// # Errors
/// [`StoreError::Io`].
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), StoreError> {
    write_private(path, &text(path, value)?)
}

/// As [`write_json`], and keeps a copy: a record that nothing else could tell again; see
/// [`mod@kept`].
///
/// # Errors
/// [`StoreError::Io`].
pub fn write_record<T: Serialize>(path: &Path, value: &T) -> Result<(), StoreError> {
    kept::write(path, &text(path, value)?)
}

fn text<T: Serialize>(path: &Path, value: &T) -> Result<Vec<u8>, StoreError> {
    let text = serde_json::to_vec_pretty(value);
    text.map_err(|error| StoreError::io("write", path)(io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use fs_err as fs;
    use serde::Deserialize;

    use super::*;
    use crate::file::remove;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Record {
        schema: u64,
        name: String,
    }

    fn record() -> Record {
        Record { schema: 2, name: "skep".into() }
    }

    #[test]
    fn what_is_written_is_read_and_private() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/b/record.json");
        write_json(&path, &record()).unwrap();
        assert_eq!(read_json::<Record>(&path, 2).unwrap(), Some(record()));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
    }

    #[test]
    fn a_file_cut_at_any_byte_is_said_to_be_damaged() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("record.json");
        let whole = serde_json::to_vec(&record()).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let error = read_json::<Record>(&path, 2).unwrap_err();
            assert!(matches!(error, StoreError::Damaged { .. }), "{length}: {error}");
        }
    }

    #[test]
    fn a_newer_schema_is_refused_whatever_else_is_in_it() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("record.json");
        fs::write(&path, r#"{"schema": 3, "title": "other"}"#).unwrap();
        let error = read_json::<Record>(&path, 2).unwrap_err();
        assert!(matches!(error, StoreError::NewerSchema { found: 3, known: 2, .. }), "{error}");
    }

    #[test]
    fn a_record_outlives_its_file() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("record.json");
        write_record(&path, &record()).unwrap();
        for damage in [&b""[..], b"\xff\xfe\x00", b"{}", b"null", b"{\"schema\": 2}"] {
            fs::write(&path, damage).unwrap();
            assert_eq!(read_json::<Record>(&path, 2).unwrap(), Some(record()));
            assert_eq!(fs::read(&path).unwrap(), fs::read(copy_of(&path)).unwrap());
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(read_json::<Record>(&path, 2).unwrap(), Some(record()));
        fs::write(&path, r#"{"schema": 3}"#).unwrap();
        assert!(read_json::<Record>(&path, 2).is_err(), "an older copy is not what was written");
        remove(&path).unwrap();
        assert_eq!(read_json::<Record>(&path, 2).unwrap(), None);
    }

    #[test]
    fn a_missing_file_is_none() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(read_json::<Record>(&home.path().join("none"), 2).unwrap(), None);
    }
}
