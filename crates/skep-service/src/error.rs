//! Why something about services came to nothing.

use skep_engine::EngineError;

use crate::{kind::Kind, spec::SpecError};

/// Why an operation on services failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The engine could not be asked, or refused.
    #[error("cannot {action}")]
    Engine {
        action: &'static str,
        #[source]
        source: EngineError,
    },
    /// Nothing of that name or identifier. The first words are docker's.
    #[error("no such {kind}: {name}")]
    Unknown { kind: Kind, name: String },
    /// Several begin so.
    #[error("{kind} {name} is ambiguous ({} matches found: {}); give the whole ID", .matches.len(), .matches.join(", "))]
    Ambiguous {
        kind: Kind,
        /// The beginning of identifiers.
        name: String,
        /// Names and identifiers of those that begin so.
        matches: Vec<String>,
    },
    /// What is asked makes no sense. Nothing was touched.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A port that another service has. Nothing was touched.
    #[error("port {port}/{protocol} is published by service {service} already")]
    PortInUse {
        port: u16,
        /// `tcp`
        protocol: String,
        service: String,
    },
    /// The registry was asked for an image and says that there is none, or none for this user.
    #[error("image {image} cannot be had: its registry says: {message}")]
    NoImage { image: String, message: String, denied: bool },
    /// The engine answers without what its API promises.
    #[error("the engine's answer to \"{action}\" has no {field}")]
    Answer { action: &'static str, field: &'static str },
    /// Another client changes the service again and again. The last words are the engine's.
    #[error(
        "service {service} was changed by somebody else {times} times in a row: update out of sequence"
    )]
    OutOfSequence { service: String, times: u32 },
    /// Neither a service nor a task is meant. The words are docker's.
    #[error("no such task or service: {name}")]
    NoLog { name: String },
}

impl ServiceError {
    /// An engine's error, as [`Result::map_err`] takes it.
    pub(crate) fn of(action: &'static str) -> impl FnOnce(EngineError) -> Self {
        move |source| ServiceError::Engine { action, source }
    }

    /// Whether the work was cancelled.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, ServiceError::Engine { source: EngineError::Cancelled { .. }, .. })
    }
}
