//! Advisory locks that say who holds them.
//!
//! A lock is a file whose content names its holder; the system releases it when the holder ends,
//! however it ends, so there is no stale lock to clean up. The file itself stays.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Seek, SeekFrom, Write},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt},
    path::Path,
};

use crate::{StoreError, file::create_private_dir};

/// The longest text of a holder's about itself, in bytes: a command line.
const HOLDER: u64 = 64 * 1024;

/// A held lock; dropping it releases it.
#[derive(Debug)]
pub struct Lock {
    // Held for its drop, which closes the file and so releases the lock.
    _file: File,
}

impl Lock {
    /// Takes the lock at `path`, or says who holds it.
    ///
    /// `what` names the locked thing in the error; `holder` is how this process names itself to
    /// others, for example `process 4711, skep up`.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if another process holds it, [`StoreError::Io`].
    pub fn try_acquire(path: &Path, what: &str, holder: &str) -> Result<Self, StoreError> {
        loop {
            let mut file = open(path)?;
            match file.try_lock() {
                Ok(()) if is_still_at(&file, path) => return sign(file, path, holder),
                // Its holder has removed it meanwhile, with the directory around it: a process that
                // comes now finds another file, and would not see this one locked.
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let holder = read_holder(&mut file);
                    return Err(StoreError::Locked { what: what.into(), holder });
                }
                Err(TryLockError::Error(source)) => {
                    return Err(StoreError::io("lock", path)(source));
                }
            }
        }
    }

    /// Takes the lock at `path`, blocking this thread until it is free. `waiting` is called with
    /// the holder, once, if it is not free at once.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn acquire(
        path: &Path,
        holder: &str,
        waiting: impl FnOnce(&str),
    ) -> Result<Self, StoreError> {
        let mut file = open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                waiting(&read_holder(&mut file));
                file.lock().map_err(StoreError::io("lock", path))?;
            }
            Err(TryLockError::Error(source)) => return Err(StoreError::io("lock", path)(source)),
        }
        sign(file, path, holder)
    }
}

fn open(path: &Path) -> Result<File, StoreError> {
    if let Some(directory) = path.parent() {
        create_private_dir(directory)?;
    }
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(StoreError::io("lock", path))
}

/// Whether an open file is the one that others find at its path.
fn is_still_at(file: &File, path: &Path) -> bool {
    let same = |own: &std::fs::Metadata, found: &std::fs::Metadata| {
        (own.dev(), own.ino()) == (found.dev(), found.ino())
    };
    matches!((file.metadata(), fs_err::metadata(path)), (Ok(own), Ok(found)) if same(&own, &found))
}

fn sign(mut file: File, path: &Path, holder: &str) -> Result<Lock, StoreError> {
    let write = |file: &mut File| {
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(holder.as_bytes())
    };
    write(&mut file).map_err(StoreError::io("write", path))?;
    Ok(Lock { _file: file })
}

fn read_holder(file: &mut File) -> String {
    // Who holds it is a courtesy: an unreadable answer is an empty one.
    skep_read::to_end(file, HOLDER).and_then(skep_read::utf8).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_is_first() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("lock");
        let held = Lock::try_acquire(&path, "cluster skep", "process 1, skep up").unwrap();
        let error = Lock::try_acquire(&path, "cluster skep", "process 2").unwrap_err();
        assert_eq!(
            error.to_string(),
            "cluster skep is in use by another skep (process 1, skep up)"
        );
        drop(held);
        Lock::try_acquire(&path, "cluster skep", "process 2").unwrap();
    }

    #[test]
    fn a_lock_that_was_removed_under_its_holder_is_made_anew() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("lock");
        let old = open(&path).unwrap();
        assert!(is_still_at(&old, &path));
        crate::file::remove(&path).unwrap();
        assert!(!is_still_at(&old, &path));
        let _other = open(&path).unwrap();
        assert!(!is_still_at(&old, &path), "another file of that name is another lock");
        let _held = Lock::try_acquire(&path, "x", "a").unwrap();
        Lock::try_acquire(&path, "x", "b").unwrap_err();
    }

    #[test]
    fn one_that_waits_gets_it_in_the_end() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("lock");
        let held = Lock::try_acquire(&path, "the guest OS", "the first").unwrap();
        let (waits, waiting) = std::sync::mpsc::channel();
        let second = std::thread::spawn(move || {
            Lock::acquire(&path, "the second", |holder| waits.send(holder.to_owned()).unwrap())
        });
        assert_eq!(waiting.recv().unwrap(), "the first");
        drop(held);
        second.join().unwrap().unwrap();
    }
}
