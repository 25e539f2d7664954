//! Files that are written whole or not at all.

use std::{
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use fs_err as fs;
use serde::{Serialize, de::DeserializeOwned};

use crate::{StoreError, kept};

/// Creates `directory` and its missing parents, each with mode 0700.
///
/// # Errors
/// [`StoreError::Io`].
pub fn create_private_dir(directory: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(StoreError::io("create", directory))
}

/// Writes `bytes` to `path` with mode 0600: into a new file beside it, flushed to the disk, then
/// renamed over it, so that a reader or a crash sees the old content or the new, never a part.
///
/// # Errors
/// [`StoreError::Io`].
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    create_private_dir(directory)?;
    sweep(directory);
    let write = || -> io::Result<()> {
        // Shared by those who write, so that nobody sweeps meanwhile; a killed one lets go of it.
        let writing = std::fs::File::open(directory)?;
        writing.lock_shared()?;
        let mut file = tempfile::Builder::new()
            .prefix(NEW)
            .permissions(std::fs::Permissions::from_mode(0o600))
            .tempfile_in(directory)?;
        file.write_all(bytes)?;
        file.as_file().sync_data()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(StoreError::io("write", path))
}

/// What the name of a file begins with that is being written.
const NEW: &str = ".new-";
/// What the name of a directory begins with that is being removed.
const GONE: &str = ".gone-";

/// Removes from a directory what killed processes have left in it: files that were being written,
/// and directories that were being removed. While somebody writes there, nothing is swept. It is no
/// fault if something cannot be removed: the next one tries again.
pub fn sweep(directory: &Path) {
    let Ok(sweeping) = std::fs::File::open(directory) else { return };
    if sweeping.try_lock().is_err() {
        return;
    }
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let Ok(kind) = entry.file_type() else { continue };
        if name.starts_with(NEW) && kind.is_file() {
            let _ = fs::remove_file(entry.path());
        } else if name.starts_with(GONE) && kind.is_dir() {
            // Before something was moved into it, its maker is about to.
            if entry.path().join(ASIDE).exists() {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

/// What the name of the directory begins with that another is moved into to be removed.
fn gone_prefix(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!("{GONE}{name}.")
}

/// Where the directory `path` lies now, if somebody began to remove it at once and was killed.
pub fn being_removed(path: &Path) -> Option<std::path::PathBuf> {
    let (parent, prefix) = (path.parent()?, gone_prefix(path));
    let found = names(parent).ok()?.into_iter().find(|name| name.starts_with(&prefix))?;
    Some(parent.join(found).join(ASIDE)).filter(|path| path.exists())
}

/// What a directory is called inside the one it was moved into to be removed.
const ASIDE: &str = "it";

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
        other => match read_one(&kept::place(path), known) {
            Ok(Some(value)) => {
                // One that is missing may be about to be removed with all that is around it: it is
                // written again with the next change.
                if other.is_err() {
                    let bytes = skep_read::bytes(kept::place(path), skep_read::limit::RECORD);
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
    let bytes = serde_json::to_vec_pretty(value)
        .map_err(|error| StoreError::io("write", path)(io::Error::other(error)))?;
    write_private(path, &bytes)
}

/// As [`write_json`], and keeps a copy: a record that nothing else could tell again; see
/// [`mod@kept`].
///
/// # Errors
/// [`StoreError::Io`].
pub fn write_record<T: Serialize>(path: &Path, value: &T) -> Result<(), StoreError> {
    let bytes = serde_json::to_vec_pretty(value)
        .map_err(|error| StoreError::io("write", path)(io::Error::other(error)))?;
    kept::write(path, &bytes)
}

/// Removes a file and its copy; one that is not there is already removed.
///
/// # Errors
/// [`StoreError::Io`].
pub fn remove(path: &Path) -> Result<(), StoreError> {
    let copy = kept::place(path);
    gone_is_fine(fs::remove_file(&copy)).map_err(StoreError::io("remove", copy))?;
    gone_is_fine(fs::remove_file(path)).map_err(StoreError::io("remove", path))
}

/// Removes a directory with all it holds; one that is not there is already removed.
///
/// # Errors
/// [`StoreError::Io`].
pub fn remove_dir(path: &Path) -> Result<(), StoreError> {
    gone_is_fine(fs::remove_dir_all(path)).map_err(StoreError::io("remove", path))
}

/// The names in a directory that may not be there, in order. One that is not UTF-8 is nothing of
/// the store's.
///
/// # Errors
/// [`StoreError::Io`].
pub fn names(directory: &Path) -> Result<Vec<String>, StoreError> {
    let read = || -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(directory)? {
            names.extend(entry?.file_name().into_string().ok());
        }
        names.sort_unstable();
        Ok(names)
    };
    match read() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read.map_err(StoreError::io("read", directory)),
    }
}

/// Removes a directory with all it holds, at once for everybody else: it is moved out of the way
/// first, so that nobody finds a part of it, or puts something into it that is then in the way.
///
/// # Errors
/// [`StoreError::Io`].
pub fn remove_dir_at_once(path: &Path) -> Result<(), StoreError> {
    let remove = || -> io::Result<()> {
        let parent = path.parent().unwrap_or(Path::new("."));
        sweep(parent);
        let aside = tempfile::Builder::new().prefix(&gone_prefix(path)).tempdir_in(parent)?;
        gone_is_fine(fs::rename(path, aside.path().join(ASIDE)))?;
        aside.close()
    };
    gone_is_fine(remove()).map_err(StoreError::io("remove", path))
}

fn gone_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

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
    fn names_are_in_order_and_those_of_nothing_are_none() {
        let home = tempfile::tempdir().unwrap();
        assert!(names(&home.path().join("missing")).unwrap().is_empty());
        for name in ["b", "a", "c"] {
            fs::write(home.path().join(name), "").unwrap();
        }
        assert_eq!(names(home.path()).unwrap(), ["a", "b", "c"]);
        assert!(names(&home.path().join("a")).is_err());
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
    fn a_directory_goes_at_once_and_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("clusters/skep");
        write_json(&path.join("machines/a/record.json"), &record()).unwrap();
        remove_dir_at_once(&path).unwrap();
        assert_eq!(fs::read_dir(home.path().join("clusters")).unwrap().count(), 0);
        remove_dir_at_once(&path).unwrap();
        remove_dir_at_once(&home.path().join("nowhere/skep")).unwrap();
    }

    #[test]
    fn what_a_killed_process_has_left_is_swept_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let clusters = home.path().join("clusters");
        let path = |name: &str| clusters.join(name);
        fs::create_dir_all(path(".gone-a/it/machines")).unwrap();
        fs::create_dir_all(path(".gone-b")).unwrap();
        for name in [".new-a", ".new-b", "cluster.json", ".gone-a/it/id_ed25519"] {
            fs::write(path(name), "x").unwrap();
        }
        let written_now = std::fs::File::open(&clusters).unwrap();
        written_now.lock_shared().unwrap();
        write_private(&path("other"), b"x").unwrap();
        let all = [".gone-a", ".gone-b", ".new-a", ".new-b", "cluster.json", "other"];
        assert_eq!(names(&clusters).unwrap(), all, "somebody else writes there");
        drop(written_now);
        write_private(&path("other"), b"x").unwrap();
        assert_eq!(names(&clusters).unwrap(), [".gone-b", "cluster.json", "other"]);
        fs::create_dir_all(path(".gone-b/it")).unwrap();
        remove_dir_at_once(&path("demo")).unwrap();
        assert_eq!(names(&clusters).unwrap(), ["cluster.json", "other"]);
        // Killed in the middle of removing the directory `demo`.
        fs::create_dir_all(path(".gone-demo.123/it")).unwrap();
        assert_eq!(being_removed(&path("demo")), Some(path(".gone-demo.123/it")));
        assert_eq!(being_removed(&path("dem")), None);
    }

    #[test]
    fn many_who_write_at_once_do_not_sweep_each_other_away() {
        let home = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let path = home.path().join(format!("record-{writer}"));
                scope.spawn(move || {
                    for round in 0..20 {
                        write_private(&path, format!("{round}").as_bytes()).unwrap();
                    }
                });
            }
        });
        assert!(names(home.path()).unwrap().iter().all(|name| name.starts_with("record-")));
    }

    #[test]
    fn a_record_outlives_its_file() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("record.json");
        write_record(&path, &record()).unwrap();
        for damage in [&b""[..], b"\xff\xfe\x00", b"{}", b"null", b"{\"schema\": 2}"] {
            fs::write(&path, damage).unwrap();
            assert_eq!(read_json::<Record>(&path, 2).unwrap(), Some(record()));
            assert_eq!(fs::read(&path).unwrap(), fs::read(kept::place(&path)).unwrap());
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
