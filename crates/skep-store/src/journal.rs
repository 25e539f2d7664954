//! What was about to be made, what was made, what is gone again.
//!
//! One JSON object a line, appended and flushed to the disk before the effect it announces:
//!
//! ```text
//! {"intent":{"kind":"container","name":"skep-demo-worker1"}}
//! {"made":{"kind":"container","name":"skep-demo-worker1"}}
//! {"going":{"kind":"container","name":"skep-demo-worker1"}}
//! {"gone":{"kind":"container","name":"skep-demo-worker1"}}
//! ```
//!
//! A resource with an intent and no `gone` may exist and must be looked for by a command that
//! cleans up. One that is `going` was asked to be removed, which cannot be called back: a command
//! that needs it first completes the removal. A last line that was cut short by a crash announced
//! an effect that had not begun: the line is written, whole, before the effect.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{StoreError, file, kept};

/// Something outside the store that skep makes and must remove.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Resource {
    /// What it is, in its driver's words: `container`, `network`, `volume`.
    pub kind: String,
    pub name: String,
}

impl Resource {
    /// A resource of a kind, by name.
    pub fn new(kind: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind: kind.into(), name: name.into() }
    }
}

impl std::fmt::Display for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Intent(Resource),
    Made(Resource),
    Going(Resource),
    Gone(Resource),
}

/// What the last line about a resource says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Intent,
    Made,
    Going,
}

/// An open journal. Several may have the same one open, in other processes too: each line is one
/// write to a file that is opened for appending, so lines neither mix nor overwrite each other.
/// What the journal says as a whole is for those who keep the others from working meanwhile.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: std::sync::Mutex<File>,
}

impl Journal {
    /// Opens the journal at `path`, creating it if missing.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if let Some(directory) = path.parent() {
            file::create_private_dir(directory)?;
        }
        let open = || -> io::Result<File> {
            let mut file =
                OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
            // After a crash the last line may lack its end: what follows must not join it.
            if skep_read::bytes(path, skep_read::limit::JOURNAL)?
                .last()
                .is_some_and(|&byte| byte != b'\n')
            {
                file.write_all(b"\n")?;
            }
            Ok(file)
        };
        let file = open().map_err(StoreError::io("open", path))?;
        Ok(Self { path: path.to_owned(), file: std::sync::Mutex::new(file) })
    }

    /// Announces that `resource` is about to be made.
    ///
    /// # Errors
    /// [`StoreError::Io`]; the effect must then not be begun.
    pub fn intent(&self, resource: &Resource) -> Result<(), StoreError> {
        self.append(&Line::Intent(resource.clone()))
    }

    /// Records that `resource` has been made.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn made(&self, resource: &Resource) -> Result<(), StoreError> {
        self.append(&Line::Made(resource.clone()))
    }

    /// Announces that `resource` is about to be removed.
    ///
    /// # Errors
    /// [`StoreError::Io`]; the removal must then not be begun.
    pub fn going(&self, resource: &Resource) -> Result<(), StoreError> {
        self.append(&Line::Going(resource.clone()))
    }

    /// Records that `resource` is gone.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn gone(&self, resource: &Resource) -> Result<(), StoreError> {
        self.append(&Line::Gone(resource.clone()))
    }

    /// Everything announced and not gone, in the order it was announced. Lines that are not the
    /// journal's are passed over, with a notice: what they had announced is found by its labels.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn outstanding(&self) -> Result<Vec<Resource>, StoreError> {
        self.replay(|_| true)
    }

    /// What was being removed and is not gone: a command was interrupted, and the driver's program
    /// may be removing it still.
    ///
    /// # Errors
    /// As [`Journal::outstanding`].
    pub fn leaving(&self) -> Result<Vec<Resource>, StoreError> {
        self.replay(|stage| stage == Stage::Going)
    }

    /// As [`Journal::leaving`] of the journal at `path`, which may not be there. Touches nothing.
    ///
    /// # Errors
    /// As [`Journal::outstanding`].
    pub fn leaving_in(path: &Path) -> Result<Vec<Resource>, StoreError> {
        Self::look(path, |stage| stage == Stage::Going)
    }

    /// What was announced and neither made nor gone: a command was interrupted in between, and
    /// the driver's program may be making it still.
    ///
    /// # Errors
    /// As [`Journal::outstanding`].
    pub fn uncertain(&self) -> Result<Vec<Resource>, StoreError> {
        self.replay(|stage| stage == Stage::Intent)
    }

    /// What the journal at `path` says was made and is not gone; nothing if there is no journal.
    /// Touches nothing.
    ///
    /// # Errors
    /// As [`Journal::outstanding`].
    pub fn made_in(path: &Path) -> Result<Vec<Resource>, StoreError> {
        Self::look(path, |stage| stage == Stage::Made)
    }

    fn replay(&self, wanted: impl Fn(Stage) -> bool) -> Result<Vec<Resource>, StoreError> {
        Self::look(&self.path, wanted)
    }

    fn look(path: &Path, wanted: impl Fn(Stage) -> bool) -> Result<Vec<Resource>, StoreError> {
        let bytes = match skep_read::bytes(path, skep_read::limit::JOURNAL) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            read => read.map_err(StoreError::io("read", path))?,
        };
        let (found, foreign) = replay(&String::from_utf8_lossy(&bytes), wanted);
        if let Some(line) = foreign {
            kept::notice(format!(
                "{} is damaged (line {line}): what cannot be read of it is passed over, and what it \
                 announced is looked for by its labels",
                path.display()
            ));
        }
        Ok(found)
    }

    fn append(&self, line: &Line) -> Result<(), StoreError> {
        let write = || -> io::Result<()> {
            let mut text = serde_json::to_string(line)?;
            text.push('\n');
            let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            file.write_all(text.as_bytes())?;
            file.sync_data()
        };
        write().map_err(StoreError::io("write", &self.path))
    }
}

/// Everything announced and not gone that is at a `wanted` stage, and the first line that is not the
/// journal's.
fn replay(text: &str, wanted: impl Fn(Stage) -> bool) -> (Vec<Resource>, Option<usize>) {
    let mut foreign = None;
    let mut outstanding: Vec<(Resource, Stage)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let parsed = match serde_json::from_str::<Line>(line) {
            Ok(parsed) => parsed,
            // Cut short by a crash, and by nothing else: JSON that ends too early.
            Err(error) if error.is_eof() => continue,
            Err(_) => {
                foreign = foreign.or(Some(number + 1));
                continue;
            }
        };
        let (resource, stage) = match parsed {
            Line::Intent(resource) => (resource, Stage::Intent),
            Line::Made(resource) => (resource, Stage::Made),
            Line::Going(resource) => (resource, Stage::Going),
            Line::Gone(resource) => {
                outstanding.retain(|(other, _)| *other != resource);
                continue;
            }
        };
        match outstanding.iter_mut().find(|(other, _)| *other == resource) {
            Some((_, last)) => *last = stage,
            None => outstanding.push((resource, stage)),
        }
    }
    let outstanding = outstanding.into_iter().filter(|(_, stage)| wanted(*stage));
    (outstanding.map(|(resource, _)| resource).collect(), foreign)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn container(name: &str) -> Resource {
        Resource::new("container", name)
    }

    #[test]
    fn what_was_announced_and_is_not_gone_is_outstanding() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("journal");
        let journal = Journal::open(&path).unwrap();
        for name in ["a", "b", "c"] {
            journal.intent(&container(name)).unwrap();
        }
        journal.made(&container("a")).unwrap();
        journal.gone(&container("b")).unwrap();
        drop(journal);
        let again = Journal::open(&path).unwrap();
        assert_eq!(again.outstanding().unwrap(), [container("a"), container("c")]);
    }

    #[test]
    fn what_was_announced_and_not_made_is_uncertain() {
        let home = tempfile::tempdir().unwrap();
        let journal = Journal::open(&home.path().join("journal")).unwrap();
        for name in ["a", "b", "c"] {
            journal.intent(&container(name)).unwrap();
        }
        journal.made(&container("a")).unwrap();
        journal.gone(&container("b")).unwrap();
        assert_eq!(journal.uncertain().unwrap(), [container("c")]);
        assert_eq!(Journal::made_in(&journal.path).unwrap(), [container("a")]);
        assert_eq!(Journal::made_in(&home.path().join("none")).unwrap(), []);
        // What is asked for again may be on its way again.
        journal.intent(&container("a")).unwrap();
        assert_eq!(journal.uncertain().unwrap(), [container("a"), container("c")]);
    }

    #[test]
    fn what_was_to_be_removed_and_is_not_gone_is_leaving() {
        let home = tempfile::tempdir().unwrap();
        let journal = Journal::open(&home.path().join("journal")).unwrap();
        for name in ["a", "b", "c"] {
            journal.made(&container(name)).unwrap();
            journal.going(&container(name)).unwrap();
        }
        journal.gone(&container("b")).unwrap();
        assert_eq!(journal.leaving().unwrap(), [container("a"), container("c")]);
        assert_eq!(journal.uncertain().unwrap(), []);
        // It may still be there, and so it is looked for by the next command.
        assert_eq!(journal.outstanding().unwrap(), [container("a"), container("c")]);
        // Who makes it anew has seen the end of the old one.
        journal.intent(&container("a")).unwrap();
        assert_eq!(journal.leaving().unwrap(), [container("c")]);
    }

    proptest! {
        /// Killed after any byte, the journal still opens, and names every resource whose intent
        /// had reached the disk whole and that is not gone.
        #[test]
        fn a_journal_cut_anywhere_loses_nothing_that_was_begun(cut in 0usize..200) {
            let home = tempfile::tempdir().unwrap();
            let path = home.path().join("journal");
            let journal = Journal::open(&path).unwrap();
            journal.intent(&container("a")).unwrap();
            journal.made(&container("a")).unwrap();
            journal.intent(&container("b")).unwrap();
            let whole = fs_err::read(&path).unwrap();
            let cut = cut.min(whole.len());
            fs_err::write(&path, &whole[..cut]).unwrap();
            let first_end = whole.iter().position(|&b| b == b'\n').unwrap();
            let journal = Journal::open(&path).unwrap();
            journal.intent(&container("z")).unwrap();
            let left = journal.outstanding().unwrap();
            prop_assert_eq!(left.contains(&container("a")), cut >= first_end);
            prop_assert!(left.contains(&container("z")));
        }
    }

    #[test]
    fn a_foreign_line_is_passed_over_with_its_number() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("journal");
        fs_err::write(&path, b"{\"intent\":{\"kind\":\"x\",\"name\":\"y\"}}\n\xff\x00hello\n")
            .unwrap();
        let found = Journal::open(&path).unwrap().outstanding().unwrap();
        assert_eq!(found, [Resource::new("x", "y")]);
        let said = kept::notices();
        assert!(said.iter().any(|text| text.contains("line 2")), "{said:?}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_useless(noise in prop::collection::vec(any::<u8>(), 0..200)) {
            let home = tempfile::tempdir().unwrap();
            let path = home.path().join("journal");
            fs_err::write(&path, &noise).unwrap();
            let journal = Journal::open(&path).unwrap();
            journal.intent(&container("z")).unwrap();
            prop_assert!(journal.outstanding().unwrap().contains(&container("z")));
        }
    }
}
