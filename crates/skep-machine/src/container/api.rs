//! bollard's errors in the words of `skep-engine`.

use bollard::errors::Error as ApiError;
use skep_engine::EngineError;

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
