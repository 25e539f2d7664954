//! Asking an engine at a TCP address which release it is, and nothing else.
//!
//! Machines are talked to through a forwarded socket. This is for a list of many machines, where
//! logging in to each would take longer than all the rest, and for engines that are known by their
//! URL alone: one request on one connection, with mutual TLS as the docker CLI has it.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use http_body_util::Empty;
use hyper::{Request, Response, body::Bytes, body::Incoming, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring::default_provider,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
    },
};
use tokio_util::sync::CancellationToken;

use crate::{
    EngineError,
    connect::{PING, release_of},
    pki::store::{AUTHORITY, CLIENT, CLIENT_KEY},
};

/// Asks the engine at `host` and `port` for its release, `24.0.7`; with mutual TLS if there is a
/// directory with `ca.pem`, `cert.pem` and `key.pem`, and without any if not.
///
/// # Errors
/// [`EngineError::Refused`], [`EngineError::Broken`] (no route, no certificates, a certificate that
/// is not trusted), [`EngineError::NotAnEngine`], [`EngineError::Deadline`],
/// [`EngineError::Cancelled`].
pub async fn release_at(
    host: &str,
    port: u16,
    certificates: Option<&Path>,
    deadline: Duration,
    cancel: &CancellationToken,
) -> Result<String, EngineError> {
    // An address with colons stands in brackets.
    let authority =
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let greeting = Greeting { url: PathBuf::from(format!("tcp://{authority}")), authority };
    let request = format!("GET {PING}");
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(EngineError::Cancelled { request }),
        ended = tokio::time::timeout(deadline, greeting.exchange(host, port, certificates)) => {
            ended.unwrap_or_else(|_| Err(EngineError::Deadline {
                socket: greeting.url.clone(),
                request,
                deadline,
                reason: "it stayed silent".to_owned(),
            }))
        }
    }
}

struct Greeting {
    /// Where, for messages.
    url: PathBuf,
    /// Where, for the request.
    authority: String,
}

impl Greeting {
    async fn exchange(
        &self,
        host: &str,
        port: u16,
        certificates: Option<&Path>,
    ) -> Result<String, EngineError> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::ConnectionRefused => EngineError::Refused { socket: self.url.clone() },
            _ => self.broken(error),
        };
        let stream = TcpStream::connect((host, port)).await.map_err(failed)?;
        let response = match certificates {
            None => self.ask(stream).await,
            Some(directory) => {
                let config = client(directory).map_err(|error| self.broken(error))?;
                let name = ServerName::try_from(host.to_owned())
                    .map_err(|error| self.broken(io::Error::other(error)))?;
                let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
                self.ask(stream.map_err(|error| self.broken(error))?).await
            }
        };
        let response = response.map_err(|error| self.broken(io::Error::other(error)))?;
        match release_of(response.headers()) {
            "" => Err(EngineError::NotAnEngine {
                socket: self.url.clone(),
                found: format!("it answered {} without an engine's release", response.status()),
            }),
            release => Ok(release.to_owned()),
        }
    }

    async fn ask(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Response<Incoming>, Box<dyn std::error::Error + Send + Sync>> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let request =
            Request::get(PING).header(HOST, &self.authority).body(Empty::<Bytes>::new())?;
        // The connection is driven by whoever waits for the answer, and dropped with it.
        let mut answer = std::pin::pin!(sender.send_request(request));
        tokio::select! {
            answer = &mut answer => Ok(answer?),
            ended = connection => {
                ended?;
                Ok(answer.await?)
            }
        }
    }

    fn broken(&self, source: io::Error) -> EngineError {
        let request = format!("GET {PING}");
        EngineError::Broken { socket: self.url.clone(), request, source }
    }
}

/// A client with the certificate in a directory, which trusts the authority there and no other.
fn client(directory: &Path) -> io::Result<ClientConfig> {
    let wrong = |name: &str, error: &dyn std::fmt::Display| {
        let path = directory.join(name);
        io::Error::other(format!("{} cannot be used: {error}", path.display()))
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(directory.join(AUTHORITY))
        .map_err(|error| wrong(AUTHORITY, &error))?
    {
        let certificate = certificate.map_err(|error| wrong(AUTHORITY, &error))?;
        roots.add(certificate).map_err(|error| wrong(AUTHORITY, &error))?;
    }
    let chain = CertificateDer::pem_file_iter(directory.join(CLIENT))
        .and_then(Iterator::collect)
        .map_err(|error| wrong(CLIENT, &error))?;
    let key = PrivateKeyDer::from_pem_file(directory.join(CLIENT_KEY))
        .map_err(|error| wrong(CLIENT_KEY, &error))?;
    ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(|error| wrong(CLIENT, &error))
}
