//! What a service is asked to be: the values that docker's flags take, read and written as JSON.
//!
//! Each value is a type with [`FromStr`](std::str::FromStr), whose error names the text and says
//! what to write. [`Options`] holds them all. [`ServiceCreate`] makes the JSON of a new service of
//! them, [`ServiceUpdate`] changes the JSON that an engine returned, and nothing else in it.
//!
//! Forms and defaults are those of the docker CLI 26.1 (`cli/command/service/opts.go`,
//! `update.go`); fields are those of the Docker Engine API's `ServiceSpec`.
//!
//! **Start reading** at [`ServiceCreate::spec`] and [`ServiceUpdate::apply`].

pub mod attached;
mod command;
pub mod container;
pub mod create;
mod edit;
pub mod env;
pub mod error;
pub mod image;
mod json;
pub mod mount;
pub mod options;
mod policy;
pub mod port;
pub mod update;
pub mod value;

use std::collections::BTreeMap;

pub use attached::{Attachment, FileReference};
pub use container::{CredentialSpec, GenericResource, Host, Preference, Ulimit};
pub use create::{NewMode, ServiceCreate};
pub use error::SpecError;
pub use mount::{BindOptions, DriverConfig, Mount, TmpfsOptions, VolumeOptions};
pub use options::{Health, Options, Removals, Resources, Restart, Rollout};
pub use port::Ports;
pub use update::ServiceUpdate;
pub use value::{Cpus, KeyValue, Label, Memory, PositiveSpan, Ratio, Span, ValueError, Words};

/// Identifiers of what options name, by the names that were written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolved {
    pub networks: BTreeMap<String, String>,
    pub secrets: BTreeMap<String, String>,
    pub configs: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests;
