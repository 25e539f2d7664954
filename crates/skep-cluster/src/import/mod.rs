//! Machines of docker-machine's store, taken over without touching it.
//!
//! `config.json` (version 3) of docker-machine 0.16 is read by [`store`].

pub mod store;

use std::path::Path;

use skep_model::MachineName;

use crate::{ClusterError, Home, up::Options};

/// What came of one entry.
#[derive(Debug)]
pub struct Imported {
    /// Its directory's name.
    pub entry: String,
    /// The machine it became, or why it was not taken.
    pub outcome: Result<MachineName, String>,
}

/// Takes over the machines of the store at `from`: all, or those of `only`.
///
/// # Errors
/// [`ClusterError::Request`] if there is no such store. An entry that cannot be taken is no error.
pub async fn import(
    home: &Home,
    from: &Path,
    only: &[String],
    dry_run: bool,
    options: Options<'_>,
) -> Result<Vec<Imported>, ClusterError> {
    let _ = (home, from, only, dry_run, options);
    todo!("C")
}
