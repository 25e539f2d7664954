//! One request on a connection of its own.

use std::{
    error::Error,
    io,
    net::SocketAddr,
    pin::pin,
    time::{Duration, Instant},
};

use http_body_util::{BodyExt as _, Empty};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    client::conn::http1,
    header::{CONNECTION, HOST, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

use super::{Ask, Loss, Phase, answerer};

/// How much of a body is kept, to look for texts in; the rest is read and forgotten.
const KEPT: usize = 1 << 20;

/// An answer that was whole and as expected.
#[derive(Debug)]
pub(super) struct Answer {
    /// From before the connection to the end of the body.
    pub(super) latency: Duration,
    /// The value of the header that is counted.
    pub(super) value: Option<String>,
    /// What in it may be the identifier of a task or a container.
    pub(super) clues: Vec<String>,
}

pub(super) async fn send(address: SocketAddr, ask: &Ask) -> Result<Answer, Loss> {
    let began = Instant::now();
    let stream = timeout(ask.timeout, TcpStream::connect(address)).await;
    let stream = stream.map_err(|_| Loss::TimedOut(Phase::Connect))?;
    let stream = stream.map_err(|error| of_io(&error))?;
    // Thousands of connections a second would leave this host without a free port: one that has
    // been used is forgotten at once. Neither setting changes what is measured if it is refused.
    let _ = (stream.set_nodelay(true), stream.set_zero_linger());
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| of_hyper(&error))?;
    let exchange = async {
        let answer = timeout(ask.timeout, sender.send_request(request(address, ask)?)).await;
        let answer = answer.map_err(|_| Loss::TimedOut(Phase::Answer))?;
        read(answer.map_err(|error| of_hyper(&error))?, ask, began).await
    };
    let (mut exchange, mut connection) = (pin!(exchange), pin!(connection));
    let mut open = true;
    loop {
        tokio::select! {
            biased;
            ended = &mut exchange => return ended,
            // What became of it reaches the exchange as well.
            _ = &mut connection, if open => open = false,
        }
    }
}

fn request(address: SocketAddr, ask: &Ask) -> Result<Request<Empty<Bytes>>, Loss> {
    let request = Request::builder().method(ask.method.clone()).uri(ask.path.clone());
    let request = match &ask.host {
        Some(host) => request.header(HOST, host),
        None => request.header(HOST, address.to_string()),
    };
    request
        .header(USER_AGENT, concat!("skep/", env!("CARGO_PKG_VERSION")))
        .header(CONNECTION, "close")
        .body(Empty::new())
        .map_err(|_| Loss::NotSent)
}

async fn read(answer: Response<Incoming>, ask: &Ask, began: Instant) -> Result<Answer, Loss> {
    let (head, mut body) = answer.into_parts();
    let text = async {
        let mut kept = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| of_hyper(&error))?;
            if let Some(data) = frame.data_ref() {
                kept.extend_from_slice(&data[..data.len().min(KEPT - kept.len())]);
            }
        }
        Ok(kept)
    };
    let kept = timeout(ask.timeout, text).await.map_err(|_| Loss::TimedOut(Phase::Body))??;
    let latency = began.elapsed();
    let status = head.status.as_u16();
    match ask.status {
        Some(wanted) if status != wanted => return Err(Loss::Status(status)),
        None if status >= 400 => return Err(Loss::Status(status)),
        _ => {}
    }
    if !ask.texts.iter().all(|text| contains(&kept, text.as_bytes())) {
        return Err(Loss::Content);
    }
    let value =
        |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let clues = answerer::clues(head.headers.values().map(|value| value.as_bytes()), &kept);
    Ok(Answer { latency, value: head.headers.get(&ask.header).map(value), clues })
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    text.is_empty() || body.windows(text.len()).any(|window| window == text)
}

fn of_io(error: &io::Error) -> Loss {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::ConnectionRefused => Loss::Refused,
        Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown => Loss::Unreachable,
        Kind::TimedOut => Loss::TimedOut(Phase::Connect),
        Kind::ConnectionReset
        | Kind::ConnectionAborted
        | Kind::BrokenPipe
        | Kind::NotConnected
        | Kind::UnexpectedEof => Loss::Reset,
        _ => Loss::NotSent,
    }
}

fn of_hyper(error: &hyper::Error) -> Loss {
    if error.is_parse() {
        return Loss::NotHttp;
    }
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return of_io(error);
        }
        cause = error.source();
    }
    // It was closed without an answer, or in the middle of one.
    Loss::Reset
}
