//! State on disk, and nothing about what the state means.
//!
//! ```
//! use skep_store::{Journal, Resource, StoreError};
//!
//! # let directory = tempfile::tempdir().unwrap();
//! # let path = directory.path().join("journal");
//! let journal = Journal::open(&path)?;
//! let (network, container) = (Resource::new("network", "demo"), Resource::new("container", "web1"));
//! journal.intent(&network)?;
//! journal.made(&network)?;
//! journal.intent(&container)?; // and here the process is killed
//!
//! let left = Journal::open(&path)?.outstanding()?;
//! assert_eq!(left, [network, container]);
//! # Ok::<_, StoreError>(())
//! ```
//!
//! - [`mod@file`]: files that are written whole or not at all, readable by their owner only;
//!   [`read_json`] and [`write_json`] for those that carry `schema = N`.
//! - [`kept`]: second copies of what cannot be made again.
//! - [`lock`]: advisory locks that say who holds them.
//! - [`journal`]: what was about to be made, what was made, what is gone again; a process killed
//!   between any two lines leaves a journal that says exactly what may have been left behind.
//! - [`layout`]: where everything lies under the store's root.
//!
//! **Never here:** the meaning of a record (each crate owns the structs it writes), the
//! environment or home directory (the root is handed in), a secret in an error's text.

pub mod file;
pub mod journal;
mod json;
pub mod kept;
pub mod layout;
pub mod lock;

use std::{io, path::PathBuf};

pub use file::write_private;
pub use journal::{Journal, Resource};
pub use json::{read_json, write_json, write_record};
pub use layout::Layout;
pub use lock::Lock;

/// Why the store could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    #[error("cannot {action} {}", .path.display())]
    Io {
        /// What was tried: `read`, `write`, `lock`.
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The file is not what it should be: cut short, or edited by hand.
    #[error("{} is damaged: {reason}", .path.display())]
    Damaged { path: PathBuf, reason: String },
    /// The file was written by a newer skep.
    #[error(
        "{} has schema {found}; this skep knows schemas up to {known}: use the skep that wrote it, or a newer one",
        .path.display()
    )]
    NewerSchema { path: PathBuf, found: u64, known: u64 },
    #[error("{what} is in use by another skep{}", holder_text(.holder))]
    Locked {
        /// What is locked: `cluster skep`.
        what: String,
        /// Who holds it: `process 4711, skep up`; empty if it did not say.
        holder: String,
    },
}

fn holder_text(holder: &str) -> String {
    if holder.is_empty() { String::new() } else { format!(" ({holder})") }
}

impl StoreError {
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| StoreError::Io { action, path, source }
    }
}
