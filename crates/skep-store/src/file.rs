//! Files that are written whole or not at all.

use std::{
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::StoreError;
use fs_err as fs;

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
        // Shared by those who write, so that no one sweeps meanwhile; a killed process releases it.
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
/// and directories that were being removed. While another process writes there, nothing is swept.
/// A file that cannot be removed is no error: the next sweep tries again.
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

/// Where the directory `path` lies now, if its removal was begun and the process was killed.
pub fn being_removed(path: &Path) -> Option<PathBuf> {
    let (parent, prefix) = (path.parent()?, gone_prefix(path));
    let found = names(parent).ok()?.into_iter().find(|name| name.starts_with(&prefix))?;
    Some(parent.join(found).join(ASIDE)).filter(|path| path.exists())
}

/// What a directory is called inside the one it was moved into to be removed.
const ASIDE: &str = "it";

/// Where a second copy of a file is kept; see [`kept`](crate::kept).
pub fn copy_of(path: &Path) -> PathBuf {
    let directory = path.parent().unwrap_or(Path::new("."));
    directory.join(".kept").join(path.file_name().unwrap_or_default())
}

/// Removes a file and its copy; one that is not there is already removed.
///
/// # Errors
/// [`StoreError::Io`].
pub fn remove(path: &Path) -> Result<(), StoreError> {
    let copy = copy_of(path);
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

/// Removes a directory with all it holds, at once for every other process: it is moved out of the
/// way first, so that none finds a part of it, or puts something into it that is then in the way.
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
    use super::*;

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
    fn a_directory_goes_at_once_and_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("clusters/skep");
        write_private(&path.join("machines/a/record.json"), b"{}").unwrap();
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
}
