//! Looks whether an sshd answers, without starting `ssh`.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    net::TcpStream,
    time::timeout,
};

use crate::obstacle::Obstacle;

/// The longest first line looked at, in bytes; RFC 4253, section 4.2, allows 255 for the banner.
const LINE: u64 = 255;

/// Connects to `address` and reads the banner (RFC 4253, section 4.2). Each of the two steps may
/// take as long as `patience`.
///
/// A probe that reaches an sshd counts there as a client that left without logging in, which
/// OpenSSH 9.8 and later punish when it happens often (`PerSourcePenalties`): probe until it
/// answers, then log in.
pub(crate) async fn probe(address: SocketAddr, patience: Duration) -> Result<(), Obstacle> {
    let stream = match timeout(patience, TcpStream::connect(address)).await {
        Err(_) => return Err(Obstacle::NoAnswer),
        Ok(Err(error)) => return Err(Obstacle::from_connect(&error)),
        Ok(Ok(stream)) => stream,
    };
    let mut line = Vec::new();
    let mut reader = BufReader::new(stream.take(LINE));
    let read: io::Result<usize> = match timeout(patience, reader.read_until(b'\n', &mut line)).await
    {
        Err(_) => return Err(Obstacle::NoBanner),
        Ok(read) => read,
    };
    if line.starts_with(b"SSH-2.0-") {
        Ok(())
    } else if read.is_err() || line.is_empty() {
        Err(Obstacle::NoBanner)
    } else {
        Err(Obstacle::NotSsh(String::from_utf8_lossy(&line).trim().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncWriteExt, net::TcpListener};

    use super::*;

    async fn answer(with: &'static [u8]) -> Result<(), Obstacle> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(with).await.unwrap();
        });
        let result = probe(address, Duration::from_secs(5)).await;
        server.await.unwrap();
        result
    }

    #[tokio::test]
    async fn only_a_banner_is_an_sshd() {
        assert_eq!(answer(b"SSH-2.0-OpenSSH_9.2\r\n").await, Ok(()));
        assert_eq!(answer(b"").await, Err(Obstacle::NoBanner));
        assert_eq!(
            answer(b"HTTP/1.1 400 Bad Request\r\n").await,
            Err(Obstacle::NotSsh("HTTP/1.1 400 Bad Request".into()))
        );
    }

    #[tokio::test]
    async fn a_silent_port_and_a_closed_one_differ() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let patience = Duration::from_millis(50);
        assert_eq!(probe(address, patience).await, Err(Obstacle::NoBanner));
        drop(listener);
        assert_eq!(probe(address, patience).await, Err(Obstacle::Refused));
    }
}
