//! The machine's engine socket, here.
//!
//! The SSH master listens on [`Access::engine`] and forwards each connection to
//! [`GUEST_ENGINE_SOCKET`]. It does so for as long as it lives, so a command first tries
//! [`Access::engine_socket_alive`], which starts nothing and takes microseconds, and only then
//! connects.

use std::{io, path::Path, time::Duration};

use openssh::{ForwardType, Socket};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{Access, Guest, GuestError, access::GUEST_ENGINE_SOCKET, master};

/// How long an engine may take to answer that it is there.
const ANSWER: Duration = Duration::from_secs(5);

impl Access {
    /// Whether a master listens on [`Access::engine`]. That the machine behind it still runs, or
    /// its engine answers, only a request can tell.
    pub async fn engine_socket_alive(&self) -> bool {
        master::listens(&self.engine).await
    }
}

impl Guest {
    /// Makes sure that [`Access::engine`] is forwarded to the machine's engine socket, mode 0600;
    /// a stale file in its place is replaced. The master does so when it starts: this mends what
    /// happened to the file since.
    ///
    /// # Errors
    /// As [`Guest::forward`].
    pub async fn engine_socket(&self, cancel: &CancellationToken) -> Result<&Path, GuestError> {
        let engine = &self.access.engine;
        self.forward(engine, Path::new(GUEST_ENGINE_SOCKET), cancel).await?;
        Ok(engine)
    }

    /// Makes sure that connections to the local unix socket `here` (mode 0600, at most
    /// [`MAX_SOCKET_PATH`](crate::access::MAX_SOCKET_PATH) bytes) come out at the unix socket
    /// `there` in the machine, for as long as the SSH master lives. A file at `here` that no
    /// process listens on is replaced.
    ///
    /// # Errors
    /// [`GuestError::Master`] if the master cannot listen there, [`GuestError::Local`],
    /// [`GuestError::Cancelled`].
    pub async fn forward(
        &self,
        here: &Path,
        there: &Path,
        cancel: &CancellationToken,
    ) -> Result<(), GuestError> {
        if master::listens(here).await {
            return Ok(());
        }
        let _lock = master::lock(&self.access, ANSWER, cancel).await?;
        if master::listens(here).await {
            return Ok(());
        }
        let from = || Socket::UnixSocket { path: here.into() };
        let to = || Socket::UnixSocket { path: there.into() };
        // A master whose socket was unlinked still holds the forward, and would give it again as
        // it is. One that holds none refuses, which is as good.
        let _ = self.session.close_port_forward(ForwardType::Local, from(), to()).await;
        let forward = self.session.request_port_forward(ForwardType::Local, from(), to()).await;
        forward.map_err(|source| GuestError::Master {
            machine: self.machine().to_owned(),
            action: "forward a socket",
            source: source.into(),
        })
    }

    /// Asks the engine whether it is there (`GET /_ping`).
    ///
    /// # Errors
    /// Why it does not answer, in a few words.
    pub(crate) async fn ping_engine(&self) -> Result<(), String> {
        match timeout(ANSWER, ping(&self.access.engine)).await {
            Err(_) => Err(format!("it does not answer within {} s", ANSWER.as_secs())),
            Ok(Err(error)) => Err(format!("the forwarded socket fails: {error}")),
            Ok(Ok(answer)) => understand(&answer),
        }
    }
}

async fn ping(socket: &Path) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket).await?;
    let mut answer = Vec::new();
    let exchange = async {
        stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n").await?;
        stream.take(4096).read_to_end(&mut answer).await
    };
    match exchange.await.map_err(|error| error.kind()) {
        // The master hangs up, sooner or later, when there is nothing at the other end.
        Ok(_) | Err(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => Ok(answer),
        Err(kind) => Err(kind.into()),
    }
}

fn understand(answer: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(answer);
    let status = text.lines().next().unwrap_or_default().trim();
    if status.is_empty() {
        Err(format!("nothing listens on {GUEST_ENGINE_SOCKET}"))
    } else if status.split(' ').nth(1) == Some("200") {
        Ok(())
    } else {
        Err(format!("it answers {status:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_success_is_an_answer() {
        assert_eq!(understand(b"HTTP/1.0 200 OK\r\nApi-Version: 1.45\r\n\r\nOK"), Ok(()));
        assert_eq!(understand(b""), Err("nothing listens on /run/docker.sock".into()));
        let error = understand(b"HTTP/1.1 500 Internal Server Error\r\n\r\n").unwrap_err();
        assert_eq!(error, "it answers \"HTTP/1.1 500 Internal Server Error\"");
        assert!(understand(b"junk").is_err());
    }
}
