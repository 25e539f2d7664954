//! Why an engine could not be reached, or did not do what was asked.

use std::{io, path::PathBuf, time::Duration};

use crate::{
    EndpointError,
    version::{self, ApiVersion},
};

/// Why a request to a Docker Engine came to nothing. Bodies of requests never appear in one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// `DOCKER_HOST` names no endpoint that can be used.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// There is nothing at the socket's path.
    #[error(
        "there is no Docker Engine at {}: no such socket; install Docker Engine (Debian: `apt install docker.io`) and start it",
        .socket.display()
    )]
    NoSocket { socket: PathBuf },
    /// The socket is there and no process listens on it.
    #[error(
        "the Docker Engine at {} does not run: connection refused; start it with `sudo systemctl start docker` or `sudo service docker start`",
        .socket.display()
    )]
    Refused { socket: PathBuf },
    /// The socket may not be used by this user.
    #[error(
        "no permission to use the Docker Engine at {}: join its group with `sudo usermod -aG docker $USER` and log in again, or use sudo",
        .socket.display()
    )]
    Denied { socket: PathBuf },
    /// Something answered that is not a Docker Engine.
    #[error("what answers at {} is not a Docker Engine: {found}", .socket.display())]
    NotAnEngine { socket: PathBuf, found: String },
    /// The engine is older than skep can work with.
    #[error(
        "the Docker Engine at {} is too old: it speaks API {found}, and {} or newer is needed; upgrade it to Docker Engine 20.10 or newer",
        .socket.display(), version::MINIMUM
    )]
    TooOld { socket: PathBuf, found: ApiVersion },
    #[error(
        "the Docker Engine at {} did not answer `{request}` within {} s: {reason}",
        .socket.display(), .deadline.as_secs_f32()
    )]
    Deadline {
        socket: PathBuf,
        /// What was asked: method and path, never a body.
        request: String,
        deadline: Duration,
        /// What the last try saw.
        reason: String,
    },
    #[error("`{request}` was interrupted")]
    Cancelled { request: String },
    /// The connection failed in another way, or broke off before the answer was complete.
    #[error("the connection to the Docker Engine at {} broke off during `{request}`", .socket.display())]
    Broken {
        socket: PathBuf,
        request: String,
        #[source]
        source: io::Error,
    },
    #[error("the Docker Engine refused `{request}` ({status}): {message}")]
    Api {
        request: String,
        status: u16,
        /// The engine's message, join tokens and unlock keys masked.
        message: String,
    },
    /// The answer, or the request, is not the JSON it should be.
    #[error("unexpected JSON in `{request}` at line {line}, column {column}: {expected}")]
    Json {
        request: String,
        /// Line of the JSON, from 1.
        line: usize,
        /// Column of the JSON, from 1.
        column: usize,
        /// What kind of mistake it is, without the offending text.
        expected: &'static str,
    },
}

impl EngineError {
    /// The engine's status and message, where it was the engine that refused.
    pub fn api(&self) -> Option<(u16, &str)> {
        match self {
            EngineError::Api { status, message, .. } => Some((*status, message)),
            _ => None,
        }
    }

    /// Whether the same request may succeed a moment later, while an engine starts: everything
    /// but an engine that answered and will not do.
    pub fn may_pass(&self) -> bool {
        match self {
            EngineError::NoSocket { .. }
            | EngineError::Refused { .. }
            | EngineError::Denied { .. }
            | EngineError::Deadline { .. }
            | EngineError::Broken { .. } => true,
            EngineError::Api { status, .. } => *status >= 500,
            EngineError::Endpoint(_)
            | EngineError::NotAnEngine { .. }
            | EngineError::TooOld { .. }
            | EngineError::Cancelled { .. }
            | EngineError::Json { .. } => false,
        }
    }

    pub(crate) fn json(request: &str, error: &serde_json::Error) -> Self {
        use serde_json::error::Category;
        // serde's own text quotes the value it stumbled over, which may be a secret.
        let expected = match error.classify() {
            Category::Io => "it could not be read",
            Category::Syntax => "it is not JSON",
            Category::Data => "a field has another type than the API documents",
            Category::Eof => "it ends too early",
        };
        EngineError::Json {
            request: request.to_owned(),
            line: error.line(),
            column: error.column(),
            expected,
        }
    }
}

/// The text with each join token (`SWMTKN-…`) and unlock key (`SWMKEY-…`) masked.
pub(crate) fn masked(text: &str) -> String {
    let mut rest = text;
    let mut out = String::with_capacity(text.len());
    while let Some(at) = ["SWMTKN-", "SWMKEY-"].iter().filter_map(|mark| rest.find(mark)).min() {
        let (before, secret) = rest.split_at(at);
        let is_part = |c: char| c.is_ascii_alphanumeric() || "-+/=".contains(c);
        let end = secret.find(|c| !is_part(c)).unwrap_or(secret.len());
        out.push_str(before);
        out.push_str("***");
        rest = &secret[end..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_secret_is_masked() {
        assert_eq!(
            masked("token SWMTKN-1-0abc-9xyz: refused, key \"SWMKEY-1-a+/b=\""),
            "token ***: refused, key \"***\""
        );
        assert_eq!(masked("no manager"), "no manager");
    }

    #[test]
    fn a_json_error_does_not_quote_the_value() {
        let error = serde_json::from_str::<u32>("\"SWMTKN-1-a-b\"").unwrap_err();
        assert!(error.to_string().contains("SWMTKN"), "serde quotes it, so it must be kept out");
        let error = EngineError::json("GET /swarm", &error);
        assert!(!error.to_string().contains("SWMTKN"), "{error}");
    }

    proptest! {
        #[test]
        fn no_token_survives(before in ".{0,20}", token in "[0-9a-z]{5,50}-[0-9a-z]{5,25}", after in "[ ,.:;\"].{0,20}") {
            let text = masked(&format!("{before}SWMTKN-1-{token}{after}"));
            prop_assert!(!text.contains(&token));
            prop_assert!(text.ends_with(&masked(&after)));
        }
    }
}
