//! An engine's release, asked over TCP.
//!
//! Everything else is asked through a unix socket, which needs no handshake for each request. One
//! question is worth a handshake: the release of an engine without an SSH session beside it, in a
//! list of many machines.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{Request, body::Bytes, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use crate::error::EngineError;

const REQUEST: &str = "GET /version";

/// The longest answer that is read, in bytes; an engine's has about a thousand.
const MAX_ANSWER: usize = 256 * 1024;

/// What is spoken at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// TLS, each side proving itself with a certificate of the store's authority.
    Tls,
    /// Nothing but HTTP.
    Plain,
    /// TLS, or plain HTTP where no TLS is spoken. What is asked here is no secret.
    Either,
}

/// The files of a client, each PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientFiles {
    /// The certificate of the authority that the engine's comes from.
    pub authority: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// Where an engine listens on TCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpEndpoint {
    /// A host name, or an address without brackets.
    pub host: String,
    pub port: u16,
    /// Who is trusted there, and how this side proves itself.
    pub certificates: ClientFiles,
    pub security: Security,
}

impl TcpEndpoint {
    /// As errors name it; their field is a path, for every other engine is at one.
    fn name(&self) -> PathBuf {
        match self.host.contains(':') {
            true => format!("tcp://[{}]:{}", self.host, self.port).into(),
            false => format!("tcp://{}:{}", self.host, self.port).into(),
        }
    }

    fn broken(&self, source: io::Error) -> EngineError {
        match source.kind() {
            io::ErrorKind::ConnectionRefused => EngineError::Refused { socket: self.name() },
            _ => EngineError::Broken { socket: self.name(), request: REQUEST.into(), source },
        }
    }

    async fn connect(&self) -> Result<TcpStream, EngineError> {
        let connected = TcpStream::connect((self.host.as_str(), self.port)).await;
        connected.map_err(|error| self.broken(error))
    }

    /// Who is trusted, and how this side proves itself.
    fn config(&self) -> io::Result<ClientConfig> {
        let ClientFiles { authority, certificate, key } = &self.certificates;
        let other = |error: &dyn std::fmt::Display, file: &Path| {
            io::Error::other(format!("{}: {error}", file.display()))
        };
        let mut roots = RootCertStore::empty();
        for root in read(authority)? {
            roots.add(root).map_err(|error| other(&error, authority))?;
        }
        let own = read(certificate)?;
        let bytes = skep_read::bytes(key, skep_read::limit::CERTIFICATES)?;
        let key = PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| other(&error, key))?;
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        let builder = builder.with_root_certificates(roots);
        builder.with_client_auth_cert(own, key).map_err(|error| other(&error, certificate))
    }
}

fn read(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let bytes = skep_read::bytes(path, skep_read::limit::CERTIFICATES)?;
    let certificates = CertificateDer::pem_slice_iter(&bytes).collect::<Result<_, _>>();
    certificates.map_err(|error| io::Error::other(format!("{}: {error}", path.display())))
}

/// The release of the engine at `endpoint`, as `24.0.7`; empty if it does not say.
///
/// # Errors
/// [`EngineError::Refused`], [`EngineError::Broken`] (a certificate that is not the store's is one
/// such), [`EngineError::NotAnEngine`], [`EngineError::Deadline`], [`EngineError::Cancelled`].
pub async fn release(
    endpoint: &TcpEndpoint,
    deadline: Duration,
    cancel: &CancellationToken,
) -> Result<String, EngineError> {
    let late = || EngineError::Deadline {
        socket: endpoint.name(),
        request: REQUEST.into(),
        deadline,
        reason: "it stayed silent".into(),
    };
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(EngineError::Cancelled { request: REQUEST.into() }),
        asked = tokio::time::timeout(deadline, asked(endpoint)) => asked.unwrap_or_else(|_| Err(late())),
    }
}

async fn asked(endpoint: &TcpEndpoint) -> Result<String, EngineError> {
    let stream = endpoint.connect().await?;
    let config = match endpoint.security {
        Security::Plain => None,
        Security::Tls => Some(endpoint.config().map_err(|error| endpoint.broken(error))?),
        // A store that has no certificates yet has given none to this engine.
        Security::Either => endpoint.config().ok(),
    };
    let Some(config) = config else { return ask(endpoint, stream).await };
    let wrong = |error| endpoint.broken(io::Error::other(error));
    let name = ServerName::try_from(endpoint.host.clone()).map_err(wrong)?;
    match TlsConnector::from(Arc::new(config)).connect(name, stream).await {
        Ok(stream) => ask(endpoint, stream).await,
        Err(error) if endpoint.security == Security::Either && speaks_no_tls(&error) => {
            ask(endpoint, endpoint.connect().await?).await
        }
        Err(error) => Err(endpoint.broken(error)),
    }
}

/// Whether a handshake failed because the other side did not know what it was.
fn speaks_no_tls(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::InvalidMessage(_)))
        || matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::BrokenPipe
        )
}

async fn ask(
    endpoint: &TcpEndpoint,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<String, EngineError> {
    let broken = |error: hyper::Error| endpoint.broken(io::Error::other(error));
    let not_an_engine = |found: String| EngineError::NotAnEngine { socket: endpoint.name(), found };
    let (mut sender, connection) =
        http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await.map_err(broken)?;
    let request = Request::get("/version").header(HOST, "engine").body(Empty::new());
    let request = request.map_err(|error| endpoint.broken(io::Error::other(error)))?;
    let answered = async {
        let response =
            sender.send_request(request).await.map_err(|error| match error.is_parse() {
                true => not_an_engine("its answer is not HTTP".into()),
                false => broken(error),
            })?;
        let status = response.status();
        if !status.is_success() {
            return Err(not_an_engine(format!("it answered {status}")));
        }
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
        let body = body.map_err(|error| endpoint.broken(io::Error::other(error)))?;
        Ok(body.to_bytes())
    };
    // The connection is driven while its answer is waited for, and ends with it.
    let body = tokio::select! {
        answered = answered => answered?,
        Err(error) = connection => return Err(broken(error)),
    };
    #[derive(serde::Deserialize)]
    struct Version {
        #[serde(rename = "Version", default)]
        version: String,
    }
    let version: Version = serde_json::from_slice(&body)
        .map_err(|_| not_an_engine("its answer is not an engine's version".into()))?;
    Ok(version.version)
}
