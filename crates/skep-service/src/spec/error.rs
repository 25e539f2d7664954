//! Why what is asked of a service cannot be asked.

use skep_engine::ApiVersion;

/// Why what is asked of a service makes no sense. Nothing was touched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    #[error("{one} and {other} exclude each other")]
    Excludes { one: &'static str, other: &'static str },
    /// An option that means nothing without another one.
    #[error("{one} needs {other}")]
    Needs { one: &'static str, other: &'static str },
    /// An option for services of another mode. The words are docker's.
    #[error("{option} can only be used with {modes} mode")]
    Mode { option: &'static str, modes: &'static str },
    /// Jobs are not updated step by step. The words are docker's.
    #[error("update and rollback configuration is not supported for jobs")]
    JobRollout,
    #[error("duplicate {what}: {name}")]
    Duplicate { what: &'static str, name: String },
    #[error("{count} ports are too many: at most {} are published", crate::spec::port::MAX_PORTS)]
    Ports { count: usize },
    /// A thing to be removed that is not there.
    #[error("the service has no {what} {name} to remove")]
    NotThere { what: &'static str, name: String },
    /// The service is on that network already. The words are docker's.
    #[error("service is already attached to network {network}")]
    Attached { network: String },
    /// The engine is too old for it, and would leave it out without a word.
    #[error("{option} needs an engine of API {needed} or newer, and this one speaks {found}")]
    Api { option: &'static str, needed: ApiVersion, found: ApiVersion },
}
