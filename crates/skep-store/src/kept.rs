//! A second copy of what cannot be made again: records and keys.
//!
//! The copy of `DIR/NAME` is `DIR/.kept/NAME`, with the same mode. It is written after the file itself
//! and removed before it, so that it never stands for what is gone. Where the file is damaged or
//! missing, the copy takes its place; a damaged one is kept as `DIR/.kept/NAME.damaged`.

use std::{
    ffi::OsString,
    io,
    path::Path,
    sync::{Mutex, PoisonError},
};

use fs_err as fs;

pub use crate::file::copy_of as place;
use crate::{StoreError, file};

/// The longest file that has a copy, in bytes.
const LONGEST: u64 = skep_read::limit::RECORD;

/// What was put back since this was last asked, as a message for the user.
static NOTICES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Writes a file as [`file::write_private`] does, and its copy.
///
/// # Errors
/// [`StoreError::Io`].
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    file::write_private(path, bytes)?;
    file::write_private(&place(path), bytes)
}

/// Looks whether the file at `path` is good, and puts its copy back if it is not and the copy is. A
/// good file without a copy is given one. Returns whether there is a good file now.
///
/// # Errors
/// [`StoreError::Io`] if one of them cannot be written.
pub fn restore(path: &Path, is_good: impl Fn(&[u8]) -> bool) -> Result<bool, StoreError> {
    let read = |path: &Path| skep_read::bytes(path, LONGEST).ok().filter(|bytes| is_good(bytes));
    let copy = place(path);
    match (read(path), read(&copy)) {
        (Some(own), Some(kept)) if own == kept => Ok(true),
        (Some(own), _) => file::write_private(&copy, &own).map(|()| true),
        (None, Some(kept)) => put_back(path, &kept).map(|()| true),
        (None, None) => Ok(false),
    }
}

/// Puts `bytes`, which the copy has, in the place of a file that is damaged or missing.
pub(crate) fn put_back(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let what = if path.exists() { "damaged" } else { "missing" };
    let mut aside = place(path).into_os_string();
    aside.push(OsString::from(".damaged"));
    match fs::rename(path, aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(StoreError::io("move aside", path)(error));
        }
        _ => {}
    }
    file::write_private(path, bytes)?;
    notice(format!("{} was {what}, and was put back from its copy", path.display()));
    Ok(())
}

/// Keeps a notice of something that is no error of the operation under way.
pub(crate) fn notice(text: String) {
    let mut notices = NOTICES.lock().unwrap_or_else(PoisonError::into_inner);
    if !notices.contains(&text) {
        notices.push(text);
    }
}

/// What was put back, or passed over, since this was last asked.
pub fn notices() -> Vec<String> {
    std::mem::take(&mut *NOTICES.lock().unwrap_or_else(PoisonError::into_inner))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_damaged_or_missing_file_is_put_back_and_said_to_be() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("key");
        let is_good = |bytes: &[u8]| bytes.starts_with(b"key ");
        assert!(!restore(&path, is_good).unwrap());
        write(&path, b"key 1").unwrap();
        for damage in [Some(&b""[..]), Some(b"\xff\x00\x13"), None] {
            match damage {
                Some(bytes) => fs::write(&path, bytes).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
            assert!(restore(&path, is_good).unwrap());
            assert_eq!(fs::read(&path).unwrap(), b"key 1");
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(notices().iter().any(|text| text.contains("was missing, and was put back")));
        // A newer file is kept in place of the older copy, and one without a copy is given one.
        fs::write(&path, "key 2").unwrap();
        assert!(restore(&path, is_good).unwrap());
        assert_eq!(fs::read(place(&path)).unwrap(), b"key 2");
        file::remove(&path).unwrap();
        assert!(!restore(&path, is_good).unwrap(), "what was removed does not come back");
    }
}
