//! HTTP over a unix socket, with connections kept open between requests.
//!
//! Through a forwarded socket a connection costs a round trip.

use std::{
    io,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use futures_util::Stream;
use http_body_util::{BodyExt, Either, Full, LengthLimitError, Limited, StreamBody};
use hyper::{
    Method, Request, Response, Uri,
    body::{Bytes, Frame, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
};
use hyper_util::{
    client::legacy::{Client, Error as ClientError},
    rt::TokioExecutor,
};
use hyperlocal::UnixConnector;
use skep_read::limit;
use tokio_util::sync::CancellationToken;

use crate::{
    error::{EngineError, masked},
    version::ApiVersion,
};

/// How much of an engine's refusal an error repeats, in bytes.
const LONGEST_REFUSAL: usize = 8 * 1024;

/// The body of a request, whole or in pieces.
pub type Body = Either<Full<Bytes>, StreamBody<Frames>>;

/// A body that comes piece by piece.
pub type Frames = Pin<Box<dyn Stream<Item = io::Result<Frame<Bytes>>> + Send>>;

/// One engine's socket and the connections to it. Clones share the connections.
#[derive(Clone)]
pub(crate) struct Wire {
    client: Client<UnixConnector, Body>,
    socket: Arc<Path>,
}

pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    /// From the root, without a version: `/nodes`.
    pub(crate) path: &'a str,
    pub(crate) query: &'a [(&'a str, &'a str)],
    pub(crate) body: Option<Vec<u8>>,
    /// A registry's credentials, for requests in which the engine asks one.
    pub(crate) registry_auth: Option<HeaderValue>,
}

impl<'a> Ask<'a> {
    pub(crate) fn new(method: Method, path: &'a str, query: &'a [(&'a str, &'a str)]) -> Self {
        Self { method, path, query, body: None, registry_auth: None }
    }

    /// What errors call it: method and path, neither query nor body.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

pub(crate) struct Answer {
    pub(crate) head: Response<()>,
    pub(crate) body: Bytes,
}

impl Wire {
    pub(crate) fn new(socket: &Path) -> Self {
        let client = Client::builder(TokioExecutor::new()).build(UnixConnector);
        Self { client, socket: socket.into() }
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Makes a request and reads its answer, whatever its status is.
    pub(crate) async fn send(
        &self,
        version: Option<ApiVersion>,
        ask: Ask<'_>,
        deadline: Duration,
        cancel: &CancellationToken,
    ) -> Result<Answer, EngineError> {
        let name = ask.name();
        let work = async {
            let response = self.begin(version, ask, &name).await?;
            self.whole(response, &name).await
        };
        self.in_time(&name, deadline, cancel, work).await
    }

    /// Makes a request and reads the head of its answer; the body is read by the caller.
    ///
    /// A refusal has its whole body read here, so that an error can give its reason.
    pub(crate) async fn open(
        &self,
        version: Option<ApiVersion>,
        ask: Ask<'_>,
        deadline: Duration,
        cancel: &CancellationToken,
    ) -> Result<Response<Incoming>, EngineError> {
        let name = ask.name();
        let work = async {
            let response = self.begin(version, ask, &name).await?;
            if response.status().is_success() {
                return Ok(response);
            }
            Err(self.whole(response, &name).await?.refused(&name))
        };
        self.in_time(&name, deadline, cancel, work).await
    }

    /// Sends a request and reads the head of its answer.
    async fn begin(
        &self,
        version: Option<ApiVersion>,
        ask: Ask<'_>,
        name: &str,
    ) -> Result<Response<Incoming>, EngineError> {
        let request = self.request(version, ask).map_err(|source| self.broken(name, source))?;
        self.client.request(request).await.map_err(|error| self.failed(name, &error))
    }

    async fn whole(&self, response: Response<Incoming>, name: &str) -> Result<Answer, EngineError> {
        let (parts, body) = response.into_parts();
        let limit = usize::try_from(limit::ENGINE_ANSWER).unwrap_or(usize::MAX);
        let body = Limited::new(body, limit).collect().await.map_err(|error| match error
            .is::<LengthLimitError>(
        ) {
            true => self.too_long(name),
            false => self.broken(name, io::Error::other(error)),
        })?;
        Ok(Answer { head: Response::from_parts(parts, ()), body: body.to_bytes() })
    }

    /// Makes a request whose body comes piece by piece, and reads its whole answer.
    pub(crate) async fn post(
        &self,
        version: ApiVersion,
        ask: Ask<'_>,
        content_type: &'static str,
        body: Frames,
        cancel: &CancellationToken,
    ) -> Result<Answer, EngineError> {
        let name = ask.name();
        let work = async {
            let request = self.request(Some(version), ask);
            let (mut head, _) = request.map_err(|source| self.broken(&name, source))?.into_parts();
            head.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            let request = Request::from_parts(head, Either::Right(StreamBody::new(body)));
            let response =
                self.client.request(request).await.map_err(|error| self.failed(&name, &error))?;
            self.whole(response, &name).await
        };
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(EngineError::Cancelled { request: name.clone() }),
            ended = work => ended,
        }
    }

    /// The outcome of `work` for a request, unless it is cancelled or takes too long.
    async fn in_time<T>(
        &self,
        name: &str,
        deadline: Duration,
        cancel: &CancellationToken,
        work: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<T, EngineError> {
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(EngineError::Cancelled { request: name.to_owned() }),
            ended = tokio::time::timeout(deadline, work) => ended.unwrap_or_else(|_| {
                Err(EngineError::Deadline {
                    socket: self.socket.to_path_buf(),
                    request: name.to_owned(),
                    deadline,
                    reason: "it accepted the connection and stayed silent".to_owned(),
                })
            }),
        }
    }

    /// Passes a request of another client's on, with the version put into its path.
    pub(crate) async fn pass_on(
        &self,
        version: ApiVersion,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, ClientError> {
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        parts.uri = address(&self.socket, &format!("/v{version}{path}"));
        self.client.request(Request::from_parts(parts, body)).await
    }

    fn request(&self, version: Option<ApiVersion>, ask: Ask<'_>) -> io::Result<Request<Body>> {
        let mut path = version.map_or_else(String::new, |version| format!("/v{version}"));
        path.push_str(ask.path);
        if !ask.query.is_empty() {
            path.push('?');
            path.push_str(
                &form_urlencoded::Serializer::new(String::new()).extend_pairs(ask.query).finish(),
            );
        }
        // A name with a blank in it is no part of a path, and `address` would panic.
        let wrong = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
        path.parse::<hyper::http::uri::PathAndQuery>().map_err(wrong)?;
        let request = Request::builder().method(ask.method).uri(address(&self.socket, &path));
        let request = match &ask.body {
            Some(_) => request.header(CONTENT_TYPE, "application/json"),
            None => request,
        };
        let request = match ask.registry_auth {
            Some(who) => request.header("X-Registry-Auth", who),
            None => request,
        };
        let body = Full::new(Bytes::from(ask.body.unwrap_or_default()));
        request.body(Either::Left(body)).map_err(io::Error::other)
    }

    fn too_long(&self, request: &str) -> EngineError {
        let found = format!(
            "its answer to `{request}` has more than {} bytes, which is the most that is read",
            limit::ENGINE_ANSWER
        );
        EngineError::NotAnEngine { socket: self.path(), found }
    }

    pub(crate) fn broken(&self, request: &str, source: io::Error) -> EngineError {
        EngineError::Broken { socket: self.path(), request: request.to_owned(), source }
    }

    /// What a failed request means, by its innermost cause.
    fn failed(&self, request: &str, error: &ClientError) -> EngineError {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<hyper::Error>()
                && error.is_parse()
            {
                return EngineError::NotAnEngine {
                    socket: self.path(),
                    found: "its answer is not HTTP".to_owned(),
                };
            }
            if let Some(error) = error.downcast_ref::<io::Error>() {
                return self.failed_io(request, error);
            }
            cause = error.source();
        }
        self.broken(request, io::Error::other(innermost(error)))
    }

    fn failed_io(&self, request: &str, error: &io::Error) -> EngineError {
        match error.kind() {
            io::ErrorKind::NotFound => EngineError::NoSocket { socket: self.path() },
            io::ErrorKind::ConnectionRefused => EngineError::Refused { socket: self.path() },
            io::ErrorKind::PermissionDenied => EngineError::Denied { socket: self.path() },
            kind => self.broken(request, io::Error::new(kind, error.to_string())),
        }
    }

    fn path(&self) -> PathBuf {
        self.socket.to_path_buf()
    }
}

impl Answer {
    /// The answer itself, or the engine's refusal as an error.
    pub(crate) fn accepted(self, request: &str) -> Result<Self, EngineError> {
        let status = self.head.status();
        if status.is_success() || status == hyper::StatusCode::NOT_MODIFIED {
            return Ok(self);
        }
        Err(self.refused(request))
    }

    fn refused(&self, request: &str) -> EngineError {
        #[derive(serde::Deserialize)]
        struct Refusal {
            message: String,
        }
        let message = serde_json::from_slice::<Refusal>(&self.body).map_or_else(
            |_| String::from_utf8_lossy(&self.body).trim().to_owned(),
            |refusal| refusal.message,
        );
        EngineError::Api {
            request: request.to_owned(),
            status: self.head.status().as_u16(),
            message: masked(&cut(&message)),
        }
    }

    /// A header's value, where it is there and is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.headers().get(name)?.to_str().ok()
    }
}

/// A refusal as long as an error may be, with its whole length where it is cut.
fn cut(message: &str) -> String {
    if message.len() <= LONGEST_REFUSAL {
        return message.to_owned();
    }
    let end = (0..=LONGEST_REFUSAL).rev().find(|end| message.is_char_boundary(*end)).unwrap_or(0);
    format!("{}… ({} bytes, of which these are the first)", &message[..end], message.len())
}

fn address(socket: &Path, path: &str) -> Uri {
    hyperlocal::Uri::new(socket, path).into()
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_none_is_an_error() {
        let wire = Wire::new(Path::new("/run/docker.sock"));
        let ask = |path| Ask::new(Method::GET, path, &[("a", "b c")]);
        assert!(wire.request(None, ask("/images/a b/json")).is_err());
        assert!(wire.request(None, ask("/images/a/json")).is_ok());
    }

    #[test]
    fn a_socket_of_another_group_says_which_group_to_join() {
        // Tests may run as root, which no socket refuses.
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let error = Wire::new(Path::new("/run/docker.sock")).failed_io("GET /_ping", &denied);
        assert!(matches!(error, EngineError::Denied { .. }), "{error:?}");
        assert!(error.to_string().contains("usermod -aG docker"), "{error}");
    }
}
