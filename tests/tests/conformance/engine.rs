//! A fake engine at a TCP address, with TLS, like docker-machine's during the recording.

use std::{fs::read_to_string, net::TcpListener, path::Path, sync::Arc, thread::JoinHandle};

use rcgen::{CertificateParams, Issuer, KeyPair};
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

/// What it answers to everything: which release it is.
const BODY: &str = r#"{"Version":"24.0.7","ApiVersion":"1.43","Os":"linux"}"#;

/// A running engine; dropping it ends it.
pub(crate) struct Engine {
    end: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Engine {
    /// Answers on `listener`, with a certificate from the authority of the store at `store`.
    pub(crate) fn start(listener: TcpListener, store: &Path) -> Self {
        let text = |name| read_to_string(store.join("certs").join(name)).unwrap();
        let authority = KeyPair::from_pem(&text("ca-key.pem")).unwrap();
        let issuer = Issuer::from_ca_cert_pem(&text("ca.pem"), authority).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(
            vec![CertificateDer::from(certificate.der().to_vec())],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        );
        let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
        listener.set_nonblocking(true).unwrap();
        let end = CancellationToken::new();
        let ended = end.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(ended.run_until_cancelled(serve(listener, acceptor)));
        });
        Self { end, thread: Some(thread) }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.end.cancel();
        if let Some(thread) = self.thread.take() {
            // If it panicked, the test has failed by now.
            let _ = thread.join();
        }
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream, acceptor.clone()));
    }
}

async fn answer(stream: TcpStream, acceptor: TlsAcceptor) -> std::io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let answer = format!(
        "HTTP/1.1 200 OK\r\nApi-Version: 1.43\r\nServer: Docker/24.0.7 (linux)\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{BODY}",
        BODY.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}
