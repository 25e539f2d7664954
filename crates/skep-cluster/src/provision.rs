//! What a machine is told before it starts: who it is, who may log in, whom it trusts.
//!
//! Keys are made once, written to the store before the machine that has them is made, and used
//! again if making it has to begin again.

use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use skep_engine::pki::{Authority, needs_renewal};
use skep_guest::{Guest, KeyPair, Member, known_hosts_line};
use skep_os::{Seed, TlsFiles};
use skep_store::write_private;
use tokio_util::sync::CancellationToken;

use crate::{ClusterError, MachineRecord, engine_options, reach::Cluster};

/// Makes, or finds, a machine's keys and writes the seed that tells it everything but its
/// network, which is its driver's to know.
pub(crate) fn seed(
    cluster: &Cluster,
    machine: &MachineRecord,
    authority: &Authority,
) -> Result<Seed, ClusterError> {
    let home = cluster.home();
    let reach = cluster.reach(machine)?;
    let files = home.layout().cluster(cluster.record().name.as_str());
    let files = files.machine(machine.name.as_str());
    let login = key_pair(&files.ssh_key(), &format!("skep {}", machine.name))?;
    let host = key_pair(&files.host_key(), &format!("host key of {}", machine.name))?;
    let pin = known_hosts_line(reach.host, reach.ssh, &host.public);
    write_private(&files.known_hosts(), format!("{pin}\n").as_bytes())?;
    let names = server_names(cluster, machine)?;
    let server = authority.issue_server(&names, home.settings().now)?;
    let mut seed = Seed::new(machine.name.clone(), login.public, host.private);
    seed.tls = Some(TlsFiles {
        ca: authority.certificate_pem().to_owned(),
        certificate: server.certificate_pem,
        key: server.key_pem,
    });
    seed.engine_options = engine_options::daemon_json(&machine.engine)?;
    for anchor in cluster.record().wished(machine)? {
        let der = anchor.certificate.der().to_vec();
        match anchor.registry {
            None => seed.ca_certificates.push(der),
            Some(registry) => {
                seed.registry_certificates.entry(registry.to_string()).or_default().push(der);
            }
        }
    }
    Ok(seed)
}

/// The seed of a machine that takes nothing of it but who may log in; the rest is told over SSH.
pub(crate) fn key_only(cluster: &Cluster, machine: &MachineRecord) -> Result<Seed, ClusterError> {
    let files = cluster.home().layout().cluster(cluster.record().name.as_str());
    let files = files.machine(machine.name.as_str());
    let login = key_pair(&files.ssh_key(), &format!("skep {}", machine.name))?;
    Ok(Seed::new(machine.name.clone(), login.public, SecretString::from(String::new())))
}

/// The seed of a machine that takes none.
pub(crate) fn no_seed(machine: &MachineRecord) -> Seed {
    Seed::new(machine.name.clone(), String::new(), SecretString::from(String::new()))
}

/// Where a machine's engine reads its TLS files; see `docs/guest-os.md`.
const TLS_FILES: &str = "/var/lib/skep/seed/tls";

/// Whether the certificate of a machine's engine should be replaced.
pub(crate) async fn server_is_due(
    cluster: &Cluster,
    machine: &MachineRecord,
    guest: &Guest,
    cancel: &CancellationToken,
) -> Result<bool, ClusterError> {
    let names = server_names(cluster, machine)?;
    let held = guest.read_file(&format!("{TLS_FILES}/server-cert.pem"), cancel).await?;
    let now = cluster.home().settings().now;
    Ok(needs_renewal(&String::from_utf8_lossy(&held), &names, now))
}

/// Gives a machine's engine a new certificate. It reads that when it is restarted, which is its
/// caller's to do, and due until then.
pub(crate) async fn renew_server(
    cluster: &Cluster,
    machine: &MachineRecord,
    authority: &Authority,
    guest: &Guest,
    cancel: &CancellationToken,
) -> Result<(), ClusterError> {
    let names = server_names(cluster, machine)?;
    let server = authority.issue_server(&names, cluster.home().settings().now)?;
    let key = server.key_pem.expose_secret().as_bytes();
    let certificate = server.certificate_pem.as_bytes();
    // The certificate last: until it is there, it is due.
    let files = [
        Member { name: "server-key.pem", mode: 0o600, bytes: key },
        Member { name: "server-cert.pem", mode: 0o644, bytes: certificate },
    ];
    Ok(guest.write_engine_files(TLS_FILES, &files, cancel).await?)
}

/// The names a machine's engine is reached under over TCP.
pub(crate) fn server_names(
    cluster: &Cluster,
    machine: &MachineRecord,
) -> Result<Vec<String>, ClusterError> {
    let address = cluster.address(machine)?.to_string();
    let host = cluster.reach(machine)?.host.to_string();
    let mut names = vec![machine.name.to_string(), host, "localhost".into(), "127.0.0.1".into()];
    for name in std::iter::once(&address).chain(&machine.engine.tls_sans) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    Ok(names)
}

/// The key pair at `path` and `path.pub`, made if it is not whole. The private half is written
/// last: a public half without it is made again.
fn key_pair(path: &Path, comment: &str) -> Result<KeyPair, ClusterError> {
    let public_path = path.with_extension("pub");
    if let (Ok(private), Ok(public)) = (
        skep_read::text(path, skep_read::limit::KEY),
        skep_read::text(&public_path, skep_read::limit::KEY),
    ) {
        let private = SecretString::from(private);
        return Ok(KeyPair { private, public: public.trim_end().to_owned() });
    }
    let pair = KeyPair::generate(comment)?;
    write_private(&public_path, format!("{}\n", pair.public).as_bytes())?;
    write_private(path, pair.private.expose_secret().as_bytes())?;
    Ok(pair)
}
