//! Probing servers that behave, and servers that do not.

use std::{
    convert::Infallible,
    future::pending,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use skep_context::Context;
use skep_model::Events;
use skep_service::probe::{Ask, Loss, Phase, Tally, Target, count, steady};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

fn ask() -> Ask {
    Ask::new("GET", "/", "Server", Duration::from_secs(20)).unwrap()
}

fn hurried() -> Ask {
    Ask::new("GET", "/", "Server", Duration::from_millis(50)).unwrap()
}

fn expecting(text: &str) -> Ask {
    ask().expecting(text).unwrap()
}

fn target(address: SocketAddr) -> Target {
    Target { node: "node".into(), address }
}

/// A server that hands each connection, with its number from 0, to `serve`.
async fn server<F>(serve: impl Fn(u64, TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for number in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(number, stream));
        }
    });
    address
}

/// Answers all requests of a connection.
async fn answer(stream: TcpStream, server: &'static str, status: u16, body: &'static str) {
    let service = service_fn(move |_: Request<Incoming>| async move {
        let answer = Response::builder().status(status).header("server", server);
        Ok::<_, Infallible>(answer.body(Full::new(Bytes::from(body))).unwrap())
    });
    // A client may go whenever it likes.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// Reads the request, then sends `bytes`.
async fn after_request(mut stream: TcpStream, bytes: &'static [u8]) -> TcpStream {
    let mut request = [0; 1024];
    let _ = stream.read(&mut request).await;
    let _ = stream.write_all(bytes).await;
    stream
}

async fn probe(address: SocketAddr, ask: &Ask, requests: u64) -> Tally {
    let (events, cancel) = (Events::none(), CancellationToken::new());
    let context = Context::new(&events, &cancel);
    count(&[target(address)], ask, requests, 4, context).await.remove(0)
}

#[tokio::test]
async fn each_request_has_a_connection_of_its_own_and_each_value_is_counted() {
    let connections = Arc::new(AtomicU64::new(0));
    let counted = connections.clone();
    let address = server(move |number, stream| {
        counted.fetch_add(1, Ordering::Relaxed);
        answer(stream, if number % 4 == 0 { "nginx/1.26.3" } else { "nginx/1.22.1" }, 200, "hello")
    })
    .await;
    let tally = probe(address, &ask(), 100).await;
    assert_eq!((tally.sent, tally.answered), (100, 100));
    assert_eq!(connections.load(Ordering::Relaxed), 100);
    assert_eq!((tally.values["nginx/1.26.3"].count, tally.values["nginx/1.22.1"].count), (25, 75));
    let latency = tally.latency().unwrap();
    assert!(latency.p50 <= latency.p90 && latency.p99 <= latency.max, "{latency:?}");
}

#[tokio::test]
async fn an_answer_that_was_not_expected_is_told_by_how() {
    let address = server(|_, stream| answer(stream, "s", 200, "Welcome to nginx!")).await;
    assert_eq!(probe(address, &expecting("nginx"), 8).await.answered, 8);
    let tally = probe(address, &expecting("apache"), 8).await;
    assert_eq!((tally.answered, tally.losses[&Loss::Content], tally.unexpected()), (0, 8, 8));
    assert_eq!(probe(address, &expecting("404"), 8).await.losses[&Loss::Status(200)], 8);

    let address = server(|_, stream| answer(stream, "s", 503, "")).await;
    assert_eq!(probe(address, &ask(), 8).await.losses[&Loss::Status(503)], 8);
    assert_eq!(probe(address, &expecting("503"), 8).await.answered, 8);
}

#[tokio::test]
async fn some_that_are_dropped_are_counted_and_the_rest_goes_on() {
    let address = server(async |number, stream| {
        if number % 10 != 3 {
            answer(stream, "s", 200, "").await;
        }
    })
    .await;
    let tally = probe(address, &ask(), 100).await;
    assert_eq!((tally.sent, tally.answered, tally.losses[&Loss::Reset]), (100, 90, 10));
    assert!(tally.first_loss <= tally.last_loss && tally.first_loss.is_some());
}

#[tokio::test]
async fn what_breaks_off_or_is_no_http_is_not_an_answer() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";
    let address = server(async |_, stream| drop(after_request(stream, half).await)).await;
    assert_eq!(probe(address, &ask(), 4).await.losses[&Loss::Reset], 4);
    let address =
        server(async |_, stream| drop(after_request(stream, b"220 mail.example ESMTP\r\n").await))
            .await;
    assert_eq!(probe(address, &ask(), 4).await.losses[&Loss::NotHttp], 4);
}

#[tokio::test]
async fn a_node_that_is_silent_is_given_up() {
    let address = server(async |_, stream| {
        let _open = stream;
        pending::<()>().await;
    })
    .await;
    let tally = probe(address, &hurried(), 1000).await;
    assert!((5..=12).contains(&tally.sent), "{tally:?}");
    assert_eq!(tally.losses[&Loss::TimedOut(Phase::Answer)], tally.sent);

    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";
    let address = server(async |_, stream| {
        let _open = after_request(stream, half).await;
        pending::<()>().await;
    })
    .await;
    let tally = probe(address, &hurried(), 4).await;
    assert_eq!(tally.losses[&Loss::TimedOut(Phase::Body)], 4);
}

#[tokio::test]
async fn nobody_there_is_refused() {
    // Held for as long as the test runs, and not listened on.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let tally = probe(socket.local_addr().unwrap(), &ask(), 100).await;
    assert_eq!(tally.losses[&Loss::Refused], tally.sent);
    assert!(tally.sent < 100);
}

#[tokio::test]
async fn a_steady_stream_ends_when_told_and_counts_what_was_lost() {
    let stop = CancellationToken::new();
    let ending = stop.clone();
    let address = server(move |number, stream| {
        if number == 60 {
            ending.cancel();
        }
        async move {
            let version = if number < 30 { "v1" } else { "v2" };
            if number != 20 {
                answer(stream, version, 200, "").await;
            }
        }
    })
    .await;
    let events = Events::none();
    let context = Context::new(&events, &stop);
    let tally = steady(&[target(address)], &ask(), 500.0, context).await.remove(0);
    assert_eq!(tally.lost(), 1, "{tally:?}");
    assert!(tally.sent > 60);
    assert!(tally.values["v1"].first < tally.values["v2"].first);
    assert!(tally.first_loss.is_some() && tally.first_loss == tally.last_loss);
}
