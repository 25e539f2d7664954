//! The directory a build unpacks in, and getting rid of it safely.
//!
//! While a root file system is made, the host's devices, `/sys` and `/dev/shm` are mounted in it. As
//! root a build therefore runs in a mount namespace of its own: whatever ends it takes the mounts
//! along. Removing the directory never relies on that, but looks for mounts first: to remove what is
//! mounted would be to remove the host's own files.

use std::{
    ffi::OsString,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
};

use fs_err as fs;

use crate::OsError;

/// Removes the directory with all it holds, unless something is mounted at or below it.
///
/// # Errors
/// [`OsError::Mounted`]; [`OsError::Store`], also for files of a build without root, which belong to
/// subordinate users.
pub(crate) fn remove(path: &Path) -> Result<(), OsError> {
    let table = Path::new("/proc/self/mountinfo");
    let mountinfo =
        skep_read::bytes(table, skep_read::limit::SYSTEM).map_err(OsError::io("read", table))?;
    // The table has the directory by its real name.
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if let Some(mount) = mounts(&mountinfo).find(|mount| mount.starts_with(&real)) {
        return Err(OsError::Mounted { path: path.to_owned(), mount });
    }
    Ok(skep_store::file::remove_dir(path)?)
}

/// The mount points of a table as in proc(5), `/proc/pid/mountinfo`: the fifth field, in which a
/// space, a tab, a newline and a backslash are written as `\` and three octal digits.
fn mounts(mountinfo: &[u8]) -> impl Iterator<Item = PathBuf> {
    let fields = mountinfo.split(|&byte| byte == b'\n');
    fields.filter_map(|line| line.split(|&byte| byte == b' ').nth(4)).map(unescaped)
}

fn unescaped(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..3).filter(|_| first == b'\\');
        let text = code.and_then(|digits| std::str::from_utf8(digits).ok());
        match text.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_fifth_field_is_the_mount_point() {
        let table = b"27 1 0:25 / / rw,relatime - ext4 /dev/vda rw\n\
            47 27 0:27 / /var/tmp/a\\040b/dev/shm rw shared:3 - tmpfs tmpfs rw\n\
            48 27 0:27 / /var/tmp/back\\134slash rw - tmpfs tmpfs rw\nbroken\n";
        let found: Vec<PathBuf> = mounts(table).collect();
        assert_eq!(
            found,
            [Path::new("/"), Path::new("/var/tmp/a b/dev/shm"), Path::new("/var/tmp/back\\slash")]
        );
    }

    /// `/proc` is mounted wherever the tests run.
    #[test]
    fn what_has_a_mount_in_it_is_left_alone() {
        let error = remove(Path::new("/proc")).unwrap_err();
        assert!(
            matches!(&error, OsError::Mounted { mount, .. } if mount.starts_with("/proc")),
            "{error}"
        );
        let link = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/proc", link.path().join("link")).unwrap();
        assert!(matches!(remove(&link.path().join("link")), Err(OsError::Mounted { .. })));
    }

    #[test]
    fn what_has_none_is_removed_and_may_be_gone_already() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("scratch");
        fs::create_dir_all(path.join("usr/bin")).unwrap();
        remove(&path).unwrap();
        assert!(!path.exists());
        remove(&path).unwrap();
    }

    proptest! {
        #[test]
        fn any_table_is_read(table in prop::collection::vec(any::<u8>(), 0..200)) {
            assert!(mounts(&table).count() <= table.len() + 1);
        }
    }
}
