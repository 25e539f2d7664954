//! An engine for tests: it answers from a script, and the requests it received can be read back.
//! Part of this crate with the feature `fake` only.
//!
//! # Panics
//! Everything here panics where the test's own setting fails.

use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use crate::Engine;

/// What is answered to one request.
#[derive(Debug, Clone)]
pub enum Answer {
    /// A status and JSON; `null` is an empty body.
    Json(u16, Value),
    /// Bytes, as of a log.
    Bytes(Vec<u8>),
    /// Nothing, for ever.
    Silence,
}

impl From<(u16, Value)> for Answer {
    fn from((status, body): (u16, Value)) -> Self {
        Answer::Json(status, body)
    }
}

/// A request that was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// Method, path and query: `GET /services?status=true`.
    pub request: String,
    /// The body, if it is JSON.
    pub body: Value,
    /// The value of `X-Registry-Auth`; empty without one.
    pub registry_auth: String,
}

/// Answers by request: `GET /nodes`, or `GET /tasks up-to-date` for one whose query has that word.
/// For each request the next answer that is written for it, the last one for ever.
type Script = BTreeMap<String, VecDeque<Answer>>;

#[derive(Debug)]
struct State {
    script: Mutex<Script>,
    empty_lists: bool,
    asked: Mutex<Vec<Asked>>,
}

/// An engine of API 1.41 that answers from a script; it ends with the test's runtime.
#[derive(Debug)]
pub struct FakeEngine {
    /// The engine that is handed to the tested code.
    pub engine: Engine,
    state: Arc<State>,
    _directory: TempDir,
}

impl FakeEngine {
    /// Starts it. A request that nothing is written for is answered with 404.
    pub async fn start<R: Into<String>, A: Into<Answer>>(
        script: impl IntoIterator<Item = (R, Vec<A>)>,
    ) -> Self {
        Self::serve(script, false).await
    }

    /// Starts one that answers requests for lists with empty ones, where nothing else is written.
    pub async fn with_empty_lists<R: Into<String>, A: Into<Answer>>(
        script: impl IntoIterator<Item = (R, Vec<A>)>,
    ) -> Self {
        Self::serve(script, true).await
    }

    async fn serve<R: Into<String>, A: Into<Answer>>(
        script: impl IntoIterator<Item = (R, Vec<A>)>,
        empty_lists: bool,
    ) -> Self {
        let directory = TempDir::new().expect("a directory can be made");
        let socket = directory.path().join("s");
        let listener = UnixListener::bind(&socket).expect("a socket can be made");
        let script = script.into_iter().map(|(request, answers)| {
            (request.into(), answers.into_iter().map(Into::into).collect())
        });
        let script = Mutex::new(script.collect());
        let state = Arc::new(State { script, empty_lists, asked: Mutex::default() });
        let serving = state.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = serving.clone();
                let service = service_fn(move |request| answer(state.clone(), request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        let cancel = CancellationToken::new();
        let engine = Engine::connect(&socket, Duration::from_secs(5), &cancel).await;
        let engine = engine.expect("it answers");
        Self { engine, state, _directory: directory }
    }

    /// The requests it received after the greeting.
    pub fn asked(&self) -> Vec<Asked> {
        self.state.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The same without bodies.
    pub fn requests(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.request).collect()
    }
}

impl State {
    fn next(&self, name: &str, query: &str) -> Answer {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        // What is written for a query comes before what is written for all.
        let special = script.keys().find(|key| {
            key.strip_prefix(name)
                .and_then(|rest| rest.strip_prefix(' '))
                .is_some_and(|word| query.contains(word))
        });
        let key = special.cloned().unwrap_or_else(|| name.to_owned());
        let missing = || json!({"message": format!("no answer to {name}")});
        let is_list = name.starts_with("GET /") && name.matches('/').count() == 1;
        match script.get_mut(&key) {
            Some(answers) if answers.len() > 1 => answers.pop_front(),
            Some(answers) => answers.front().cloned(),
            None if self.empty_lists && is_list => Some(Answer::Json(200, json!([]))),
            None => None,
        }
        .unwrap_or_else(|| Answer::Json(404, missing()))
    }
}

async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let response = Response::builder().header("Api-Version", "1.41");
    let full = |text: Vec<u8>| Full::from(Bytes::from(text));
    if request.uri().path() == "/_ping" {
        return Ok(response.body(full(b"OK".to_vec())).expect("it is a response"));
    }
    let (head, body) = request.into_parts();
    let name = format!("{} {}", head.method, head.uri.path().trim_start_matches("/v1.41"));
    let query = head.uri.query().unwrap_or_default();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let auth = head.headers.get("X-Registry-Auth").and_then(|auth| auth.to_str().ok());
    let asked = Asked {
        request: if query.is_empty() { name.clone() } else { format!("{name}?{query}") },
        body: serde_json::from_slice(&body).unwrap_or_default(),
        registry_auth: auth.unwrap_or_default().to_owned(),
    };
    state.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
    let (status, body) = match state.next(&name, query) {
        Answer::Json(status, Value::Null) => (status, Vec::new()),
        Answer::Json(status, body) => (status, body.to_string().into_bytes()),
        Answer::Bytes(bytes) => (200, bytes),
        Answer::Silence => std::future::pending().await,
    };
    Ok(response.status(status).body(full(body)).expect("it is a response"))
}
