//! Whether a host's sshd answers: a TCP connection and the first line that comes over it.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    net::TcpStream,
    time::timeout,
};

/// The longest first line looked at, in bytes; RFC 4253, section 4.2, allows 255 for the banner.
const LINE: u64 = 255;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// An sshd says what it is: `SSH-2.0-OpenSSH_9.2p1`.
    Banner(String),
    /// Something else says something else, or nothing.
    NotSsh(String),
    /// There is no connection, and why.
    Closed(String),
}

/// Connects to `address` and reads the banner. Each of the two steps may take as long as
/// `patience`.
pub(super) async fn probe(address: SocketAddr, patience: Duration) -> Answer {
    let stream = match timeout(patience, TcpStream::connect(address)).await {
        Err(_) => return Answer::Closed(format!("no answer within {} s", patience.as_secs_f32())),
        Ok(Err(error)) => return Answer::Closed(reason(&error)),
        Ok(Ok(stream)) => stream,
    };
    let mut line = Vec::new();
    let mut reader = BufReader::new(stream.take(LINE));
    // Whether it hung up or fell silent, what it has said until then is all there is to go by.
    let _ = timeout(patience, reader.read_until(b'\n', &mut line)).await;
    let line = String::from_utf8_lossy(&line).trim().to_owned();
    if line.starts_with("SSH-2.0-") { Answer::Banner(line) } else { Answer::NotSsh(line) }
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "TCP refused".into(),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "no route".into(),
        io::ErrorKind::TimedOut => "no answer".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use tokio::{io::AsyncWriteExt, net::TcpListener};

    use super::*;

    /// A server on loopback that greets each client with `line`.
    pub(in crate::ssh) async fn greeter(line: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                // A client that has seen enough hangs up.
                let _ = stream.write_all(line).await;
            }
        });
        address
    }

    /// A port of loopback at which no process listens, and none else will: it stays taken.
    pub(in crate::ssh) async fn closed() -> SocketAddr {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        std::mem::forget(socket);
        address
    }

    #[tokio::test]
    async fn only_a_banner_is_an_sshd() {
        let patience = Duration::from_secs(20);
        let ssh = greeter(b"SSH-2.0-OpenSSH_9.2\r\n").await;
        assert_eq!(probe(ssh, patience).await, Answer::Banner("SSH-2.0-OpenSSH_9.2".into()));
        let web = greeter(b"HTTP/1.1 400 Bad Request\r\n").await;
        assert_eq!(probe(web, patience).await, Answer::NotSsh("HTTP/1.1 400 Bad Request".into()));
        let silent = greeter(b"").await;
        assert_eq!(probe(silent, patience).await, Answer::NotSsh(String::new()));
        assert_eq!(probe(closed().await, patience).await, Answer::Closed("TCP refused".into()));
    }
}
