//! What exists on the host and in its engine, queried without any of skep's own code: through the
//! docker CLI, `/proc` and directories.

use std::{fmt::Write as _, os::unix::fs::FileTypeExt, path::Path};

use crate::Run;

/// The docker CLI on the host's engine.
pub fn docker<'a>(args: impl IntoIterator<Item = &'a str>) -> Run {
    Run::program("docker").args(args)
}

/// Everything in the host's engine with a label (`skep`, or `skep=ID`): one line each,
/// `container NAME`, `volume NAME`, `network NAME`, containers first.
///
/// # Panics
/// If the engine cannot be asked.
#[track_caller]
pub fn labelled(label: &str) -> Vec<String> {
    let filter = format!("label={label}");
    let kinds: [(&str, &[&str], &str); 3] = [
        ("container", &["ps", "--all"], "{{.Names}}"),
        ("volume", &["volume", "ls"], "{{.Name}}"),
        ("network", &["network", "ls"], "{{.Name}}"),
    ];
    let mut found = Vec::new();
    for (kind, list, format) in kinds {
        let names =
            docker(list.iter().copied()).args(["--filter", &filter, "--format", format]).succeeds();
        found.extend(names.lines().iter().map(|name| format!("{kind} {name}")));
    }
    found
}

/// Removes everything that [`labelled`] finds, as far as the engine lets it.
pub fn remove_labelled(label: &str) {
    for line in labelled(label) {
        if let Some((kind, name)) = line.split_once(' ') {
            remove(kind, name);
        }
    }
}

/// Removes one container, volume or network, as far as the engine lets it.
pub fn remove(kind: &str, name: &str) {
    let command: &[&str] = match kind {
        "container" => &["rm", "--force", "--volumes"],
        "volume" => &["volume", "rm", "--force"],
        _ => &["network", "rm"],
    };
    docker(command.iter().copied()).args([name]).ends();
}

/// Whether the engine has a container, volume or network of a name.
pub fn has(kind: &str, name: &str) -> bool {
    docker([kind, "inspect", "--format", "present", name]).ends().code == Some(0)
}

/// One field of a container, volume or network, as `docker inspect --format` prints it.
///
/// # Panics
/// If there is no such thing.
#[track_caller]
pub fn inspect(kind: &str, name: &str, format: &str) -> String {
    docker([kind, "inspect", "--format", format, name]).succeeds().text().to_owned()
}

/// Every process whose command line has `text`, one line each: its number and its command line.
pub fn processes_with(text: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // A process that has just ended has no command line.
        let Ok(bytes) = std::fs::read(entry.path().join("cmdline")) else { continue };
        let line = String::from_utf8_lossy(&bytes).replace('\0', " ");
        if line.contains(text) {
            found.push(format!("{pid} {}", line.trim_end()));
        }
    }
    found
}

/// Every unix socket below a directory.
pub fn sockets_below(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            found.extend(sockets_below(&entry.path()));
        } else if kind.is_socket() {
            found.push(entry.path().display().to_string());
        }
    }
    found
}

/// Lines as an indented block, for messages.
pub fn block(lines: &[String]) -> String {
    lines.iter().fold(String::new(), |mut text, line| {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {line}");
        text
    })
}
