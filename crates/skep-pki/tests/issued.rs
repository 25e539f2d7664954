//! What an authority issues, put before a TLS implementation that is not its own: rustls checks
//! chains, names, usages and validity as the engine's Go library does.

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    server::WebPkiClientVerifier,
    time_provider::TimeProvider,
};
use secrecy::ExposeSecret;
use skep_pki::{Authority, BACKDATED, Issued, LEAF_LIFETIME, RENEWED_BEFORE, needs_renewal};
use x509_parser::prelude::parse_x509_pem;

const SECOND: Duration = Duration::from_secs(1);

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

#[derive(Debug)]
struct Clock(SystemTime);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        self.0.duration_since(SystemTime::UNIX_EPOCH).ok().map(UnixTime::since_unix_epoch)
    }
}

fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

fn key(issued: &Issued) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_slice(issued.key_pem.expose_secret().as_bytes()).unwrap()
}

fn roots(authority: &Authority) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate(authority.certificate_pem())).unwrap();
    Arc::new(roots)
}

/// Mutual TLS as the engine does it, in memory, at the time `at`.
fn handshake(
    authority: &Authority,
    server: &Issued,
    client: &Issued,
    name: &str,
    at: SystemTime,
) -> Result<(), Box<dyn Error>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots(authority), provider.clone()).build()?;
    let server_config = ServerConfig::builder_with_details(provider.clone(), Arc::new(Clock(at)))
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate(&server.certificate_pem)], key(server))?;
    let client_config = ClientConfig::builder_with_details(provider, Arc::new(Clock(at)))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots(authority))
        .with_client_auth_cert(vec![certificate(&client.certificate_pem)], key(client))?;
    let mut server = ServerConnection::new(Arc::new(server_config))?;
    let name = ServerName::try_from(name.to_owned())?;
    let mut client = ClientConnection::new(Arc::new(client_config), name)?;
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire)?;
        server.read_tls(&mut wire.as_slice())?;
        server.process_new_packets()?;
        let mut wire = Vec::new();
        server.write_tls(&mut wire)?;
        client.read_tls(&mut wire.as_slice())?;
        client.process_new_packets()?;
    }
    Ok(())
}

#[test]
fn client_and_engine_trust_each_other_under_every_name() {
    let authority = Authority::generate("skep test", now()).unwrap();
    let names = ["manager1", "localhost", "172.28.0.2", "127.0.0.1", "fd00::2"];
    let server = authority.issue_server(&names, now()).unwrap();
    let client = authority.issue_client(now()).unwrap();
    for name in names {
        handshake(&authority, &server, &client, name, now()).unwrap();
    }
    for name in ["manager2", "172.28.0.3", "fd00::3"] {
        let error = handshake(&authority, &server, &client, name, now()).unwrap_err();
        assert!(error.to_string().contains("not valid for name"), "{name}: {error}");
    }
}

#[test]
fn a_certificate_serves_only_its_own_end() {
    let authority = Authority::generate("skep test", now()).unwrap();
    let server = authority.issue_server(&["manager1"], now()).unwrap();
    let client = authority.issue_client(now()).unwrap();
    let reach = |server, client| handshake(&authority, server, client, "manager1", now());
    reach(&server, &client).unwrap();
    for (server, client) in [(&server, &server), (&client, &client)] {
        let error = reach(server, client).unwrap_err().to_string();
        assert!(error.contains("extended key usage"), "{error}");
    }
}

#[test]
fn another_authoritys_certificates_are_refused() {
    let authority = Authority::generate("skep test", now()).unwrap();
    let other = Authority::generate("skep test", now()).unwrap();
    let server = authority.issue_server(&["manager1"], now()).unwrap();
    let stranger = other.issue_client(now()).unwrap();
    let error = handshake(&authority, &server, &stranger, "manager1", now()).unwrap_err();
    assert!(error.to_string().contains("invalid peer certificate"), "{error}");
}

#[test]
fn certificates_hold_from_a_day_before_to_their_end() {
    let authority = Authority::generate("skep test", now()).unwrap();
    let server = authority.issue_server(&["manager1"], now()).unwrap();
    let client = authority.issue_client(now()).unwrap();
    let at = |time| handshake(&authority, &server, &client, "manager1", time);
    at(now() - BACKDATED).unwrap();
    at(now() + LEAF_LIFETIME - SECOND).unwrap();
    assert!(at(now() - BACKDATED - SECOND).unwrap_err().to_string().contains("not valid yet"));
    assert!(at(now() + LEAF_LIFETIME + SECOND).unwrap_err().to_string().contains("expired"));
}

#[test]
fn an_authority_read_back_signs_for_those_that_trust_the_first() {
    let first = Authority::generate("skep test", now()).unwrap();
    let again = Authority::from_pem(first.certificate_pem(), first.key_pem()).unwrap();
    let server = again.issue_server(&["manager1"], now()).unwrap();
    let client = first.issue_client(now()).unwrap();
    handshake(&first, &server, &client, "manager1", now()).unwrap();
    handshake(&again, &server, &client, "manager1", now()).unwrap();
}

#[test]
fn certificates_have_the_extensions_of_their_purpose() {
    let authority = Authority::generate("skep test", now()).unwrap();
    let server = authority.issue_server(&["manager1"], now()).unwrap();
    let client = authority.issue_client(now()).unwrap();
    let mut serials = Vec::new();
    for (pem, is_authority) in [
        (authority.certificate_pem(), true),
        (&server.certificate_pem, false),
        (&client.certificate_pem, false),
    ] {
        let (_, block) = parse_x509_pem(pem.as_bytes()).unwrap();
        let x509 = block.parse_x509().unwrap();
        let constraints = x509.basic_constraints().unwrap().unwrap();
        let usage = x509.key_usage().unwrap().unwrap();
        assert!(constraints.critical && usage.critical);
        assert_eq!(constraints.value.ca, is_authority);
        assert_eq!(constraints.value.path_len_constraint, is_authority.then_some(0));
        assert_eq!(usage.value.key_cert_sign(), is_authority);
        assert_eq!(usage.value.digital_signature(), !is_authority);
        let extended = x509.extended_key_usage().unwrap().map(|extension| extension.value);
        let purposes = extended.map(|usage| (usage.server_auth, usage.client_auth));
        let expected = match pem {
            _ if is_authority => None,
            pem if pem == server.certificate_pem => Some((true, false)),
            _ => Some((false, true)),
        };
        assert_eq!(purposes, expected);
        assert!(x509.raw_serial().len() <= 20 && x509.raw_serial()[0] < 0x80);
        serials.push(x509.raw_serial().to_vec());
    }
    serials.sort();
    serials.dedup();
    assert_eq!(serials.len(), 3);
}

#[test]
fn a_certificate_is_due_at_its_ends_and_for_a_new_name() {
    let authority = Authority::generate("skep test", now()).unwrap();
    let names = ["manager1", "172.28.0.2", "fd00::2"];
    let pem = authority.issue_server(&names, now()).unwrap().certificate_pem;
    let due = |at| needs_renewal(&pem, &names, at);
    assert!(!due(now()));
    assert!(!due(now() - BACKDATED));
    assert!(due(now() - BACKDATED - SECOND));
    let last = now() + LEAF_LIFETIME - RENEWED_BEFORE;
    assert!(!due(last));
    assert!(due(last + SECOND));
    assert!(due(now() + LEAF_LIFETIME + BACKDATED));

    assert!(!needs_renewal(&pem, &["MANAGER1", "fd00:0::2"], now()));
    assert!(needs_renewal(&pem, &["manager1", "172.28.0.3"], now()));
    assert!(needs_renewal(&pem, &["manager2"], now()));
}

#[test]
fn what_is_no_certificate_is_due() {
    let authority = Authority::generate("skep test", now()).unwrap();
    let pem = authority.certificate_pem();
    for length in [0, 1, 40, pem.len() / 2, pem.len() - 30] {
        assert!(needs_renewal::<&str>(&pem[..length], &[], now()), "{length}");
    }
    assert!(!needs_renewal::<&str>(pem, &[], now()));
}
