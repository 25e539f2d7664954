//! Finding out whether, and what, answers on a socket.

use std::{path::Path, time::Duration};

use hyper::Method;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    engine::Engine,
    error::EngineError,
    version::{self, ApiVersion},
    wire::{Answer, Ask, Wire},
};

/// How often a socket that does not answer yet is tried again. A try on a missing socket is one
/// system call.
const INTERVAL: Duration = Duration::from_millis(25);

/// How long one try may be silent. dockerd accepts connections before it answers them, so a try
/// waits for that; a forward whose far end has gone may stay silent for ever, so not for long.
const SILENCE: Duration = Duration::from_secs(1);

const PING: &str = "/_ping";

impl Engine {
    /// Connects to the engine on `socket` and agrees on an API version, in one request.
    ///
    /// # Errors
    /// [`EngineError::NoSocket`], [`EngineError::Refused`], [`EngineError::Denied`],
    /// [`EngineError::NotAnEngine`], [`EngineError::TooOld`], [`EngineError::Deadline`],
    /// [`EngineError::Cancelled`], [`EngineError::Broken`].
    pub async fn connect(
        socket: &Path,
        deadline: Duration,
        cancel: &CancellationToken,
    ) -> Result<Engine, EngineError> {
        greet(&Wire::new(socket), deadline, cancel).await
    }

    /// Waits until the engine on `socket` answers, then is as [`Engine::connect`].
    ///
    /// # Errors
    /// As [`Engine::connect`]; [`EngineError::Deadline`] carries what stood in the way last.
    /// What waiting cannot mend ([`EngineError::may_pass`]) ends the wait at once.
    pub async fn wait(
        socket: &Path,
        deadline: Duration,
        cancel: &CancellationToken,
    ) -> Result<Engine, EngineError> {
        let end = Instant::now() + deadline;
        let wire = Wire::new(socket);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let error = match greet(&wire, SILENCE.min(left), cancel).await {
                Err(error) if error.may_pass() => error,
                ended => return ended,
            };
            // A try that is not given the time to fail would hide the reason of the one before.
            if end.saturating_duration_since(Instant::now()) <= 2 * INTERVAL {
                return Err(EngineError::Deadline {
                    socket: socket.to_owned(),
                    request: format!("GET {PING}"),
                    deadline,
                    reason: reason(&error),
                });
            }
            // The next try sees a cancellation.
            let _ = tokio::time::timeout(INTERVAL, cancel.cancelled()).await;
        }
    }
}

async fn greet(
    wire: &Wire,
    deadline: Duration,
    cancel: &CancellationToken,
) -> Result<Engine, EngineError> {
    let ask = Ask::new(Method::GET, PING, &[]);
    let name = ask.name();
    let answer = wire.send(None, ask, deadline, cancel).await?;
    let not_an_engine =
        |found: String| EngineError::NotAnEngine { socket: wire.socket().to_owned(), found };
    if answer.header("libpod-api-version").is_some() {
        return Err(not_an_engine(
            "it is Podman, which has no swarm mode; install Docker Engine".to_owned(),
        ));
    }
    let Some(text) = answer.header("api-version") else {
        let status = answer.head.status();
        return Err(match answer.accepted(&name) {
            // An engine that is not up yet, or a proxy in front of one.
            Err(error) if error.may_pass() => error,
            _ => not_an_engine(format!("it answered {status} without an API version")),
        });
    };
    let newest: ApiVersion = text.parse().map_err(|error| not_an_engine(format!("{error}")))?;
    if newest < version::MINIMUM {
        return Err(EngineError::TooOld { socket: wire.socket().to_owned(), found: newest });
    }
    let release = release(&answer).to_owned();
    answer.accepted(&name)?;
    Ok(Engine::new(wire.clone(), newest.negotiated(), release))
}

/// The engine's release in its `Server: Docker/20.10.24 (linux)` header.
fn release(answer: &Answer) -> &str {
    let server = answer.header("server").unwrap_or_default();
    server
        .strip_prefix("Docker/")
        .and_then(|rest| rest.split_whitespace().next())
        .unwrap_or_default()
}

/// What stood in the way, in a few words: the fix of a lasting error would mislead in a wait.
fn reason(error: &EngineError) -> String {
    match error {
        EngineError::NoSocket { .. } => "there is no such socket".to_owned(),
        EngineError::Refused { .. } => "connection refused".to_owned(),
        EngineError::Denied { .. } => "permission denied".to_owned(),
        EngineError::Deadline { reason, .. } => reason.clone(),
        EngineError::Broken { source, .. } => source.to_string(),
        EngineError::Api { status, message, .. } => format!("{status}: {message}"),
        other => other.to_string(),
    }
}
