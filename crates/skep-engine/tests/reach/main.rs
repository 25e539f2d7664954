//! Reaching an engine, or something that is none, over a unix socket.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use http_body_util::{Either, Full};
use hyper::Request;
use serde_json::{Value, json};
use skep_engine::{ApiVersion, Engine, EngineError};
use tempfile::TempDir;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use fake::{Fake, Reply, answer, pong};

mod fake;

const SOON: Duration = Duration::from_secs(5);
const SHORT: Duration = Duration::from_millis(80);

async fn connect(fake: &Fake) -> Result<Engine, EngineError> {
    Engine::connect(&fake.socket, SOON, &CancellationToken::new()).await
}

/// A fake that is asked once, and what comes of it.
async fn met(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Result<Engine, EngineError> {
    let dir = TempDir::new().unwrap();
    connect(&Fake::start(&dir.path().join("s"), reply)).await
}

/// A fake engine that answers everything but `_ping` with `body`.
fn engine(dir: &TempDir, version: &'static str, status: &'static str, body: &'static str) -> Fake {
    Fake::start(&dir.path().join("s"), move |line| {
        if line.ends_with("/_ping") { pong(version) } else { answer(status, "", body) }
    })
}

#[tokio::test]
async fn each_thing_in_the_way_is_told_apart() {
    let dir = TempDir::new().unwrap();
    let cancel = CancellationToken::new();
    let absent = dir.path().join("absent");
    let error = Engine::connect(&absent, SOON, &cancel).await.unwrap_err();
    assert!(matches!(error, EngineError::NoSocket { .. }), "{error:?}");

    let dead = dir.path().join("dead");
    drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
    let error = Engine::connect(&dead, SOON, &cancel).await.unwrap_err();
    assert!(matches!(error, EngineError::Refused { .. }), "{error:?}");

    let long = dir.path().join("x".repeat(120));
    let error = Engine::connect(&long, SOON, &cancel).await.unwrap_err();
    assert!(matches!(error, EngineError::Broken { .. }), "{error:?}");

    for (reply, found) in [
        ("SSH-2.0-OpenSSH_9.2\r\n".to_owned(), "not HTTP"),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(), "404"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK".to_owned(), "without an API version"),
        ("HTTP/1.1 200 OK\r\nApi-Version: new\r\nContent-Length: 2\r\n\r\nOK".to_owned(), "`new`"),
        (
            "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nLibpod-Api-Version: 4.3.1\r\nContent-Length: 2\r\n\r\nOK".to_owned(),
            "Podman",
        ),
    ] {
        let error = met(move |_| Reply::Bytes(reply.clone())).await.unwrap_err();
        assert!(matches!(error, EngineError::NotAnEngine { .. }), "{error:?}");
        assert!(error.to_string().contains(found), "{error}");
        assert!(!error.may_pass(), "{error}");
    }

    let error = met(|_| Reply::Close).await.unwrap_err();
    assert!(matches!(error, EngineError::Broken { .. }), "{error:?}");
}

#[tokio::test]
async fn an_engine_that_is_too_old_says_what_is_needed() {
    let error = met(|_| pong("1.40")).await.unwrap_err();
    assert!(matches!(error, EngineError::TooOld { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("API 1.40, and 1.41 or newer is needed; upgrade"), "{text}");
}

#[tokio::test]
async fn silence_ends_at_the_deadline_or_at_a_cancellation() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::start(&dir.path().join("s"), |_| Reply::Silence);
    let cancel = CancellationToken::new();
    let error = Engine::connect(&fake.socket, SHORT, &cancel).await.unwrap_err();
    assert!(error.to_string().contains("within 0.08 s: it accepted"), "{error}");

    let start = Instant::now();
    cancel.cancel();
    let error = Engine::connect(&fake.socket, SOON, &cancel).await.unwrap_err();
    assert!(matches!(error, EngineError::Cancelled { .. }), "{error:?}");
    let error = Engine::wait(&fake.socket, SOON, &cancel).await.unwrap_err();
    assert!(matches!(error, EngineError::Cancelled { .. }), "{error:?}");
    assert!(start.elapsed() < SOON);
}

#[tokio::test]
async fn a_wait_ends_when_the_engine_answers() {
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("s");
    let wait = tokio::spawn({
        let socket = socket.clone();
        async move { Engine::wait(&socket, SOON, &CancellationToken::new()).await }
    });
    tokio::task::yield_now().await;
    // First nothing, then a listener that hangs up twice and is not up the third time.
    let tries = AtomicUsize::new(0);
    let fake = Fake::start(&socket, move |_| match tries.fetch_add(1, Ordering::Relaxed) {
        0 | 1 => Reply::Close,
        2 => answer("503 Service Unavailable", "", "starting"),
        _ => pong("1.45"),
    });
    let engine = wait.await.unwrap().unwrap();
    assert_eq!(engine.api_version(), ApiVersion { major: 1, minor: 45 });
    assert_eq!(engine.release(), "26.1.5");
    assert_eq!(fake.asked().len(), 4);
}

#[tokio::test]
async fn a_wait_that_fails_says_what_stood_in_the_way() {
    let dir = TempDir::new().unwrap();
    let cancel = CancellationToken::new();
    let error = Engine::wait(&dir.path().join("s"), SHORT, &cancel).await.unwrap_err();
    assert!(error.to_string().ends_with("within 0.08 s: there is no such socket"), "{error}");

    let fake = Fake::start(&dir.path().join("s"), |_| pong("1.24"));
    let error = Engine::wait(&fake.socket, SOON, &cancel).await.unwrap_err();
    assert!(matches!(error, EngineError::TooOld { .. }), "waiting does not mend it: {error:?}");
    assert_eq!(fake.asked().len(), 1);
}

#[tokio::test]
async fn requests_carry_the_negotiated_version_over_one_connection() {
    let dir = TempDir::new().unwrap();
    let fake = engine(&dir, "9.99", "200 OK", "[]");
    let cancel = CancellationToken::new();
    let engine = connect(&fake).await.unwrap();
    let query = [("filters", r#"{"name":["a b&c"]}"#)];
    engine.get_json::<Value>("/nodes", &query, &cancel).await.unwrap();
    engine.post_json("/x", &[], &json!({"a": 1}), &cancel).await.unwrap();
    engine.post_json("/y", &[], &(), &cancel).await.unwrap();
    engine.delete("/z", &[("force", "true")], &cancel).await.unwrap();
    let body = Either::Left(Full::default());
    engine.pass_on(Request::get("/nodes").body(body).unwrap()).await.unwrap();
    let asked = fake.asked();
    let lines: Vec<&str> = asked.iter().map(|asked| asked.line.as_str()).collect();
    assert_eq!(
        lines,
        [
            "GET /_ping",
            "GET /v1.53/nodes?filters=%7B%22name%22%3A%5B%22a+b%26c%22%5D%7D",
            "POST /v1.53/x",
            "POST /v1.53/y",
            "DELETE /v1.53/z?force=true",
            "GET /v1.53/nodes",
        ]
    );
    assert_eq!((asked[2].body.as_str(), asked[3].body.as_str()), (r#"{"a":1}"#, ""));
    assert_eq!(fake.connections(), 1);
}

#[tokio::test]
async fn an_engine_that_was_restarted_is_asked_over_a_new_connection() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::start(&dir.path().join("s"), |line| {
        if line.ends_with("/_ping") {
            pong("1.41")
        } else {
            Reply::Last("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]".to_owned())
        }
    });
    let cancel = CancellationToken::new();
    let engine = connect(&fake).await.unwrap();
    for _ in 0..3 {
        engine.post_json("/x", &[], &(), &cancel).await.unwrap();
    }
    assert_eq!((fake.asked().len(), fake.connections()), (4, 3));
}

#[tokio::test]
async fn json_comes_and_goes_without_loss() {
    const OBJECT: &str = r#"{"z":1,"Healthcheck":{"a":null},"HealthCheck":{"b":18446744073709551615},"f":1.0,"u":"\u0001é"}"#;
    let dir = TempDir::new().unwrap();
    let fake = engine(&dir, "1.44", "200 OK", OBJECT);
    let cancel = CancellationToken::new();
    let engine = connect(&fake).await.unwrap();
    let object: Value = engine.get_json("/services/x", &[], &cancel).await.unwrap();
    engine.post_json("/services/x/update", &[], &object, &cancel).await.unwrap();
    assert_eq!(fake.asked().last().unwrap().body, OBJECT);
}

#[tokio::test]
async fn a_refusal_keeps_the_engines_words_and_no_secret() {
    let dir = TempDir::new().unwrap();
    let fake = engine(
        &dir,
        "1.41",
        "503 Service Unavailable",
        r#"{"message":"token SWMTKN-1-abc-def is bad"}"#,
    );
    let cancel = CancellationToken::new();
    let engine = connect(&fake).await.unwrap();
    let body = json!({"JoinToken": "SWMTKN-1-abc-def"});
    let error = engine.post_json("/swarm/join", &[], &body, &cancel).await.unwrap_err();
    assert_eq!(error.api(), Some((503, "token *** is bad")));
    assert!(!format!("{error:?} {error}").contains("SWMTKN"), "{error:?}");
}

#[tokio::test]
async fn an_answer_of_another_shape_is_told_without_its_content() {
    let dir = TempDir::new().unwrap();
    let fake = engine(&dir, "1.41", "200 OK", r#"{"Swarm": "SWMTKN-1-abc-def"}"#);
    let engine = connect(&fake).await.unwrap();
    let error = engine.info(&CancellationToken::new()).await.unwrap_err();
    let text = format!("{error:?} {error}");
    assert!(text.contains("`GET /info` at line 1") && !text.contains("SWMTKN"), "{text}");
}

#[tokio::test]
async fn a_request_has_the_deadline_it_is_given() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::start(&dir.path().join("s"), |line| {
        if line.ends_with("/_ping") { pong("1.41") } else { Reply::Silence }
    });
    let engine = connect(&fake).await.unwrap().with_deadline(SHORT);
    let error =
        engine.get_json::<Value>("/nodes", &[], &CancellationToken::new()).await.unwrap_err();
    assert!(error.to_string().contains("did not answer `GET /nodes` within 0.08 s"), "{error}");
}

#[tokio::test]
async fn work_on_an_engine_can_move_between_threads() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let cancel = CancellationToken::new();
    let absent = std::path::Path::new("/nowhere");
    assert!(is_send(Engine::wait(absent, Duration::ZERO, &cancel)).await.is_err());
    assert!(is_send(Engine::connect(absent, SOON, &cancel)).await.is_err());
}

#[tokio::test]
async fn an_answer_without_an_end_is_not_read_to_it() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::start(&dir.path().join("s"), |line| match line {
        line if line.ends_with("/_ping") => pong("1.41"),
        line if line.ends_with("/refused") => answer("500 Oops", "", &"x".repeat(9000)),
        _ => {
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            let chunk = format!("{:x}\r\n{}\r\n", 1 << 20, " ".repeat(1 << 20));
            Reply::Bytes(format!("{head}{}", chunk.repeat(65)))
        }
    });
    let engine = connect(&fake).await.unwrap();
    let cancel = CancellationToken::new();
    let read = engine.get_json::<serde_json::Value>("/services", &[], &cancel).await;
    let error = read.unwrap_err().to_string();
    assert!(error.contains("`GET /services` has more than 67108864 bytes"), "{error}");
    // A refusal is repeated as far as a person reads, with its whole length.
    let read = engine.get_json::<serde_json::Value>("/refused", &[], &cancel).await;
    let error = read.unwrap_err().to_string();
    assert!(error.len() < 8500 && error.contains("(9000 bytes, "), "{}", error.len());
}

#[tokio::test]
async fn a_stream_comes_piece_by_piece_and_ends_when_told() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::start(&dir.path().join("s"), |line| {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        match line {
            line if line.ends_with("/_ping") => pong("1.41"),
            line if line.ends_with("/events?a=b") => Reply::Bytes(format!("{head}3\r\none\r\n")),
            line if line.ends_with("/short") => {
                Reply::Bytes(format!("{head}3\r\none\r\n0\r\n\r\n"))
            }
            line if line.ends_with("/broken") => Reply::Last(format!("{head}3\r\none\r\n")),
            _ => answer("404 Not Found", "", r#"{"message":"no such thing"}"#),
        }
    });
    let engine = connect(&fake).await.unwrap();
    let cancel = CancellationToken::new();

    let mut endless = engine.get_stream("/events", &[("a", "b")], &cancel).await.unwrap();
    assert_eq!(endless.next().await.unwrap().unwrap(), "one");
    assert!(tokio::time::timeout(SHORT, endless.next()).await.is_err(), "nothing more comes");
    cancel.cancel();
    assert!(matches!(endless.next().await, Err(EngineError::Cancelled { .. })));

    let cancel = CancellationToken::new();
    let mut short = engine.get_stream("/short", &[], &cancel).await.unwrap();
    assert_eq!(short.next().await.unwrap().unwrap(), "one");
    assert!(short.next().await.unwrap().is_none());

    let mut broken = engine.get_stream("/broken", &[], &cancel).await.unwrap();
    assert_eq!(broken.next().await.unwrap().unwrap(), "one");
    assert!(matches!(broken.next().await, Err(EngineError::Broken { .. })));

    let refused = engine.get_stream("/else", &[], &cancel).await.unwrap_err();
    assert_eq!(refused.api(), Some((404, "no such thing")));
}
