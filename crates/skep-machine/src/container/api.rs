//! bollard over the connections of `skep-engine`, and its errors in that one's words.
//!
//! bollard's own transport opens a connection for each request and leaves the API version out of the
//! path, so that a newer engine answers in its newest version.

use std::{io, time::Duration};

use bollard::{ClientVersion, Docker, errors::Error as ApiError};
use skep_engine::{Engine, EngineError};

/// How long the head of an answer is waited for; a body may stream for as long as it likes.
const HEAD: Duration = Duration::from_secs(120);

/// bollard's typed client of an engine, for what is only read or created: its models drop fields
/// they do not know. Nothing secret goes through it: it logs bodies at debug level.
pub(super) fn client(engine: &Engine) -> Result<Docker, EngineError> {
    let (version, engine) = (engine.api_version(), engine.clone());
    let socket = engine.socket().to_path_buf();
    let version =
        ClientVersion { major_version: version.major.into(), minor_version: version.minor.into() };
    let transport = move |request| {
        let engine = engine.clone();
        async move { Ok(engine.pass_on(request).await?) }
    };
    let address = Some("http://engine");
    Docker::connect_with_custom_transport(transport, address, HEAD.as_secs(), &version).map_err(
        |error| EngineError::Broken {
            socket,
            request: "connect".into(),
            source: io::Error::other(error),
        },
    )
}

/// An error of `request` (`create the container`), for `map_err`.
pub(super) fn api(request: &'static str) -> impl Fn(ApiError) -> EngineError {
    move |error| match error {
        ApiError::DockerResponseServerError { status_code, message } => {
            EngineError::Api { request: request.into(), status: status_code, message }
        }
        ApiError::DockerStreamError { error } => {
            EngineError::Api { request: request.into(), status: 200, message: error }
        }
        other => EngineError::Broken {
            socket: "docker.sock".into(),
            request: request.into(),
            source: std::io::Error::other(other),
        },
    }
}

pub(super) fn is_status(error: &ApiError, status: u16) -> bool {
    matches!(error, ApiError::DockerResponseServerError { status_code, .. } if *status_code == status)
}

/// What is not there needs no removing.
pub(super) fn gone_is_fine(result: Result<(), ApiError>) -> Result<(), ApiError> {
    match result {
        Err(error) if is_status(&error, 404) => Ok(()),
        other => other,
    }
}
