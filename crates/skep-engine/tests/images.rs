//! Archives of images sent to an engine piece by piece.

use std::{
    convert::Infallible,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::stream;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use skep_engine::{Engine, EngineError};
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

/// What a fake engine does with an archive.
#[derive(Debug, Clone, Copy)]
enum Manner {
    /// Takes all of it, and answers so.
    Takes(&'static str),
    /// Answers with a status before it has read anything.
    Refuses(u16, &'static str),
    /// Takes one piece and no more.
    Stalls,
}

/// What it was asked, and how much it took.
#[derive(Debug, Default)]
struct Seen {
    paths: Mutex<Vec<String>>,
    taken: AtomicU64,
}

fn engine_on(socket: &Path, manner: Manner) -> Arc<Seen> {
    let listener = UnixListener::bind(socket).unwrap();
    let seen = Arc::new(Seen::default());
    let noted = seen.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let noted = noted.clone();
            let service = service_fn(move |request| answer(request, manner, noted.clone()));
            tokio::spawn(async move {
                // A client may go whenever it likes.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    seen
}

async fn answer(
    request: Request<Incoming>,
    manner: Manner,
    seen: Arc<Seen>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let reply = |status: u16, text: &'static str| {
        let reply = Response::builder().status(status).header("Api-Version", "1.41");
        Ok(reply.body(Full::new(Bytes::from(text))).unwrap())
    };
    if request.uri().path().ends_with("/_ping") {
        return reply(200, "OK");
    }
    seen.paths.lock().unwrap().push(request.uri().to_string());
    let mut body = request.into_body();
    match manner {
        Manner::Refuses(status, text) => return reply(status, text),
        Manner::Stalls => {
            body.frame().await;
            std::future::pending::<()>().await;
        }
        Manner::Takes(_) => {}
    }
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        seen.taken.fetch_add(length as u64, Ordering::Relaxed);
    }
    match manner {
        Manner::Takes(text) => reply(200, text),
        _ => reply(500, ""),
    }
}

/// Sends an archive of so many pieces. What came of it, if anything in time, what the engine has seen,
/// and how many pieces were asked for.
async fn load(
    manner: Manner,
    pieces: u64,
) -> (Option<Result<(), EngineError>>, Arc<Seen>, Arc<AtomicU64>) {
    let directory = TempDir::new().unwrap();
    let socket = directory.path().join("s");
    let seen = engine_on(&socket, manner);
    let cancel = CancellationToken::new();
    let engine = Engine::connect(&socket, Duration::from_secs(20), &cancel).await.unwrap();
    let given = Arc::new(AtomicU64::new(0));
    let counted = given.clone();
    let pieces = stream::iter((0..pieces).map(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        Ok(Bytes::from(vec![0; 64 << 10]))
    }));
    let load = engine.load_images(Box::pin(pieces), &cancel);
    // Only an engine that stalls needs all of its time.
    let stalls = matches!(manner, Manner::Stalls);
    let patience = Duration::from_secs(if stalls { 1 } else { 60 });
    let loaded = tokio::time::timeout(patience, load).await.ok();
    (loaded, seen, given)
}

#[tokio::test]
async fn all_of_an_archive_arrives() {
    let (loaded, seen, _) =
        load(Manner::Takes("{\"stream\":\"Loaded image: a:1\\n\"}\r\n"), 300).await;
    loaded.unwrap().unwrap();
    assert_eq!(seen.taken.load(Ordering::Relaxed), 300 * (64 << 10));
    assert_eq!(*seen.paths.lock().unwrap(), ["/v1.41/images/load?quiet=1"]);
}

#[tokio::test]
async fn an_error_in_an_answer_with_status_200_is_one() {
    let manner = Manner::Takes("{\"stream\":\"x\"}\n{\"error\":\"no space left on device\"}\n");
    let error = load(manner, 3).await.0.unwrap().unwrap_err();
    assert_eq!(error.api(), Some((500, "no space left on device")), "{error}");
}

#[tokio::test]
async fn a_refusal_before_the_end_is_told() {
    let manner = Manner::Refuses(403, "{\"message\":\"not today\"}");
    let error = load(manner, 300).await.0.unwrap().unwrap_err();
    assert_eq!(error.api(), Some((403, "not today")), "{error}");
}

#[tokio::test]
async fn what_an_engine_does_not_take_is_not_read_ahead() {
    let (loaded, _, given) = load(Manner::Stalls, 10_000).await;
    assert!(loaded.is_none(), "{loaded:?}");
    let given = given.load(Ordering::Relaxed);
    assert!(given < 200, "{given} pieces were read ahead");
}
