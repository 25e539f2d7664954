//! What a machine prints to its serial port: kept in a file that does not grow without bound.

use std::{
    fs::OpenOptions,
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

/// What is kept of a console when it is cut, in bytes.
const KEPT: u64 = 64 << 10;
/// How long a console may become before it is cut while its machine runs, in bytes.
const BOUND: u64 = 1 << 20;
/// How many lines an error or a screen shows.
const LINES: usize = 40;

/// Cuts a console to its end, before its machine is started.
pub(crate) fn begin(path: &Path) -> io::Result<()> {
    cut(path, KEPT)
}

/// Cuts the console of a machine that may be running if it has become too long. QEMU writes at the
/// file's end wherever that is; what it writes at this very moment may be lost.
pub(crate) fn bound(path: &Path) -> io::Result<()> {
    cut(path, BOUND)
}

/// The last lines of a console, without what was meant for a terminal only.
pub(crate) fn tail(path: &Path) -> io::Result<String> {
    Ok(last_lines(&end_of(path, KEPT)?))
}

fn cut(path: &Path, allowed: u64) -> io::Result<()> {
    let file = OpenOptions::new().append(true).open(path);
    let mut file = match file {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    if file.metadata()?.len() <= allowed {
        return Ok(());
    }
    let kept = end_of(path, KEPT)?;
    file.set_len(0)?;
    file.write_all(&kept)
}

/// The last bytes of a file, from the beginning of a line on.
fn end_of(path: &Path, bytes: u64) -> io::Result<Vec<u8>> {
    let mut file = match skep_read::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let length = file.metadata()?.len();
    let start = length.saturating_sub(bytes);
    file.seek(SeekFrom::Start(start))?;
    let mut found = skep_read::to_end((&mut file).take(bytes), bytes)?;
    if start > 0 {
        let line = found.iter().position(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        found.drain(..line);
    }
    Ok(found)
}

fn last_lines(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let shown = |c: &char| !c.is_control() || *c == '\n' || *c == '\t';
    let text: String = text.chars().filter(shown).collect();
    let lines: Vec<&str> = text.lines().collect();
    let mut tail = lines[lines.len().saturating_sub(LINES)..].join("\n");
    if !tail.is_empty() {
        tail.push('\n');
    }
    tail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_console_is_cut_to_whole_lines_of_its_end() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("console.log");
        begin(&path).unwrap();
        assert_eq!(tail(&path).unwrap(), "");

        let lines: String = (0..40_000).map(|number| format!("line {number}\r\n")).collect();
        std::fs::write(&path, &lines).unwrap();
        bound(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), lines.len() as u64);
        begin(&path).unwrap();
        let kept = std::fs::read_to_string(&path).unwrap();
        assert!(kept.len() as u64 <= KEPT && kept.starts_with("line "), "{}", &kept[..20]);
        assert!(lines.ends_with(&kept));
        let shown = tail(&path).unwrap();
        assert_eq!(shown.lines().count(), LINES);
        assert!(shown.starts_with("line 39960\n") && shown.ends_with("line 39999\n"), "{shown}");
    }

    #[test]
    fn what_qemu_goes_on_writing_follows_the_end() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("console.log");
        let mut qemu = OpenOptions::new().append(true).create(true).open(&path).unwrap();
        qemu.write_all(&[b'x'; 2 << 20]).unwrap();
        qemu.write_all(b"\nbefore\n").unwrap();
        bound(&path).unwrap();
        qemu.write_all(b"after\n").unwrap();
        assert_eq!(tail(&path).unwrap(), "before\nafter\n");
    }

    #[test]
    fn what_steers_a_terminal_is_left_out() {
        assert_eq!(last_lines(b"\x1b[2Ja\x07b\r\n\xff\n"), "[2Jab\n\u{fffd}\n");
    }
}
