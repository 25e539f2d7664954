//! An engine's answers, recorded once and served again, to any client and any number of times.
//!
//! A recording goes between a client and an engine and keeps each answer by its request, without
//! the API's version. Served again, the times in it are set back so that each is in the middle of
//! the minute, hour, day, week or month that a list would show, in the order they were in: two
//! clients that ask a moment apart see the same.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client, server,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

/// The version that an engine speaks at most by default: that of the guest system's engine.
const API: &str = "1.45";

/// An answer: its status and its JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

/// Answers by request, `GET /services?status=true`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answers(pub BTreeMap<String, Answer>);

/// Ages in the middle of what a list shows them as, youngest first: minutes, hours, days, weeks,
/// months, years.
fn ages() -> Vec<SignedDuration> {
    let minutes = (2..60).map(|minutes| minutes * 60 + 30);
    let hours = (2..48).map(|hours| hours * 3600);
    let days = (2..14).map(|days| days * 86_400 + 43_200);
    let longer = (2..8).map(|weeks| weeks * 7 * 86_400 + 302_400);
    let months = (3..24).map(|months| months * 30 * 86_400 + 1_296_000);
    minutes
        .chain(hours)
        .chain(days)
        .chain(longer)
        .chain(months)
        .map(SignedDuration::from_secs)
        .collect()
}

impl Answers {
    /// The same answers as if they were given at `now`, with every time at an age that lasts.
    ///
    /// # Panics
    /// If `now` is at the end of time.
    pub fn at(&self, now: Timestamp) -> Self {
        let mut times = Vec::new();
        for answer in self.0.values() {
            visit(&mut answer.body.clone(), &mut |text| times.extend(time(text)));
        }
        times.sort_unstable_by(|a, b| b.cmp(a));
        times.dedup();
        let ages = ages();
        let set_back: BTreeMap<Timestamp, Timestamp> = times
            .iter()
            .enumerate()
            .map(|(place, time)| {
                // Times that share an age stay in their order, a thousandth of a second apart.
                let age = ages[place * ages.len() / times.len()];
                let apart = SignedDuration::from_millis(i64::try_from(place).expect("few"));
                (*time, now.checked_sub(age + apart).expect("now is not the end of time"))
            })
            .collect();
        let mut all = self.clone();
        for answer in all.0.values_mut() {
            visit(&mut answer.body, &mut |text| {
                if let Some(back) = time(text).and_then(|time| set_back.get(&time)) {
                    *text = back.to_string();
                }
            });
        }
        all
    }

    /// Answers from JSON: `{"GET /nodes": {"status": 200, "body": […]}}`.
    ///
    /// # Panics
    /// If it is not that.
    pub fn from_json(value: &Value) -> Self {
        let map = value.as_object().expect("answers are an object");
        let answer = |answer: &Value| Answer {
            status: answer["status"].as_u64().and_then(|n| n.try_into().ok()).expect("a status"),
            body: answer["body"].clone(),
        };
        Self(map.iter().map(|(request, value)| (request.clone(), answer(value))).collect())
    }

    /// The answers as [`Answers::from_json`] reads them.
    pub fn to_json(&self) -> Value {
        let json = |(request, answer): (&String, &Answer)| {
            (request.clone(), serde_json::json!({"status": answer.status, "body": answer.body}))
        };
        Value::Object(self.0.iter().map(json).collect())
    }
}

/// Calls `with` for every text in a value.
fn visit(value: &mut Value, with: &mut impl FnMut(&mut String)) {
    match value {
        Value::String(text) => with(text),
        Value::Array(list) => list.iter_mut().for_each(|value| visit(value, with)),
        Value::Object(map) => map.values_mut().for_each(|value| visit(value, with)),
        _ => {}
    }
}

/// A time, unless it is Go's zero, which means that there is none.
fn time(text: &str) -> Option<Timestamp> {
    let may_be = text.len() >= 20 && text.ends_with('Z') && !text.starts_with("0001-");
    text.parse().ok().filter(|_| may_be)
}

enum Source {
    /// An engine's socket, whose answers are kept.
    Engine(PathBuf),
    Recorded,
}

struct State {
    source: Source,
    api: String,
    answers: Mutex<Answers>,
    asked: Mutex<Vec<String>>,
}

/// A unix socket that answers; dropping it ends it.
pub struct Replay {
    socket: PathBuf,
    state: Arc<State>,
    end: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Replay {
    /// Passes on to the engine at `engine`, and keeps its answers.
    ///
    /// # Panics
    /// If `socket` cannot be bound.
    pub fn record(socket: &Path, engine: &Path) -> Self {
        Self::start(socket, Source::Engine(engine.to_owned()), Answers::default(), API)
    }

    /// Serves answers. What is not among them is a 404 that says so.
    ///
    /// # Panics
    /// If `socket` cannot be bound.
    pub fn serve(socket: &Path, answers: Answers) -> Self {
        Self::serve_as(socket, answers, API)
    }

    /// Serves answers as an engine that speaks no newer version of the API than `api`.
    ///
    /// # Panics
    /// If `socket` cannot be bound.
    pub fn serve_as(socket: &Path, answers: Answers, api: &str) -> Self {
        Self::start(socket, Source::Recorded, answers, api)
    }

    fn start(socket: &Path, source: Source, answers: Answers, api: &str) -> Self {
        let asked = Mutex::default();
        let state = Arc::new(State { source, api: api.into(), answers: answers.into(), asked });
        let end = CancellationToken::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime starts");
        let listener = runtime.block_on(async { UnixListener::bind(socket) });
        let listener = listener.expect("the socket can be bound");
        let (ending, serving) = (end.clone(), state.clone());
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = ending.cancelled() => {}
                    () = accept(listener, serving) => {}
                }
            });
        });
        Self { socket: socket.to_owned(), state, end, thread: Some(thread) }
    }

    /// Where it answers, as `DOCKER_HOST` says it.
    pub fn url(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// The answers so far.
    pub fn answers(&self) -> Answers {
        self.state.answers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was asked, in order.
    pub fn asked(&self) -> Vec<String> {
        self.state.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        self.end.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = fs_err::remove_file(&self.socket);
    }
}

async fn accept(listener: UnixListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = state.clone();
        tokio::spawn(async move {
            let answer = service_fn(|request| answer(state.clone(), request));
            // A client that goes away is none of our business.
            let connection = server::conn::http1::Builder::new();
            let _ = connection.serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let builder = Response::builder()
        .header("Api-Version", &state.api)
        .header("Content-Type", "application/json")
        .header("Ostype", "linux")
        .header("Server", "Docker/26.1.5 (linux)");
    if path.ends_with("/_ping") {
        let body = if request.method() == hyper::Method::HEAD { "" } else { "OK" };
        return Ok(builder.body(Full::from(body)).expect("it is a response"));
    }
    let name = format!("{} {}", request.method(), unversioned(&path));
    state.asked.lock().unwrap_or_else(PoisonError::into_inner).push(name.clone());
    let answer = match &state.source {
        Source::Engine(engine) => {
            let answer = ask(engine, request.method().clone(), &path).await;
            let mut answers = state.answers.lock().unwrap_or_else(PoisonError::into_inner);
            // The first answer counts: all clients are to see one state of the swarm.
            answers.0.entry(name).or_insert(answer).clone()
        }
        Source::Recorded => {
            let answers = state.answers.lock().unwrap_or_else(PoisonError::into_inner);
            let message = serde_json::json!({"message": format!("{name} was not recorded")});
            answers.0.get(&name).cloned().unwrap_or(Answer { status: 404, body: message })
        }
    };
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    Ok(builder.status(status).body(Full::from(answer.body.to_string())).expect("it is a response"))
}

/// A path without `/v1.45` in front.
fn unversioned(path: &str) -> &str {
    let rest = path.strip_prefix("/v1.").and_then(|rest| rest.find('/').map(|at| &rest[at..]));
    rest.unwrap_or(path)
}

async fn ask(engine: &Path, method: hyper::Method, path: &str) -> Answer {
    match try_to_ask(engine, method, path).await {
        Ok(answer) => answer,
        Err(error) => Answer {
            status: 502,
            body: serde_json::json!({"message": format!("cannot pass it on: {error}")}),
        },
    }
}

async fn try_to_ask(
    engine: &Path,
    method: hyper::Method,
    path: &str,
) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TokioIo::new(UnixStream::connect(engine).await?);
    let (mut sender, connection) = client::conn::http1::handshake(stream).await?;
    let driver = tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("Host", "engine")
        .body(Full::<Bytes>::default())?;
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await?.to_bytes();
    driver.abort();
    Ok(Answer { status, body: serde_json::from_slice(&body)? })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_keep_their_order_and_what_they_are_shown_as() {
        let body = json!([
            {"CreatedAt": "2026-01-01T00:00:00Z", "UpdatedAt": "2026-01-02T00:00:00.5Z"},
            {"CreatedAt": "2026-01-02T00:00:00.5Z", "ValidUntil": "0001-01-01T00:00:00Z"},
        ]);
        let answers = Answers(BTreeMap::from([("GET /x".into(), Answer { status: 200, body })]));
        let now: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
        let body = &answers.at(now).0["GET /x"].body;
        assert_eq!(body[0]["UpdatedAt"], "2029-12-31T23:57:30Z");
        assert_eq!(body[1]["CreatedAt"], body[0]["UpdatedAt"]);
        assert_eq!(body[1]["ValidUntil"], "0001-01-01T00:00:00Z");
        // In the middle of an hour's length, not at the edge of two.
        assert_eq!(body[0]["CreatedAt"], "2029-12-31T08:59:59.999Z");
    }
}
