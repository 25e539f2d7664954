//! The TLS files of a machine's engine: the names in them, when they are due, and new ones.

use secrecy::ExposeSecret;
use skep_context::Context;
use skep_guest::{Guest, Member};
use skep_pki::{Authority, needs_renewal};
use tokio_util::sync::CancellationToken;

use crate::{ClusterError, MachineRecord, ca_certificates, reach::Cluster};

/// Where a machine's engine reads its TLS files; see `docs/guest-os.md`.
const TLS_FILES: &str = "/var/lib/skep/seed/tls";

/// Whether the certificate of a machine's engine should be replaced.
async fn server_is_due(
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
async fn renew_server(
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

/// Brings the certificates of a machine of skep's own to what is desired: those it trusts, and its
/// engine's own, if that is due or is to be renewed. Returns whether its engine is to be restarted.
pub(crate) async fn update(
    cluster: &Cluster,
    machine: &MachineRecord,
    authority: &Authority,
    guest: &Guest,
    renew: bool,
    context: Context<'_>,
) -> Result<bool, ClusterError> {
    let Context { events, cancel, .. } = context;
    let mut due = ca_certificates::install(cluster, machine, guest, context).await?;
    if server_is_due(cluster, machine, guest, cancel).await? || renew {
        let step = events.step(&machine.name, "renewing the engine's certificate");
        step.end_with(renew_server(cluster, machine, authority, guest, cancel).await)?;
        due = true;
    }
    Ok(due)
}
