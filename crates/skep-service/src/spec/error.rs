//! Why what is asked of a service cannot be asked.

use skep_engine::ApiVersion;

/// Why what is asked of a service makes no sense. Nothing was touched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Two options that exclude each other.
    #[error("{one} and {other} exclude each other")]
    Excludes {
        /// One.
        one: &'static str,
        /// The other, or what kind they are.
        other: &'static str,
    },
    /// An option that means nothing without another one.
    #[error("{one} needs {other}")]
    Needs {
        /// The option.
        one: &'static str,
        /// What it needs.
        other: &'static str,
    },
    /// An option for services of another mode. The words are docker's.
    #[error("{option} can only be used with {modes} mode")]
    Mode {
        /// The option, without dashes.
        option: &'static str,
        /// The modes that have it.
        modes: &'static str,
    },
    /// Jobs are not updated step by step. The words are docker's.
    #[error("update and rollback configuration is not supported for jobs")]
    JobRollout,
    /// The same thing twice.
    #[error("duplicate {what}: {name}")]
    Duplicate {
        /// What kind of thing.
        what: &'static str,
        /// Which.
        name: String,
    },
    /// More ports than there are.
    #[error("{count} ports are too many: at most {} are published", crate::spec::port::MAX_PORTS)]
    Ports {
        /// How many were asked for.
        count: usize,
    },
    /// A thing to be removed that is not there.
    #[error("the service has no {what} {name} to remove")]
    NotThere {
        /// What kind of thing.
        what: &'static str,
        /// Which.
        name: String,
    },
    /// The service is on that network already. The words are docker's.
    #[error("service is already attached to network {network}")]
    Attached {
        /// The network, as it was named.
        network: String,
    },
    /// The engine is too old for it, and would leave it out without a word.
    #[error("{option} needs an engine of API {needed} or newer, and this one speaks {found}")]
    Api {
        /// The option.
        option: &'static str,
        /// Since when engines know it.
        needed: ApiVersion,
        /// What the engine speaks.
        found: ApiVersion,
    },
}
