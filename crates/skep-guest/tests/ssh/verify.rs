//! TLS handshakes from inside a machine that does not know the server's root.

use std::{sync::Arc, time::SystemTime};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use skep_guest::certificate::{Handshake, verify};
use skep_pki::{CaCertificate, CaCertificates, Purpose, Server};
use tokio::{io::AsyncWriteExt, net::TcpListener};
use tokio_rustls::{TlsAcceptor, rustls};

use crate::sshd::Sshd;

type Root = CertifiedIssuer<'static, KeyPair>;

fn root(name: &str) -> (Root, Vec<CaCertificate>) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    // Its default validity is from 1975 to 4096: any time will do.
    let taken = CaCertificates::read(
        [("root", root.der().as_ref())],
        Purpose::System,
        SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_893_456_000),
    );
    (root, taken.unwrap().certificates)
}

/// A TLS server on this host, with a certificate for `name` from `root`.
async fn serve(root: &Root, name: &str) -> Server {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, root).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // A client that does not like us hangs up; the next one may.
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _ = stream.shutdown().await;
            }
        }
    });
    address.to_string().parse().unwrap()
}

#[tokio::test]
async fn a_private_root_is_proved_and_another_is_not() {
    let (sshd, guest) = Sshd::connected().await;
    let ((ours, our_roots), (_, other_roots)) = (root("Ours"), root("Another"));
    let server = serve(&ours, "127.0.0.1").await;
    let proved = verify(&guest, &server, &our_roots, None, &sshd.cancel).await.unwrap();
    // The system does not know this root; the handshake that trusts only it does.
    assert!(matches!(proved.machine, Handshake::Untrusted { .. }), "{proved:?}");
    assert!(
        matches!(&proved.roots, Some(Handshake::Trusted { root }) if root.contains("Ours")),
        "{proved:?}"
    );
    assert!(!proved.passed());
    let other = verify(&guest, &server, &other_roots, None, &sshd.cancel).await.unwrap();
    assert!(matches!(other.roots, Some(Handshake::Untrusted { .. })), "{other:?}");
}

#[tokio::test]
async fn no_server_and_no_tls_are_told_apart() {
    let (sshd, guest) = Sshd::connected().await;
    let verify = async |server: &str| {
        let server = server.parse().unwrap();
        verify(&guest, &server, &[], None, &sshd.cancel).await.unwrap().machine
    };
    // The machine's own sshd listens, and speaks no TLS.
    let no_tls = verify(&sshd.access.address().to_string()).await;
    assert!(matches!(no_tls, Handshake::Failed { .. }), "{no_tls:?}");
    let closed = verify("127.0.0.1:1").await;
    let reason = "Connection refused".into();
    assert_eq!(closed, Handshake::Unreachable { reason });
}
