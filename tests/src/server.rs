//! A TLS server that answers like an empty container registry.

use std::{
    net::{IpAddr, SocketAddr, TcpListener},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivatePkcs8KeyDer},
    },
};
use tokio_util::sync::CancellationToken;

use crate::certificates::Root;

/// How long one connection may last.
const CONNECTION: Duration = Duration::from_secs(10);

/// A running server; dropping it ends it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    end: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens at an address of this host, on a port that is free, with a certificate for it
    /// from `root`.
    ///
    /// # Panics
    /// If the address is not one of this host's.
    pub fn start(root: &Root, address: IpAddr) -> Self {
        let certificate = root.server(&[&address.to_string()]);
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from(certificate.der)],
                PrivatePkcs8KeyDer::from(certificate.key).into(),
            )
            .expect("the certificate is the key's");
        let listener = TcpListener::bind((address, 0)).expect("the address is this host's");
        listener.set_nonblocking(true).expect("a listener can be made to wait for nothing");
        let address = listener.local_addr().expect("a listener has an address");
        let end = CancellationToken::new();
        let ended = end.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("a runtime can be made");
            let serve = serve(listener, TlsAcceptor::from(Arc::new(config)));
            runtime.block_on(ended.run_until_cancelled(serve));
        });
        Self { address, end, thread: Some(thread) }
    }

    /// Where it listens, as `HOST:PORT`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end.cancel();
        if let Some(thread) = self.thread.take() {
            // If it panicked, the test has failed by now.
            let _ = thread.join();
        }
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("the listener is ready");
    while let Ok((stream, _)) = listener.accept().await {
        // A client that does not trust the root closes the connection, which is expected.
        tokio::spawn(tokio::time::timeout(CONNECTION, answer(stream, acceptor.clone())));
    }
}

/// Answers one request: `/v2/` is the registry's greeting, and it has no image.
async fn answer(stream: TcpStream, acceptor: TlsAcceptor) -> std::io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let mut request = vec![0; 4096];
    let read = stream.read(&mut request).await?;
    let greeting = request[..read].starts_with(b"GET /v2/ ");
    let (status, body) = if greeting {
        ("200 OK", "{}")
    } else {
        ("404 Not Found", r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"no such image"}]}"#)
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n\
         Docker-Distribution-Api-Version: registry/2.0\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}
