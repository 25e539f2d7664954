//! A web server with one file, which does what servers do wrong.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivatePkcs8KeyDer},
    },
};

/// What the server has, and how it answers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Site {
    /// The file.
    pub(crate) file: Vec<u8>,
    /// Its `ETag`.
    pub(crate) etag: Option<&'static str>,
    /// Whether it gives a part of the file when asked.
    pub(crate) ranges: bool,
    /// After how many bytes of a body it goes away.
    pub(crate) cut: Option<usize>,
    /// After how many bytes of a body it falls silent.
    pub(crate) silent: Option<usize>,
    /// Another status than 200, with an empty body.
    pub(crate) status: Option<&'static str>,
    /// The length it says the file has, instead of the true one.
    pub(crate) length: Option<u64>,
}

impl Site {
    /// An honest server with this file.
    pub(crate) fn with(file: Vec<u8>) -> Self {
        Self { file, etag: Some("\"v1\""), ranges: true, ..Self::default() }
    }
}

/// A running server; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    scheme: &'static str,
    site: Arc<Mutex<Site>>,
    asked: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves over plain http.
    pub(crate) async fn start(site: Site) -> Self {
        Self::serve(site, None).await
    }

    /// Serves over https, with a certificate for 127.0.0.1 from a root of its own, which has this
    /// name and is returned as DER.
    pub(crate) async fn start_protected(name: &str, site: Site) -> (Self, Vec<u8>) {
        let mut params = CertificateParams::default();
        // Two roots of one name would be taken for one.
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let leaf = leaf.signed_by(&key, &root).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from(leaf.der().to_vec())],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
        let server = Self::serve(site, Some(TlsAcceptor::from(Arc::new(config)))).await;
        (server, root.der().to_vec())
    }

    async fn serve(site: Site, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let (site, asked) = (Arc::new(Mutex::new(site)), Arc::new(Mutex::new(Vec::new())));
        let (of_task, log) = (site.clone(), asked.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (site, log, tls) = (of_task.clone(), log.clone(), tls.clone());
                tokio::spawn(async move {
                    // A client may go away when it likes.
                    let _ = match tls {
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => answer(stream, &site, &log).await,
                            Err(error) => Err(error),
                        },
                        None => answer(stream, &site, &log).await,
                    };
                });
            }
        });
        Self { address, scheme, site, asked, task }
    }

    /// The address of the file.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}/hive/bees.iso", self.scheme, self.address)
    }

    /// What the server has, to be changed.
    pub(crate) fn site(&self) -> MutexGuard<'_, Site> {
        locked(&self.site)
    }

    /// The `Range` of each request so far; empty for one without.
    pub(crate) fn asked(&self) -> Vec<String> {
        locked(&self.asked).clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    site: &Mutex<Site>,
    asked: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await?);
    }
    let request = String::from_utf8_lossy(&request).to_lowercase();
    let header = |name: &str| {
        let mut lines = request.lines();
        lines.find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned))
    };
    let range = header("range").unwrap_or_default();
    locked(asked).push(range.clone());
    let site = locked(site).clone();
    let size = site.file.len();
    let same = site.etag.is_some() && header("if-range").as_deref() == site.etag;
    let from = range.strip_prefix("bytes=").and_then(|range| range.strip_suffix('-')?.parse().ok());
    let (status, from, extra) = match (site.status, from) {
        (Some(status), _) => (status, size, String::new()),
        (None, Some(from)) if site.ranges && same && from < size => (
            "206 Partial Content",
            from,
            format!("Content-Range: bytes {from}-{}/{size}\r\n", size - 1),
        ),
        (None, Some(_)) if site.ranges && same => {
            ("416 Range Not Satisfiable", size, format!("Content-Range: bytes */{size}\r\n"))
        }
        _ => ("200 OK", 0, String::new()),
    };
    let body = &site.file[from..];
    let etag = site.etag.map(|etag| format!("ETag: {etag}\r\n")).unwrap_or_default();
    let length = site.length.unwrap_or(body.len() as u64);
    let head = format!("HTTP/1.1 {status}\r\n{etag}{extra}Content-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let end = site.cut.or(site.silent).unwrap_or(body.len()).min(body.len());
    stream.write_all(&body[..end]).await?;
    stream.flush().await?;
    if site.silent.is_some() {
        return std::future::pending().await;
    }
    stream.shutdown().await
}
