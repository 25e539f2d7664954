//! A TLS server whose certificate is issued by its own root.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use tokio::{io::AsyncWriteExt as _, net::TcpListener, task::JoinHandle};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

/// How long the certificates are valid, on either side of now: clocks differ.
const VALID: Duration = Duration::from_secs(24 * 60 * 60);

/// How long one connection may last.
const CONNECTION: Duration = Duration::from_secs(10);

/// An untrusted root certificate with its key, which never leaves memory.
pub(super) struct PrivateRoot {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl PrivateRoot {
    /// A new root.
    pub(super) fn new() -> Result<Self> {
        let mut params = valid(CertificateParams::default());
        params.distinguished_name.push(DnType::CommonName, "skep demo root");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().context("cannot make a key")?;
        let issuer = CertifiedIssuer::self_signed(params, key).context("cannot make a root")?;
        Ok(Self { issuer })
    }

    /// The certificate, as PEM.
    pub(super) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Serves at `listen` with a certificate for `address`, until the server is dropped.
    pub(super) async fn serve(&self, address: IpAddr, listen: IpAddr) -> Result<Server> {
        let key = KeyPair::generate().context("cannot make a key")?;
        let names = vec![address.to_string(), "localhost".into()];
        let mut params = valid(CertificateParams::new(names)?);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &self.issuer)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((listen, 0)).await?;
        let port = listener.local_addr()?.port();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(tokio::time::timeout(CONNECTION, async move {
                    // A client that does not trust the root closes the connection, which is expected.
                    if let Ok(mut stream) = acceptor.accept(stream).await {
                        let answer =
                            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                        let _ = stream.write_all(answer.as_bytes()).await;
                        let _ = stream.shutdown().await;
                    }
                }));
            }
        });
        Ok(Server { port, task })
    }
}

fn valid(mut params: CertificateParams) -> CertificateParams {
    let now = SystemTime::now();
    params.not_before = (now - VALID).into();
    params.not_after = (now + VALID).into();
    params
}

/// A running server; dropping it ends it.
pub(super) struct Server {
    pub(super) port: u16,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use tokio_rustls::{
        TlsConnector,
        rustls::{ClientConfig, RootCertStore, pki_types::ServerName},
    };

    use super::*;

    async fn shakes_hands(trusted: &PrivateRoot, port: u16) -> bool {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.issuer.der().clone()).unwrap();
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.is_ok()
    }

    #[tokio::test]
    async fn only_who_trusts_the_root_shakes_hands() {
        let root = PrivateRoot::new().unwrap();
        let loopback = IpAddr::from([127, 0, 0, 1]);
        let server = root.serve(loopback, loopback).await.unwrap();
        assert!(shakes_hands(&root, server.port).await);
        assert!(!shakes_hands(&PrivateRoot::new().unwrap(), server.port).await);
        assert!(root.pem().starts_with("-----BEGIN CERTIFICATE-----"));
    }
}
