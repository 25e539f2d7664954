//! Reading what may be anything: a file that a user names, a file of the store that was damaged,
//! an archive from elsewhere.
//!
//! ```
//! use skep_read::Refusal;
//!
//! let manifest = skep_read::text("Cargo.toml", 1 << 20)?;
//! assert!(manifest.contains("[package]"));
//!
//! let error = skep_read::bytes("/dev/zero", 1 << 20).unwrap_err();
//! assert_eq!(error.to_string(), "it is a device; only a regular file is read");
//!
//! let error = skep_read::bytes("Cargo.toml", 10).unwrap_err();
//! assert!(matches!(skep_read::refusal(&error), Some(Refusal::TooLong { limit: 10, .. })));
//! # Ok::<_, std::io::Error>(())
//! ```
//!
//! A file is read if it is a regular one and not longer than a limit, and is read whole; everything
//! else is a [`Refusal`] that says what it is, how long, and what the limit is. A named pipe is not
//! waited for, a device is not opened. Only regular files are read from paths, and those end, so no
//! read of one needs a deadline.
//!
//! **Never here:** what the content means; waiting; a part of a file given out as the whole.
//!
//! **Start reading** at [`bytes`]; [`limit`] has the limits.

pub mod limit;

use std::{
    fs::{File, FileType, OpenOptions},
    io::{self, BufRead, Read},
    os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _},
    path::Path,
};

/// Why something is not read. It travels in an [`io::Error`]; see [`refusal`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is something else than a regular file.
    #[error("it is {what}; only a regular file is read")]
    NotRegular {
        /// What it is, with its article: `a named pipe`.
        what: &'static str,
    },
    /// It is longer than the limit.
    #[error("it has {}; at most {} are read", size_text(*.size, *.limit), amount(*.limit))]
    TooLong {
        /// Its length in bytes, where that is known before reading it.
        size: Option<u64>,
        limit: u64,
    },
    /// One of its lines is longer than the limit.
    #[error("line {line} has {size} bytes; at most {limit} are read of a line")]
    LongLine {
        /// The line, from 1.
        line: usize,
        /// Its length in bytes.
        size: usize,
        limit: usize,
    },
    /// It should be text and is not UTF-8.
    #[error("line {line} is not UTF-8 text")]
    NotText {
        /// The first line that is not, from 1.
        line: usize,
    },
}

fn size_text(size: Option<u64>, limit: u64) -> String {
    size.map_or_else(|| format!("more than {limit} bytes"), |size| format!("{size} bytes"))
}

/// `511999 bytes`, `1048576 bytes (1 MiB)`.
fn amount(bytes: u64) -> String {
    let rounded = [(1 << 20, "MiB"), (1 << 10, "KiB")];
    match rounded.iter().find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{bytes} bytes ({} {name})", bytes / unit),
        None => format!("{bytes} bytes"),
    }
}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> Self {
        let kind = match refusal {
            Refusal::NotRegular { .. } => io::ErrorKind::InvalidInput,
            Refusal::TooLong { .. } | Refusal::LongLine { .. } => io::ErrorKind::FileTooLarge,
            Refusal::NotText { .. } => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, refusal)
    }
}

/// The refusal in an error of this crate, if it is one.
pub fn refusal(error: &io::Error) -> Option<&Refusal> {
    error.get_ref()?.downcast_ref()
}

/// What something is that is no regular file, as a person calls it.
fn kind(kind: FileType) -> &'static str {
    match kind {
        kind if kind.is_dir() => "a directory",
        kind if kind.is_fifo() => "a named pipe",
        kind if kind.is_socket() => "a socket",
        kind if kind.is_char_device() || kind.is_block_device() => "a device",
        _ => "no file",
    }
}

fn check(data: &std::fs::Metadata) -> io::Result<()> {
    match data.is_file() {
        true => Ok(()),
        false => Err(Refusal::NotRegular { what: kind(data.file_type()) }.into()),
    }
}

/// Opens the regular file at `path`, for those who read it piece by piece.
///
/// # Errors
/// [`Refusal::NotRegular`], and what the system says. The path is not in the error's text.
pub fn open(path: impl AsRef<Path>) -> io::Result<File> {
    let path = path.as_ref();
    // Before it is opened, since opening some devices does something already; and after, since it
    // may have been replaced between. Without O_NONBLOCK a named pipe would be waited for.
    check(&std::fs::metadata(path)?)?;
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    check(&file.metadata()?)?;
    Ok(file)
}

/// All of the regular file at `path`, which has at most `limit` bytes.
///
/// # Errors
/// [`Refusal`], and what the system says. The path is not in the error's text.
pub fn bytes(path: impl AsRef<Path>, limit: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let size = file.metadata()?.len();
    if size > limit {
        return Err(Refusal::TooLong { size: Some(size), limit }.into());
    }
    // What lies under /proc says it is empty, and a file may grow while it is read.
    to_end(file, limit)
}

/// As [`bytes`], of UTF-8 text.
///
/// # Errors
/// As [`bytes`].
pub fn text(path: impl AsRef<Path>, limit: u64) -> io::Result<String> {
    utf8(bytes(path, limit)?)
}

/// As [`text`], of lines that have at most `line` bytes each.
///
/// # Errors
/// As [`bytes`].
pub fn lines(path: impl AsRef<Path>, limit: u64, line: usize) -> io::Result<String> {
    let text = text(path, limit)?;
    match text.lines().zip(1..).find(|(content, _)| content.len() > line) {
        None => Ok(text),
        Some((content, number)) => {
            Err(Refusal::LongLine { line: number, size: content.len(), limit: line }.into())
        }
    }
}

/// Everything in `from`, at most `limit` bytes. It blocks as long as `from` does: what may
/// never end is read on a thread of its own, by a caller that can abandon it.
///
/// # Errors
/// [`Refusal::TooLong`], and what `from` says.
pub fn to_end(from: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(Refusal::TooLong { size: None, limit }.into());
    }
    Ok(bytes)
}

/// The next line of `from` without its end, which is at most `limit` bytes; `None` at the end.
///
/// # Errors
/// [`Refusal`], and what `from` says.
pub fn line(from: impl BufRead, limit: u64) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    // One more for the line's end, and one that shows there is more.
    from.take(limit.saturating_add(2)).read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    if bytes.len() as u64 > limit {
        return Err(Refusal::TooLong { size: None, limit }.into());
    }
    utf8(bytes).map(Some)
}

/// Bytes as text.
///
/// # Errors
/// [`Refusal::NotText`].
pub fn utf8(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|&&byte| byte == b'\n').count() + 1;
        Refusal::NotText { line }.into()
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use proptest::prelude::*;

    use super::*;

    fn said(result: io::Result<impl std::fmt::Debug>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn only_regular_files_are_read_and_nothing_is_waited_for() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        std::os::unix::fs::symlink(at("pipe"), at("link")).unwrap();
        std::os::unix::fs::symlink(at("loop"), at("loop")).unwrap();
        std::fs::write(at("file"), "x").unwrap();
        std::os::unix::fs::symlink(at("file"), at("good")).unwrap();
        let whole = "; only a regular file is read";
        for (name, what) in [("pipe", "a named pipe"), ("link", "a named pipe")] {
            assert_eq!(said(bytes(at(name), 9)), format!("it is {what}{whole}"));
        }
        assert_eq!(said(open(at("socket"))), format!("it is a socket{whole}"));
        assert_eq!(said(open(home.path())), format!("it is a directory{whole}"));
        assert_eq!(said(text("/dev/zero", 9)), format!("it is a device{whole}"));
        assert!(bytes(at("loop"), 9).is_err());
        assert_eq!(bytes(at("gone"), 9).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(text(at("good"), 1).unwrap(), "x");
    }

    #[test]
    fn what_is_too_long_is_said_with_both_numbers() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("sparse");
        let file = File::create(&path).unwrap();
        file.set_len(60 << 30).unwrap();
        assert_eq!(
            said(bytes(&path, 1 << 20)),
            "it has 64424509440 bytes; at most 1048576 bytes (1 MiB) are read"
        );
        assert_eq!(
            said(to_end(io::repeat(0), limit::SECRET)),
            "it has more than 511999 bytes; at most 511999 bytes are read"
        );
        let error = to_end(io::repeat(0), 3).unwrap_err();
        assert_eq!(refusal(&error), Some(&Refusal::TooLong { size: None, limit: 3 }));
    }

    #[test]
    fn what_the_system_says_about_itself_has_no_length_and_is_read() {
        assert!(text("/proc/self/status", limit::SYSTEM).unwrap().contains("Pid:"));
        assert!(text("/proc/self/status", 5).is_err());
    }

    proptest! {
        #[test]
        fn all_is_read_or_nothing(content in prop::collection::vec(any::<u8>(), 0..80), limit in 0u64..80) {
            let home = tempfile::tempdir().unwrap();
            let path = home.path().join("file");
            std::fs::write(&path, &content).unwrap();
            let fits = content.len() as u64 <= limit;
            for read in [bytes(&path, limit), to_end(content.as_slice(), limit)] {
                prop_assert_eq!(read.is_ok(), fits);
                prop_assert!(read.map_or(true, |read| read == content));
            }
            let text = text(&path, limit);
            prop_assert_eq!(text.is_ok(), fits && std::str::from_utf8(&content).is_ok());
        }

        #[test]
        fn lines_are_those_of_the_text(lines in prop::collection::vec("[a-zé]{0,9}", 0..9), limit in 0u64..12) {
            let whole = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
            let mut rest = whole.as_bytes();
            for expected in &lines {
                match line(&mut rest, limit) {
                    Ok(found) => prop_assert_eq!(found.as_ref(), Some(expected)),
                    Err(_) => {
                        prop_assert!(expected.len() as u64 > limit);
                        return Ok(());
                    }
                }
                prop_assert!(expected.len() as u64 <= limit);
            }
            prop_assert_eq!(line(&mut rest, limit).unwrap(), None);
        }
    }
}
