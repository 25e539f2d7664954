//! Engines that are asked for their release over TCP.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::Path,
    time::Duration,
};

use skep_engine::{EngineError, greeting::release_at};
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(20);

/// Answers one request with these header lines, and gives its port.
fn answering(headers: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
        let answer = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: 2\r\n\r\nOK");
        stream.write_all(answer.as_bytes()).unwrap();
    });
    port
}

async fn ask(port: u16, certificates: Option<&Path>) -> Result<String, EngineError> {
    release_at("127.0.0.1", port, certificates, DEADLINE, &CancellationToken::new()).await
}

#[tokio::test]
async fn an_engine_says_its_release() {
    let port = answering("Server: Docker/24.0.7 (linux)\r\n");
    assert_eq!(ask(port, None).await.unwrap(), "24.0.7");
}

#[tokio::test]
async fn what_is_no_engine_is_said_to_be_none() {
    let port = answering("Server: nginx\r\n");
    let error = ask(port, None).await.unwrap_err();
    assert!(matches!(error, EngineError::NotAnEngine { .. }), "{error:?}");
    assert!(error.to_string().contains(&format!("tcp://127.0.0.1:{port}")), "{error}");
}

#[tokio::test]
async fn where_nobody_listens_is_told_from_what_cannot_be_trusted() {
    // Bound and never listened on: nobody else gets the port while it is tried.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let nowhere = tempfile::tempdir().unwrap();
    let error = ask(port, Some(nowhere.path())).await.unwrap_err();
    let EngineError::Broken { source, .. } = &error else { panic!("{error:?}") };
    assert!(source.to_string().contains("ca.pem cannot be used"), "{source}");
    drop(listener);
    // Port 1 is kept for a service that no host has.
    let error = ask(1, None).await.unwrap_err();
    assert!(matches!(error, EngineError::Refused { .. }), "{error:?}");
}
