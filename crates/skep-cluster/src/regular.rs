//! Small files of the user's, read whole.

use std::{
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

/// The longest file that is read, in bytes: keys and configurations are a few thousand.
const MAX: u64 = 1 << 20;

/// Reads a regular file of text. What is none (a device, a pipe, which would be waited for without
/// an end) and what is too long is refused.
///
/// # Errors
/// What the system says, or what is wrong with the file.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    let no = |reason: &str| Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = fs_err::OpenOptions::from_options(
        std::fs::OpenOptions::new().read(true).custom_flags(nonblocking).clone(),
    );
    let file = file.open(path)?;
    if !file.metadata()?.is_file() {
        return no("it is no regular file");
    }
    let mut bytes = Vec::new();
    file.take(MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX {
        return no("it is longer than any such file");
    }
    String::from_utf8(bytes).or_else(|_| no("it is not text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_regular_file_is_read_and_nothing_is_waited_for() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        fs_err::write(path("text"), "fine").unwrap();
        assert_eq!(read(&path("text")).unwrap(), "fine");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            path("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        fs_err::write(path("long"), vec![b'a'; 2 << 20]).unwrap();
        fs_err::write(path("bytes"), [0xff]).unwrap();
        for (name, said) in [("pipe", "regular"), ("long", "longer"), ("bytes", "not text")] {
            let error = read(&path(name)).unwrap_err();
            assert!(error.to_string().contains(said), "{name}: {error}");
        }
        for device in ["/dev/zero", "/"] {
            assert!(read(Path::new(device)).is_err(), "{device}");
        }
    }
}
