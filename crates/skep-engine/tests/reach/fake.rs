//! A server on a unix socket that answers from a script and keeps what it was asked.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
};

/// What it was asked: the request's first line and its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) body: String,
}

/// What it does with a request.
pub(crate) enum Reply {
    /// Sends these bytes and keeps the connection.
    Bytes(String),
    /// Sends these bytes and closes the connection.
    Last(String),
    /// Closes the connection without a word.
    Close,
    /// Never says anything.
    Silence,
}

/// The listener; it ends with the test's runtime.
pub(crate) struct Fake {
    pub(crate) socket: PathBuf,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<Mutex<usize>>,
}

impl Fake {
    /// Listens on `socket` and answers each request by `reply`, which is given its first line.
    pub(crate) fn start(
        socket: &Path,
        reply: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let fake =
            Fake { socket: socket.to_owned(), asked: Arc::default(), connections: Arc::default() };
        let (asked, connections, reply) =
            (fake.asked.clone(), fake.connections.clone(), Arc::new(reply));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *connections.lock().unwrap() += 1;
                tokio::spawn(serve(stream, asked.clone(), reply.clone()));
            }
        });
        fake
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

/// An answer with a body, and a header line or several where `headers` is not empty.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Reply {
    let headers = if headers.is_empty() { String::new() } else { format!("{headers}\r\n") };
    Reply::Bytes(format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// An engine's answer to `_ping`.
pub(crate) fn pong(version: &str) -> Reply {
    answer("200 OK", &format!("Api-Version: {version}\r\nServer: Docker/26.1.5 (linux)"), "OK")
}

async fn serve(
    mut stream: UnixStream,
    asked: Arc<Mutex<Vec<Asked>>>,
    reply: Arc<impl Fn(&str) -> Reply>,
) {
    let mut seen = Vec::new();
    loop {
        let Some((request, length)) = complete(&seen) else {
            let mut part = [0; 4096];
            match stream.read(&mut part).await {
                Ok(read) if read > 0 => seen.extend_from_slice(&part[..read]),
                _ => return,
            }
            continue;
        };
        seen.drain(..length);
        let line = request.line.clone();
        asked.lock().unwrap().push(request);
        match reply(&line) {
            Reply::Bytes(bytes) => stream.write_all(bytes.as_bytes()).await.unwrap_or_default(),
            Reply::Last(bytes) => {
                return stream.write_all(bytes.as_bytes()).await.unwrap_or_default();
            }
            Reply::Close => return,
            Reply::Silence => std::future::pending().await,
        }
    }
}

/// The first request in `seen` and its length in bytes, once it is there as a whole.
fn complete(seen: &[u8]) -> Option<(Asked, usize)> {
    let text = std::str::from_utf8(seen).ok()?;
    let (head, rest) = text.split_once("\r\n\r\n")?;
    let length = head
        .lines()
        .find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok())
        .unwrap_or(0);
    let body = rest.get(..length)?.to_owned();
    let line = head.lines().next()?.trim_end_matches(" HTTP/1.1").to_owned();
    Some((Asked { line, body }, head.len() + 4 + length))
}
