//! One Docker Engine and what is asked of it.

use std::{fmt, path::Path, time::Duration};

use hyper::{
    Method, Request, Response,
    body::{Bytes, Incoming},
    header::HeaderValue,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{
    error::EngineError,
    info::EngineInfo,
    pieces::{Pieces, frames},
    stream::EngineStream,
    version::ApiVersion,
    wire::{Answer, Ask, Body, Wire},
};

/// How long one request may take unless [`Engine::with_deadline`] says otherwise. It is longer
/// than the 20 s an engine gives its own requests to the swarm's managers, so that the engine's
/// reason arrives before this runs out.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(30);

/// A Docker Engine that answered. Clones share its connections.
#[derive(Clone)]
pub struct Engine {
    pub(crate) wire: Wire,
    version: ApiVersion,
    release: String,
    deadline: Duration,
    registry_auth: Option<HeaderValue>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("socket", &self.socket())
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl Engine {
    pub(crate) fn new(wire: Wire, version: ApiVersion, release: String) -> Self {
        Self { wire, version, release, deadline: REQUEST_DEADLINE, registry_auth: None }
    }

    /// The same engine, on the same connections, with another deadline for each request.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// The same engine, on the same connections, with a registry's credentials in each request: an
    /// `AuthConfig` as JSON in URL-safe base64, which becomes `X-Registry-Auth`. Those of
    /// [`Engine::pass_on`] do not carry it. A text that cannot be a header is left out.
    #[must_use]
    pub fn with_registry_auth(&self, auth: &SecretString) -> Self {
        let header = HeaderValue::from_str(auth.expose_secret()).ok().map(|mut header| {
            // Its `Debug` then shows nothing.
            header.set_sensitive(true);
            header
        });
        Self { registry_auth: header, ..self.clone() }
    }

    /// Whether requests carry a registry's credentials.
    pub fn has_registry_auth(&self) -> bool {
        self.registry_auth.is_some()
    }

    /// The socket it answers on.
    pub fn socket(&self) -> &Path {
        self.wire.socket()
    }

    /// The API version that is spoken with it.
    pub fn api_version(&self) -> ApiVersion {
        self.version
    }

    /// The engine's own release, as `20.10.24+dfsg1`; empty where it did not say.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// Sends a request that another client of the API has made, bollard say, over the same connections
    /// and in the same API version, which is put before its path. It has no deadline.
    ///
    /// # Errors
    /// Those of the connection; a refusal is an answer.
    pub async fn pass_on(
        &self,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, hyper_util::client::legacy::Error> {
        self.wire.pass_on(self.version, request).await
    }

    /// What the engine says about itself and its host.
    ///
    /// # Errors
    /// As [`Engine::get_json`].
    pub async fn info(&self, cancel: &CancellationToken) -> Result<EngineInfo, EngineError> {
        self.get_json("/info", &[], cancel).await
    }

    /// Gets `path` (from the root, without a version: `/nodes`) and reads the answer as JSON.
    /// With `serde_json::Value` nothing is lost and the order of fields is kept.
    ///
    /// # Errors
    /// See [`EngineError`]; [`EngineError::Api`] if the engine refuses.
    pub async fn get_json<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
        cancel: &CancellationToken,
    ) -> Result<T, EngineError> {
        let ask = Ask::new(Method::GET, path, query);
        let name = ask.name();
        let answer = self.send(ask, cancel).await?;
        serde_json::from_slice(&answer.body).map_err(|error| EngineError::json(&name, &error))
    }

    /// Gets `path` as a stream that may go on for ever, as logs and events do. The deadline holds
    /// for the head of the answer only; the body comes when it comes.
    ///
    /// # Errors
    /// As [`Engine::get_json`], for the head of the answer.
    pub async fn get_stream(
        &self,
        path: &str,
        query: &[(&str, &str)],
        cancel: &CancellationToken,
    ) -> Result<EngineStream, EngineError> {
        let ask = Ask::new(Method::GET, path, query);
        let request = ask.name();
        let answer = self.wire.open(Some(self.version), ask, self.deadline, cancel).await?;
        Ok(EngineStream::new(self.wire.clone(), request, answer.into_body(), cancel.clone()))
    }

    /// Posts `body` as JSON to `path` and reads the answer: `Value::Null` where it is empty.
    /// A body of `()` posts nothing.
    ///
    /// # Errors
    /// As [`Engine::get_json`].
    pub async fn post_json(
        &self,
        path: &str,
        query: &[(&str, &str)],
        body: &(impl Serialize + Sync),
        cancel: &CancellationToken,
    ) -> Result<Value, EngineError> {
        let name = format!("POST {path}");
        let body = serde_json::to_vec(body).map_err(|error| EngineError::json(&name, &error))?;
        let body = Some(body).filter(|body| body != b"null");
        let ask = Ask { body, ..Ask::new(Method::POST, path, query) };
        let answer = self.send(ask, cancel).await?;
        if answer.body.trim_ascii().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answer.body).map_err(|error| EngineError::json(&name, &error))
    }

    /// Posts `pieces` to `path` as they come, and returns the whole answer. There is no deadline:
    /// how long it takes is up to the sender of the pieces. An answer that comes before the last
    /// piece ends it.
    ///
    /// # Errors
    /// As [`Engine::get_json`].
    pub async fn post_stream(
        &self,
        path: &str,
        query: &[(&str, &str)],
        content_type: &'static str,
        pieces: Pieces,
        cancel: &CancellationToken,
    ) -> Result<Bytes, EngineError> {
        let ask = Ask::new(Method::POST, path, query);
        let name = ask.name();
        let sent = self.wire.post(self.version, ask, content_type, frames(pieces), cancel).await?;
        Ok(sent.accepted(&name)?.body)
    }

    /// Deletes what is at `path`.
    ///
    /// # Errors
    /// As [`Engine::get_json`].
    pub async fn delete(
        &self,
        path: &str,
        query: &[(&str, &str)],
        cancel: &CancellationToken,
    ) -> Result<(), EngineError> {
        let ask = Ask::new(Method::DELETE, path, query);
        self.send(ask, cancel).await.map(drop)
    }

    async fn send(&self, ask: Ask<'_>, cancel: &CancellationToken) -> Result<Answer, EngineError> {
        let name = ask.name();
        let ask = Ask { registry_auth: self.registry_auth.clone(), ..ask };
        self.wire.send(Some(self.version), ask, self.deadline, cancel).await?.accepted(&name)
    }
}
